//! Which proxy is used for what.

use std::env;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chat_client::Error;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The proxies between the client and the API.
///
/// A proxy's URL is `http://`, `https://` (TLS to the proxy), `socks5://` (names are looked up here) or `socks5h://`
/// (names are looked up by the proxy); without a scheme it is `http://`. Ports that are not given are 80, 443 and 1080.
/// User and password, if there are any, stand before the host, percent-encoded:
/// `http://user:p%40ss@proxy.example:3128`. They are never printed.
///
/// An `https://` API is reached through a tunnel, with TLS from end to end. A plain `http://` one is reached through a
/// tunnel by SOCKS; an HTTP proxy is given its requests to forward, as curl and Go do it, because many refuse to tunnel
/// to port 80.
///
/// ```
/// use transport_hyper::Proxy;
///
/// let proxy = Proxy::url("socks5h://127.0.0.1:1080")?.except("internal.example, 10.0.0.0/8");
/// # Ok::<(), transport_hyper::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy(Option<Arc<Settings>>);

struct Settings {
    /// The URL of the proxy for each scheme, or nothing.
    http: String,
    https: String,
    /// Whether loopback addresses are reached through it too.
    loopback: bool,
    matcher: Matcher,
}

impl Settings {
    fn new(http: String, https: String, loopback: bool, except: &str) -> Self {
        // The matcher's `*` stands for names alone.
        let except = format!("{except}{}", if except.split(',').any(|host| host.trim() == "*") { ALL } else { "" });
        let matcher = Matcher::builder().http(http.as_str()).https(https.as_str()).no(except).build();
        Self { http, https, loopback, matcher }
    }
}

/// All addresses, for the end of a list.
const ALL: &str = ",0.0.0.0/0,::/0";

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // The matcher leaves out what is secret.
            Some(settings) => f.debug_tuple("Proxy").field(&settings.matcher).finish(),
            None => f.write_str("Proxy(None)"),
        }
    }
}

impl Proxy {
    /// None, whatever the environment says.
    pub fn none() -> Self {
        Self(None)
    }

    /// One for everything but what [`except`](Self::except) names.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest) if that is no URL of a proxy.
    pub fn url(url: &str) -> Result<Self, Error> {
        let url = check("proxy", url)?;
        Ok(Self(Some(Arc::new(Settings::new(url.clone(), url, true, "")))))
    }

    /// What the environment says, which is what a transport does by itself: `HTTPS_PROXY` for `https://`, `HTTP_PROXY`
    /// for `http://`, `ALL_PROXY` where that one is not set, and `NO_PROXY`, read as [`except`](Self::except) says;
    /// each in lower case where it is not set in upper case. A variable that is set to nothing is one that is not set.
    ///
    /// Two rules are those of Go: `localhost` and loopback addresses are reached directly, and `HTTP_PROXY` does not
    /// count where `REQUEST_METHOD` is set, because a client of a CGI program sets it by a `Proxy` header.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest), naming the variable, if one is no URL of a proxy: to
    /// go around a proxy in silence is not what was asked for.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let first = |names: [&'static str; 4]| {
            let usable = names.into_iter().filter(|&name| !(is_cgi && name == "HTTP_PROXY"));
            let found = usable.filter_map(|name| Some((name, set(name)?))).next();
            found.map(|(name, url)| check(name, &url)).transpose()
        };
        let http = first(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])?;
        let https = first(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
        if http.is_none() && https.is_none() {
            return Ok(Self::none());
        }
        let except = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
        let settings = Settings::new(http.unwrap_or_default(), https.unwrap_or_default(), false, &except);
        Ok(Self(Some(Arc::new(settings))))
    }

    /// Reaches some hosts directly, in place of those named before: names, which stand for all below them too,
    /// addresses, networks such as `10.0.0.0/8`, and `*` for all, with commas between them. Ports can't be given.
    #[must_use]
    pub fn except(self, hosts: &str) -> Self {
        let with = |old: Arc<Settings>| Settings::new(old.http.clone(), old.https.clone(), old.loopback, hosts);
        Self(self.0.map(|old| Arc::new(with(old))))
    }

    /// The proxy on the way to that URL.
    pub(crate) fn intercept(&self, uri: &Uri) -> Option<Via> {
        let settings = self.0.as_ref()?;
        if !settings.loopback && uri.host().is_some_and(is_loopback) {
            return None;
        }
        settings.matcher.intercept(uri).map(Via)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = bare(host);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// A host without the brackets around an address of IPv6.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Gives a proxy's URL back with its scheme and port. What is wrong with one is said without it: it may hold a
/// password.
fn check(field: &'static str, url: &str) -> Result<String, Error> {
    let bad = |reason: String| Error::invalid_request(field, reason);
    let url = url.trim();
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = url.parse().map_err(|_| bad("is no URL of a proxy".to_owned()))?;
    let port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        Some("socks5" | "socks5h") => 1080,
        _ => return Err(bad("must begin with http://, https://, socks5:// or socks5h://".to_owned())),
    };
    let scheme = uri.scheme_str().expect("was matched");
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| bad("names no host".to_owned()))?;
    let port = if authority.port().is_some() { String::new() } else { format!(":{port}") };
    Ok(format!("{scheme}://{authority}{port}"))
}

