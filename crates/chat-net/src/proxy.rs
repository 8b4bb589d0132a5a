//! Selects the proxy for a server.

use std::sync::Arc;
use std::{env, fmt};

use chat_proto::Error;

use crate::no_proxy::Exception;
use crate::origin::Origin;
use crate::proxy_server::{ProxyServer, Scheme};

/// The proxies between the client and the API.
///
/// The URL of a proxy begins with `http://`, `https://` (TLS to the proxy), `socks5://` (the client resolves names) or
/// `socks5h://` (the proxy resolves names). `socks://` means `socks5h://`, and no scheme means `http://`. The default ports
/// are 80, 443 and 1080. User name and password go before the host, percent-encoded:
/// `http://user:p%40ss@proxy.example:3128`. They are never printed. Some transports support only some of the schemes.
///
/// Requests to an `https://` API go through a tunnel, with end-to-end TLS. Requests to an `http://` API go through a tunnel
/// if the proxy is SOCKS. An HTTP proxy forwards them, as with curl and Go, because many proxies refuse tunnels to port 80.
///
/// ```
/// use chat_net::Proxy;
///
/// let proxy = Proxy::url("http://proxy.example:3128")?.except("internal.example, 10.0.0.0/8, api.example:8443");
/// # Ok::<(), chat_net::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    http: Option<Setting>,
    https: Option<Setting>,
    except: Arc<[Exception]>,
    /// Whether the program set the proxy. If so, it is used for loopback addresses too, and an invalid URL is an error at
    /// once.
    is_explicit: bool,
}

/// The setting of a proxy.
#[derive(Clone)]
struct Setting {
    /// The name of the setting: an environment variable, or `proxy`.
    field: &'static str,
    /// The proxy, or why its URL is not valid. This is an error only if the proxy would be used.
    server: Result<ProxyServer, String>,
}

impl Setting {
    fn parse(field: &'static str, url: &str) -> Self {
        Self { field, server: ProxyServer::parse(url) }
    }

    fn only(self, schemes: &[Scheme]) -> Self {
        let check = |server: ProxyServer| server.check(schemes).map(|()| server);
        Self { server: self.server.and_then(check), ..self }
    }

    fn get(&self) -> Result<&ProxyServer, Error> {
        self.server.as_ref().map_err(|why| Error::invalid_request(self.field, why.clone()))
    }
}

impl Proxy {
    /// Uses no proxy and ignores the environment.
    pub fn none() -> Self {
        Self::default()
    }

    /// Uses one proxy for all hosts. Add exceptions with [`except`](Self::except).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `proxy`, if the URL is not valid.
    pub fn url(url: &str) -> Result<Self, Error> {
        let proxy = Setting::parse("proxy", url);
        proxy.get()?;
        Ok(Self { http: Some(proxy.clone()), https: Some(proxy), except: Arc::default(), is_explicit: true })
    }

    /// Uses the proxies of the environment. This is the default of the transports.
    ///
    /// `HTTPS_PROXY` is for `https://` servers and `HTTP_PROXY` for `http://` servers. `ALL_PROXY` is used if that variable
    /// is not set. `NO_PROXY` has the exceptions in the format of [`except`](Self::except). Each variable may also be in
    /// lower case; upper case takes precedence. An empty variable counts as not set.
    ///
    /// `localhost` and loopback addresses are reached directly. `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set, because
    /// the client of a CGI program can set `HTTP_PROXY` with a `Proxy` header. On Windows, `http_proxy` is ignored too then,
    /// because names are not case-sensitive there.
    ///
    /// An invalid URL is an error only if the proxy would be used, see [`select`](Self::select).
    pub fn from_env() -> Self {
        Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_cgi = set("REQUEST_METHOD").is_some();
        let first = |names: [&'static str; 4]| {
            let is_a_header = |name| name == "HTTP_PROXY" || cfg!(windows) && name == "http_proxy";
            let mut usable = names.into_iter().filter(|&name| !(is_cgi && is_a_header(name)));
            usable.find_map(|name| Some(Setting::parse(name, &set(name)?)))
        };
        let http = first(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]);
        let https = first(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
        let except = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
        Self { http, https, except: Arc::default(), is_explicit: false }.except(&except)
    }

