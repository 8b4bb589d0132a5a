//! The proxy on the way, if there is one.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::{env, fmt};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chat_proto::Error;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;

use crate::buffer::Buffer;
use crate::connector::Origin;
use crate::http1;
use crate::socket::Socket;

/// The HTTP proxies between the client and the API.
///
/// A proxy's URL is `http://`, or has no scheme, which is the same; its port is 80 if not given. User and password, if there
/// are any, stand before the host, percent-encoded: `http://user:p%40ss@proxy.example:3128`. They are never printed. TLS to
/// the proxy and SOCKS are not spoken here, and refused.
///
/// An `https://` API is reached through a tunnel, with TLS from end to end. The requests to a plain `http://` one are given
/// to the proxy to forward, as curl and Go do it.
///
/// ```
/// use chat_blocking::{Connector, Proxy};
///
/// let proxy = Proxy::url("http://proxy.example:3128")?.except("internal.example, 10.0.0.0/8");
/// let connector = Connector::with_roots([])?.via(proxy);
/// # Ok::<(), chat_blocking::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    http: Option<Arc<Way>>,
    https: Option<Arc<Way>>,
    except: Vec<Exception>,
    loopback: bool,
}

impl Proxy {
    /// None, whatever the environment says.
    pub fn none() -> Self {
        Self::default()
    }

    /// One for everything but what [`except`](Self::except) names.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if that is no URL of an HTTP proxy.
    pub fn url(url: &str) -> Result<Self, Error> {
        let way = Some(Arc::new(Way::parse("proxy", url)?));
        Ok(Self { http: way.clone(), https: way, except: Vec::new(), loopback: true })
    }

    /// What the environment says, which is what a [`Connector`](crate::Connector) does by itself: `HTTPS_PROXY` for `https://`,
    /// `HTTP_PROXY` for `http://`, `ALL_PROXY` where that one is not set, and `NO_PROXY`, read as [`except`](Self::except)
    /// says; each in lower case where it is not set in upper case. A variable that is set to nothing is one that is not set.
    ///
    /// `localhost` and loopback addresses are reached directly, and `HTTP_PROXY` does not count where `REQUEST_METHOD` is
    /// set, because a client of a CGI program sets it by a `Proxy` header.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the variable, if one is no URL of an HTTP proxy: to go
    /// around a proxy in silence is not what was asked for.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let first = |names: [&'static str; 4]| {
            let usable = names.into_iter().filter(|&name| !(is_cgi && name == "HTTP_PROXY"));
            let found = usable.filter_map(|name| Some((name, set(name)?))).next();
            found.map(|(name, url)| Way::parse(name, &url).map(Arc::new)).transpose()
        };
        let http = first(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])?;
        let https = first(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
        let except = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
        Ok(Self { http, https, except: Vec::new(), loopback: false }.except(&except))
    }

    /// Reaches some hosts directly, in place of those named before: names, which stand for all below them too, addresses,
    /// networks such as `10.0.0.0/8`, and `*` for all, with commas between them. Ports can't be given.
    #[must_use]
    pub fn except(self, hosts: &str) -> Self {
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        Self { except: hosts.map(Exception::parse).collect(), ..self }
    }

    /// The way to a server, if it is not the direct one.
    pub(crate) fn way_to(&self, origin: &Origin) -> Option<&Arc<Way>> {
        let way = if origin.is_https { &self.https } else { &self.http };
        let is_direct =
            !self.loopback && origin.is_loopback() || self.except.iter().any(|one| one.covers(&origin.host));
        way.as_ref().filter(|_| !is_direct)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("http", &self.http)
            .field("https", &self.https)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}

/// Whom the proxy is not for.
#[derive(Clone, Debug)]
enum Exception {
    All,
    /// This and all names below.
    Name(String),
    /// As many bits of the address as must agree.
    Network(IpAddr, u32),
}

impl Exception {
    fn parse(host: &str) -> Self {
        let (address, bits) = host.split_once('/').map_or((host, None), |(address, bits)| (address, bits.parse().ok()));
        match address.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => Self::Network(ip, bits.unwrap_or(128)),
            Err(_) if host == "*" => Self::All,
            Err(_) => Self::Name(host.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase()),
        }
    }

    fn covers(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => {
                let host = host.to_ascii_lowercase();
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Network(network, bits) => match (network, host.parse()) {
                (IpAddr::V4(network), Ok(IpAddr::V4(ip))) => {
                    (network.to_bits() ^ ip.to_bits()).leading_zeros() >= (*bits).min(32)
                }
                (IpAddr::V6(network), Ok(IpAddr::V6(ip))) => {
                    (network.to_bits() ^ ip.to_bits()).leading_zeros() >= (*bits).min(128)
                }
                _ => false,
            },
        }
    }
}