/// A proxy on the way. It prints without its credentials.
#[derive(Clone, Debug)]
pub(crate) struct Via(Intercept);

impl Via {
    pub(crate) fn uri(&self) -> &Uri {
        self.0.uri()
    }

    pub(crate) fn is_socks(&self) -> bool {
        self.scheme().starts_with("socks")
    }

    /// Whether the proxy is to look names up.
    pub(crate) fn resolves(&self) -> bool {
        self.scheme() != "socks5"
    }

    /// What goes into `Proxy-Authorization`.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }

    /// User and password for SOCKS.
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        self.0.raw_auth()
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.authorization().is_some() || self.login().is_some()
    }

    fn scheme(&self) -> &str {
        self.uri().scheme_str().expect("was checked")
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.uri().authority().expect("was checked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy's name that these variables give for a URL.
    fn via(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let proxy = Proxy::from_variables(get).unwrap();
        proxy.intercept(&url.parse().unwrap()).map(|via| via.to_string())
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
            (&[("https_proxy", "p:1")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("https_proxy", "q:1")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", ""), ("https_proxy", "q:1")], API, Some("http://q:1")),
            (&[("HTTP_PROXY", "https://p")], PLAIN, Some("https://p:443")),
            (&[("HTTP_PROXY", "p")], PLAIN, Some("http://p:80")),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "")], PLAIN, None),
            (&[("http_proxy", "p:1"), ("REQUEST_METHOD", "GET")], PLAIN, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], API, Some("http://p:1")),
            (&[("ALL_PROXY", "socks5://p")], API, Some("socks5://p:1080")),
            (&[("all_proxy", "socks5h://p:9")], PLAIN, Some("socks5h://p:9")),
            (&[("ALL_PROXY", "socks5://p"), ("HTTPS_PROXY", "q:1")], API, Some("http://q:1")),
            (&[("HTTPS_PROXY", "http://u:secret@p:1/")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "example")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("no_proxy", "other, .example")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "i.example,xample")], API, Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "*")], API, None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "a, *")], "https://10.1.2.3/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "*")], "https://[2001:db8::1]/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.0.0.0/8")], "https://10.1.2.3/", None),
            (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "10.0.0.0/8")], "https://11.1.2.3/", Some("http://p:1")),
            (&[("HTTPS_PROXY", "p:1")], "https://localhost:8443/", None),
            (&[("HTTPS_PROXY", "p:1")], "https://127.8.0.1/", None),
            (&[("HTTPS_PROXY", "p:1")], "https://[::1]/", None),
            (&[("HTTPS_PROXY", "[::1]:3128")], API, Some("http://[::1]:3128")),
        ];
        for (variables, url, expected) in rows {
            assert_eq!(via(variables, url).as_deref(), *expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_printed() {
        for url in
            ["socks4://u:secret@p", "ftp://u:secret@p:1", "http://u:secret@", "http://u:sec ret@p", "http://", ""]
        {
            let error = Proxy::url(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sec"), "{error}");
        }
        let error = Proxy::from_variables(|name| (name == "HTTPS_PROXY").then(|| "gopher://p".into())).unwrap_err();
        assert!(error.to_string().starts_with("HTTPS_PROXY must begin with http://"), "{error}");
    }

    #[test]
    fn credentials_are_decoded_and_not_printed() {
        let proxy = Proxy::url("http://us%65r:p%40ss@p:1").unwrap();
        let via = proxy.intercept(&Uri::from_static("http://127.0.0.1/")).expect("loopback was not excepted");
        // user:p@ss
        assert_eq!(via.authorization().unwrap(), "Basic dXNlcjpwQHNz");
        let socks = Proxy::url("socks5://user:p%40ss@p").unwrap().except("other.example");
        let via_socks = socks.intercept(&Uri::from_static("http://a/")).unwrap();
        assert_eq!(via_socks.login(), Some(("user", "p@ss")));
        let printed = format!("{proxy:?} {via:?} {via} {socks:?} {via_socks:?} {via_socks}");
        assert!(!printed.contains("ss@") && !printed.contains("dXNlcjp") && !printed.contains("user"), "{printed}");
    }
}