    /// Sets the hosts that are reached directly. Replaces earlier exceptions.
    ///
    /// The list is separated by commas or spaces. An entry is a name, which includes its subdomains, an address, a network
    /// such as `10.0.0.0/8`, or `*` for all hosts. An entry with a port, such as `api.example:8443`, applies to that port
    /// only. An IPv6 address with a port needs brackets.
    #[must_use]
    pub fn except(self, hosts: &str) -> Self {
        Self { except: Exception::list(hosts).into(), ..self }
    }

    /// Allows only these schemes. For transports that do not support all of them.
    ///
    /// ```
    /// use chat_net::{Proxy, Scheme};
    ///
    /// let error = Proxy::url("socks5://proxy.example")?.only(&[Scheme::Http]).unwrap_err();
    /// assert_eq!(error.to_string(), "proxy must begin with http://: this transport supports no other proxies");
    /// # Ok::<(), chat_net::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `proxy`, if the program set a proxy with another
    /// scheme. For a proxy of the environment, [`select`](Self::select) returns the error.
    pub fn only(self, schemes: &[Scheme]) -> Result<Self, Error> {
        let [http, https] = [self.http, self.https].map(|setting| setting.map(|setting| setting.only(schemes)));
        if self.is_explicit {
            http.iter().chain(&https).try_for_each(|setting| setting.get().map(drop))?;
        }
        Ok(Self { http, https, ..self })
    }

    /// Returns the proxy for a server, or `None` if the server is reached directly.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the variable, if the proxy's URL is not valid or
    /// its scheme is not supported. The proxy is never bypassed silently.
    pub fn select(&self, origin: &Origin) -> Result<Option<&ProxyServer>, Error> {
        let setting = if origin.is_https { &self.https } else { &self.http };
        let is_direct = !self.is_explicit && origin.is_loopback() || self.except.iter().any(|one| one.covers(origin));
        setting.as_ref().filter(|_| !is_direct).map(Setting::get).transpose()
    }
}