/// The way over one proxy. It prints without its credentials.
#[derive(Clone)]
pub(crate) struct Way {
    /// The proxy itself.
    pub(crate) origin: Origin,
    /// What goes into `Proxy-Authorization`.
    pub(crate) authorization: Option<String>,
}

impl Way {
    /// What is wrong with a URL is said without it: it may hold a password.
    fn parse(field: &'static str, url: &str) -> Result<Self, Error> {
        let refuse = |reason: &'static str| Error::invalid_request(field, reason);
        let url = url.trim();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = url.parse().map_err(|_| refuse("is no URL of a proxy"))?;
        if uri.scheme_str() != Some("http") {
            return Err(refuse("must begin with http://: this client speaks neither SOCKS nor TLS to a proxy"));
        }
        let origin = Origin::of(&uri);
        if origin.host.is_empty() {
            return Err(refuse("names no host"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let authorization = authority.rsplit_once('@').map(|(login, _)| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let decoded = |part| percent_decode_str(part).collect::<Vec<u8>>();
            let login = [&decoded(user)[..], b":", &decoded(password)].concat();
            format!("Basic {}", BASE64_STANDARD.encode(login))
        });
        Ok(Self { origin, authorization })
    }

    /// Asks for a tunnel on a connection to the proxy.
    pub(crate) fn tunnel(&self, socket: &mut Socket, target: &Origin) -> io::Result<()> {
        let failed = |what: String| io::Error::other(format!("the proxy {self} {what}"));
        let target = target.authority();
        let authorization = match &self.authorization {
            Some(authorization) => format!("proxy-authorization: {authorization}\r\n"),
            None => String::new(),
        };
        write!(socket, "CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{authorization}\r\n")?;
        let mut input = Buffer::default();
        let head = loop {
            if input.fill(|buffer| socket.read(buffer))? == 0 {
                return Err(failed("closed the connection in place of an answer".to_owned()));
            }
            if let Some(head) = http1::take_head(&mut input)? {
                break head;
            }
        };
        match head.status {
            // A server with TLS says nothing before it is spoken to.
            status if status.is_success() && input.is_empty() => Ok(()),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.authorization.is_none() => {
                Err(failed("asks for a user and a password".to_owned()))
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(failed("refuses the user or the password".to_owned())),
            status => Err(failed(format!("refuses a connection to {target}: {status}"))),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.origin.authority())
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Proxy, Error> {
        Proxy::from_variables(|name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_is_read_as_curl_and_go_do() {
        const API: &str = "https://api.example/";
        const PLAIN: &str = "http://api.example/";
        // Variables, URL, proxy.
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);
        let rows: &[Row<'_>] = &[
            (&[], API, None),
            (&[("HTTPS_PROXY", "http://p:1")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "http://p:1")], PLAIN, None),
            (&[("https_proxy", "p")], API, Some("http://p:80")),
            (&[("HTTPS_PROXY", "p:1"), ("https_proxy", "q:1")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", " "), ("https_proxy", "q:1")], API, Some("http://q:1")),
            (&[("ALL_PROXY", "p:1")], PLAIN, Some("http://p:1")),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "")], PLAIN, None),
            (&[("http_proxy", "p:1"), ("REQUEST_METHOD", "GET")], PLAIN, Some("http://p:1")),
            (&[("HTTPS_PROXY", "http://u:secret@p:1/")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "[::2]:1")], API, Some("http://[::2]:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "EXAMPLE")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("no_proxy", "other, .example")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "i.example,xample")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "*")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.0.0.0/8")], "https://10.1.2.3/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.0.0.0/8")], "https://11.1.2.3/", Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.1.2.3")], "https://10.1.2.4/", Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "0.0.0.0/0")], "https://10.1.2.4/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "fd00::/8")], "https://[fd12::1]/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "fd00::/8")], "https://[fe12::1]/", Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1")], "https://localhost:8443/", None),
            (&[("HTTPS_PROXY", "p:1")], "https://127.8.0.1/", None),
            (&[("HTTPS_PROXY", "p:1")], "https://[::1]/", None),
        ];
        for (variables, url, expected) in rows {
            let origin = Origin::of(&url.parse().unwrap());
            let way = of(variables).unwrap().way_to(&origin).map(ToString::to_string);
            assert_eq!(way.as_deref(), *expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_without_its_password() {
        for url in ["socks5://u:secret@p", "https://u:secret@p", "http://", "u:se cret@p", "http://u:secret@"] {
            let error = of(&[("ALL_PROXY", url)]).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains("ALL_PROXY") && !text.contains("cret"), "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_sent_and_not_printed() {
        let proxy = Proxy::url("http://us%65r:p%40ss@p:1").unwrap();
        let way = proxy.https.clone().unwrap();
        assert_eq!(way.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        let printed = format!("{proxy:?} {way} {way:?}");
        assert!(!printed.contains("ss@") && !printed.contains("dXNl") && !printed.contains("user"), "{printed}");
    }
}
