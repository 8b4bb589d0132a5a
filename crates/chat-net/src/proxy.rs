//! Which proxy is used for what.

use std::sync::Arc;
use std::{env, fmt};

use chat_proto::Error;

use crate::except::Exception;
use crate::{Origin, Scheme, Via};

/// The proxies between the client and the API.
///
/// A proxy's URL is `http://`, `https://` (TLS to the proxy), `socks5://` (names are looked up here) or `socks5h://`
/// (names are looked up by the proxy); without a scheme it is `http://`. Ports that are not given are 80, 443 and 1080.
/// User and password, if there are any, stand before the host, percent-encoded:
/// `http://user:p%40ss@proxy.example:3128`. They are never printed. Not every transport speaks all four; one that does
/// not refuses the others when it is given them.
///
/// An `https://` API is reached through a tunnel, with TLS from end to end. A plain `http://` one is reached through a
/// tunnel by SOCKS; an HTTP proxy is given its requests to forward, as curl and Go do it, because many refuse to tunnel
/// to port 80.
///
/// ```
/// use chat_net::Proxy;
///
/// let proxy = Proxy::url("http://proxy.example:3128")?.except("internal.example, 10.0.0.0/8, api.example:8443");
/// # Ok::<(), chat_net::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    http: Option<Via>,
    https: Option<Via>,
    except: Arc<[Exception]>,
    /// Whether loopback addresses are reached through it too.
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
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `proxy`, if that is no URL of one.
    pub fn url(url: &str) -> Result<Self, Error> {
        let via = Via::parse("proxy", url)?;
        Ok(Self { http: Some(via.clone()), https: Some(via), except: Arc::default(), loopback: true })
    }

    /// What the environment says, which is what a transport does by itself: `HTTPS_PROXY` for `https://`, `HTTP_PROXY`
    /// for `http://`, `ALL_PROXY` where that one is not set, and `NO_PROXY`, read as [`except`](Self::except) says;
    /// each in lower case where it is not set in upper case. A variable that is set to nothing is one that is not set.
    ///
    /// `localhost` and loopback addresses are reached directly. `HTTP_PROXY` does not count where `REQUEST_METHOD` is set,
    /// because a client of a CGI program sets it by a `Proxy` header; on Windows, which takes the two for one, `http_proxy`
    /// does not count then either.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the variable, if one is no URL of a proxy: to
    /// go around a proxy in silence is not what was asked for.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_cgi = set("REQUEST_METHOD").is_some();
        let first = |names: [&'static str; 4]| {
            let is_a_header = |name| name == "HTTP_PROXY" || cfg!(windows) && name == "http_proxy";
            let mut usable = names.into_iter().filter(|&name| !(is_cgi && is_a_header(name)));
            let found = usable.find_map(|name| Some((name, set(name)?)));
            found.map(|(name, url)| Via::parse(name, &url)).transpose()
        };
        let http = first(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])?;
        let https = first(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
        let except = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
        Ok(Self { http, https, except: Arc::default(), loopback: false }.except(&except))
    }

    /// Reaches some hosts directly, in place of those named before: names, which stand for all below them too,
    /// addresses, networks such as `10.0.0.0/8`, and `*` for all, with commas between them. Each may have a port behind
    /// a colon, and is then for that port alone; an address of IPv6 has brackets around it then.
    #[must_use]
    pub fn except(self, hosts: &str) -> Self {
        Self { except: Exception::list(hosts).into(), ..self }
    }

    /// Refuses the proxies whose scheme is none of these: for a transport that speaks no other.
    ///
    /// ```
    /// use chat_net::{Proxy, Scheme};
    ///
    /// let error = Proxy::url("socks5://proxy.example")?.only(&[Scheme::Http]).unwrap_err();
    /// assert_eq!(error.to_string(), "proxy must begin with http://: this transport speaks to no other proxy");
    /// # Ok::<(), chat_net::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `proxy` or the variable of the environment.
    pub fn only(self, schemes: &[Scheme]) -> Result<Self, Error> {
        [&self.http, &self.https].into_iter().flatten().try_for_each(|via| via.check(schemes))?;
        Ok(self)
    }

    /// The proxy on the way to a server, if it is not the direct one.
    pub fn via(&self, origin: &Origin) -> Option<&Via> {
        let via = if origin.is_https { &self.https } else { &self.http };
        let is_direct = !self.loopback && origin.is_loopback() || self.except.iter().any(|one| one.covers(origin));
        via.as_ref().filter(|_| !is_direct)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Proxy, Error> {
        Proxy::from_variables(|name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap())
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
            (&[("HTTP_PROXY", "https://p")], PLAIN, Some("https://p:443")),
            (&[("HTTP_PROXY", "p")], PLAIN, Some("http://p:80")),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], PLAIN, None),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "")], PLAIN, Some("http://p:1")),
            #[cfg(not(windows))]
            (&[("http_proxy", "p:1"), ("REQUEST_METHOD", "GET")], PLAIN, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], API, Some("http://p:1")),
            (&[("ALL_PROXY", "socks5://p")], API, Some("socks5://p:1080")),
            (&[("all_proxy", "SOCKS5h://p:9")], PLAIN, Some("socks5h://p:9")),
            (&[("ALL_PROXY", "socks5://p"), ("HTTPS_PROXY", "q:1")], API, Some("http://q:1")),
            (&[("HTTPS_PROXY", "http://u:secret@p:1/")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "[2001:db8::2]:1")], API, Some("http://[2001:db8::2]:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "example")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("no_proxy", "other, .example")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "i.example,xample")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "a, *")], "https://[2001:db8::1]/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.0.0.0/8")], "https://10.1.2.3/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.0.0.0/8")], "https://11.1.2.3/", Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "api.example:444")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1")], "https://localhost:8443/", None),
            (&[("HTTPS_PROXY", "p:1")], "https://127.8.0.1/", None),
            (&[("HTTPS_PROXY", "p:1")], "https://[::1]/", None),
        ];
        for (variables, url, expected) in rows {
            let proxy = of(variables).unwrap();
            let via = proxy.via(&origin(url)).map(ToString::to_string);
            assert_eq!(via.as_deref(), *expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn a_proxy_that_was_set_is_for_loopback_too_and_exceptions_replace_each_other() {
        let proxy = Proxy::url("p").unwrap().except("a.example").except("b.example");
        for (url, is_direct) in [("https://localhost", false), ("http://a.example", false), ("http://b.example", true)]
        {
            assert_eq!(proxy.via(&origin(url)).is_none(), is_direct, "{url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_by_name_and_without_its_password() {
        for url in [
            "socks4://u:secret@p",
            "ftp://u:secret@p:1",
            "http://u:secret@",
            "u:se cret@p",
            "http://",
            // What is behind these is no port, or a password that is not encoded: the host would be another one.
            "http://p:99999",
            "http://p:abc",
            "http://p:",
            "http://u:secret@p:80x",
            "http://u:se/cret@p:3128",
            "http://u:8/cret@p:3128",
            "http://u:se?cret@p:3128",
            "http://u:se#cret@p:3128",
            "http://u:8#cret@p:3128",
            "http://p/path",
            "http://p/?query",
        ] {
            for error in [Proxy::url(url).unwrap_err(), of(&[("ALL_PROXY", url)]).unwrap_err()] {
                assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
            }
        }
        let error = of(&[("HTTPS_PROXY", "gopher://p")]).unwrap_err();
        assert_eq!(error.to_string(), "HTTPS_PROXY must begin with http://, https://, socks5:// or socks5h://");
    }

    #[test]
    fn what_a_transport_does_not_speak_is_refused_by_name() {
        let proxy = of(&[("HTTP_PROXY", "http://p"), ("all_proxy", "socks5://u:secret@p")]).unwrap();
        let spoken = [Scheme::Http, Scheme::Socks5];
        assert!(proxy.clone().only(&spoken).is_ok());
        let error = proxy.only(&spoken[..1]).unwrap_err().to_string();
        assert_eq!(error, "all_proxy must begin with http://: this transport speaks to no other proxy");
    }

    #[test]
    fn credentials_are_decoded_and_not_printed() {
        let proxy = Proxy::url("http://us%65r:p%40ss@p:1").unwrap();
        let via = proxy.via(&origin("http://127.0.0.1/")).unwrap();
        // user:p@ss
        let authorization = via.authorization().unwrap();
        assert_eq!(authorization, "Basic dXNlcjpwQHNz");
        let socks = Proxy::url("socks5://user:p%40ss@p").unwrap().except("other.example");
        let via_socks = socks.via(&origin("http://a/")).unwrap();
        assert_eq!(via_socks.login(), Some((&b"user"[..], &b"p@ss"[..])));
        let printed = format!("{proxy:?} {via:?} {via} {} {authorization:?} {socks:?} {via_socks:?}", via.uri());
        assert!(!printed.contains("ss@") && !printed.contains("dXNlcjp") && !printed.contains("user"), "{printed}");
        let alone = Proxy::url("http://user@p").unwrap();
        assert_eq!(alone.via(&origin("http://a/")).unwrap().authorization().unwrap(), "Basic dXNlcjo=");
    }
}