impl Proxy {
    /// Returns the name of the setting that has a proxy for the scheme of this server, such as `HTTPS_PROXY`, also if the
    /// server is an exception. Use it to explain what [`select`](Self::select) returns.
    ///
    /// ```
    /// use chat_net::{Origin, Proxy};
    ///
    /// let proxy = Proxy::url("http://proxy.example")?.except("api.example");
    /// let server = Origin::of(&"https://api.example".parse()?);
    /// assert_eq!((proxy.select(&server)?.is_none(), proxy.setting(&server)), (true, Some("proxy")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn setting(&self, origin: &Origin) -> Option<&'static str> {
        let setting = if origin.is_https { &self.https } else { &self.http };
        setting.as_ref().map(|setting| setting.field)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Ok(server) => server.fmt(f),
            Err(why) => write!(f, "{} {why}", self.field),
        }
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

    fn of(variables: &[(&str, &str)]) -> Proxy {
        Proxy::from_variables(|name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap())
    }

    #[test]
    fn the_environment_is_read_like_in_curl_and_go() {
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
            (&[("HTTPS_PROXY", "p:1"), ("no_proxy", "other .example")], API, None),
            (&[("ALL_PROXY", "socks://p:1/")], API, Some("socks5h://p:1")),
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
            let proxy = of(variables);
            let server = proxy.select(&origin(url)).unwrap().map(ToString::to_string);
            assert_eq!(server.as_deref(), *expected, "{variables:?} {url}");
        }
    }

    #[test]
    fn an_explicit_proxy_is_used_for_loopback_and_exceptions_replace_each_other() {
        let proxy = Proxy::url("p").unwrap().except("a.example").except("b.example");
        for (url, is_direct) in [("https://localhost", false), ("http://a.example", false), ("http://b.example", true)]
        {
            assert_eq!(proxy.select(&origin(url)).unwrap().is_none(), is_direct, "{url}");
        }
    }

    #[test]
    fn an_invalid_url_is_an_error_of_its_setting_without_the_password() {
        for url in [
            "socks4://u:secret@p",
            "ftp://u:secret@p:1",
            "http://u:secret@",
            "u:se cret@p",
            "http://",
            // An invalid port, or a password that is not encoded, which would change the host.
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
            let of_environment = of(&[("ALL_PROXY", url)]);
            assert!(!format!("{of_environment:?}").contains("cret"), "{of_environment:?}");
            for error in [Proxy::url(url).unwrap_err(), of_environment.select(&origin("http://a")).unwrap_err()] {
                assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
            }
        }
        let error = of(&[("HTTPS_PROXY", "gopher://p")]).select(&origin("https://a")).unwrap_err();
        assert_eq!(error.to_string(), "HTTPS_PROXY must begin with http://, https://, socks5:// or socks5h://");
    }

    #[test]
    fn an_invalid_proxy_is_an_error_only_if_it_is_used() {
        for url in ["socks4://u:secret@p", "https://p", "http://p:abc"] {
            let variables = [("ALL_PROXY", url), ("HTTP_PROXY", "http://p"), ("NO_PROXY", "a.example")];
            let proxy = of(&variables).only(&Scheme::WITHOUT_TLS).unwrap();
            for direct in
                ["https://127.0.0.1:81", "https://localhost", "https://[::1]", "https://a.example", "http://a.example"]
            {
                assert!(proxy.select(&origin(direct)).unwrap().is_none(), "{url} {direct}");
            }
            assert_eq!(proxy.select(&origin("http://b.example")).unwrap().unwrap().to_string(), "http://p:80");
            let error = proxy.select(&origin("https://b.example")).unwrap_err().to_string();
            assert!(error.starts_with("ALL_PROXY ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_unsupported_scheme_is_an_error_of_its_setting() {
        let proxy = of(&[("HTTP_PROXY", "http://p"), ("all_proxy", "socks5://u:secret@p")]);
        let refusal = |supported: &[Scheme]| {
            let proxy = proxy.clone().only(supported).unwrap();
            proxy.select(&origin("https://a.example")).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(refusal(&[Scheme::Http, Scheme::Socks5]), Ok(()));
        let says = "all_proxy must begin with http://: this transport supports no other proxies";
        assert_eq!(refusal(&[Scheme::Http]), Err(says.to_owned()));
        let explicit = Proxy::url("socks5://u:secret@p").unwrap().only(&[Scheme::Http]);
        assert_eq!(explicit.unwrap_err().to_string(), says.replace("all_proxy", "proxy"));
    }

    #[test]
    fn credentials_are_decoded_and_not_printed() {
        let proxy = Proxy::url("http://us%65r:p%40ss@p:1").unwrap();
        let server = proxy.select(&origin("http://127.0.0.1/")).unwrap().unwrap();
        // user:p@ss
        let authorization = server.authorization().unwrap();
        assert_eq!(authorization, "Basic dXNlcjpwQHNz");
        let socks = Proxy::url("socks5://user:p%40ss@p").unwrap().except("other.example");
        let socks_server = socks.select(&origin("http://a/")).unwrap().unwrap();
        assert_eq!(socks_server.login(), Some((&b"user"[..], &b"p@ss"[..])));
        let printed =
            format!("{proxy:?} {server:?} {server} {} {authorization:?} {socks:?} {socks_server:?}", server.uri());
        assert!(!printed.contains("ss@") && !printed.contains("dXNlcjp") && !printed.contains("user"), "{printed}");
        let alone = Proxy::url("http://user@p").unwrap();
        assert_eq!(alone.select(&origin("http://a/")).unwrap().unwrap().authorization().unwrap(), "Basic dXNlcjo=");
    }
}
