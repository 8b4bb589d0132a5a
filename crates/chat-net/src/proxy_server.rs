//! One proxy, as its URL describes it.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::origin::Origin;

/// A proxy. It displays as its URL without user name and password. It is cheap to clone.
#[derive(Clone)]
pub struct ProxyServer(Arc<Inner>);

struct Inner {
    scheme: Scheme,
    origin: Origin,
    /// User name and password, percent-decoded.
    login: Option<(Vec<u8>, Vec<u8>)>,
    authorization: Option<HeaderValue>,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// SOCKS 5. The client resolves names.
    Socks5,
    /// SOCKS 5. The proxy resolves names.
    Socks5h,
}

impl Scheme {
    pub(crate) const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Socks5, Self::Socks5h];

    /// The schemes without TLS to the proxy, for [`Proxy::only`](crate::Proxy::only).
    pub const WITHOUT_TLS: [Self; 3] = [Self::Http, Self::Socks5, Self::Socks5h];

    /// Parses the scheme of a URL. Desktops and VPN tools use `socks://` for SOCKS 5 with names resolved by the proxy.
    fn parse(name: &str) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case("socks") { Self::Socks5h.as_str() } else { name };
        Self::ALL.into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.as_str()))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ProxyServer {
    /// Parses a URL. The error does not contain the URL, which may have a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = url.parse().map_err(|_| "is not a valid proxy URL")?;
        let scheme = Scheme::parse(uri.scheme_str().unwrap_or_default()).ok_or_else(|| begin_with(&Scheme::ALL))?;
        let mut origin = Origin { is_https: scheme == Scheme::Https, ..Origin::of(&uri) };
        if origin.host.is_empty() {
            return Err("has no host".into());
        }
        // A special character in a password may end the authority early. A part of the login would then be the host.
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') {
            return Err("must end with the host and port; percent-encode special characters in a password".into());
        }
        let host_and_port = uri.authority().map_or("", |authority| after_login(authority.as_str()));
        let ends_with_host = host_and_port.len() == uri.host().unwrap_or_default().len();
        origin.port = match uri.port_u16() {
            Some(port) => port,
            None if ends_with_host => scheme.default_port(),
            None => return Err("has an invalid port".into()),
        };
        let login = uri.authority().and_then(login);
        let authorization = login.as_ref().map(basic);
        Ok(Self(Arc::new(Inner { scheme, origin, login, authorization })))
    }

    /// Checks that the scheme is supported.
    pub(crate) fn check(&self, supported: &[Scheme]) -> Result<(), String> {
        if supported.contains(&self.0.scheme) {
            return Ok(());
        }
        Err(format!("{}: this transport supports no other proxies", begin_with(supported)))
    }

    /// The protocol of the proxy.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host and port of the proxy.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The URL, without user name and password.
    pub fn uri(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = self.0.scheme.as_str().parse().ok();
        parts.authority = self.0.origin.to_string().parse().ok();
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).expect("a scheme, an authority and a path are a URL")
    }

    /// Whether the protocol is SOCKS.
    pub fn is_socks(&self) -> bool {
        matches!(self.0.scheme, Scheme::Socks5 | Scheme::Socks5h)
    }

    /// Whether the proxy forwards requests to this server, instead of opening a tunnel. This is true for an HTTP proxy and a
    /// server without TLS.
    pub fn forwards(&self, origin: &Origin) -> bool {
        !self.is_socks() && !origin.is_https
    }

    /// Whether the client must resolve the server's name for the proxy.
    pub fn needs_address(&self, origin: &Origin) -> bool {
        self.0.scheme == Scheme::Socks5 && origin.ip().is_none()
    }

    /// The value of `Proxy-Authorization`, marked sensitive.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.0.authorization.as_ref()
    }

    /// User name and password.
    pub(crate) fn login(&self) -> Option<(&[u8], &[u8])> {
        self.0.login.as_ref().map(|(user, password)| (&user[..], &password[..]))
    }
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme, self.0.origin)
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn begin_with(schemes: &[Scheme]) -> String {
    let names: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    let names = match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    };
    format!("must begin with {names}")
}

fn after_login(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, rest)| rest)
}

/// User name and password, percent-decoded.
fn login(authority: &Authority) -> Option<(Vec<u8>, Vec<u8>)> {
    let (login, _) = authority.as_str().rsplit_once('@')?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Some((percent_decode_str(user).collect(), percent_decode_str(password).collect()))
}

/// RFC 7617.
fn basic((user, password): &(Vec<u8>, Vec<u8>)) -> HeaderValue {
    let login = BASE64_STANDARD.encode([user, &b":"[..], password].concat());
    let mut value = HeaderValue::try_from(format!("Basic {login}")).expect("Base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_reaches_each_server_in_its_way() {
        let origin = |url: &str| Origin::of(&url.parse().unwrap());
        let [plain, tls, address] = ["http://a", "https://a", "https://10.1.2.3"].map(origin);
        // URL, whether it uses TLS, whether it forwards to each server, whether it needs the address of each server.
        for (url, is_https, forwards, needs_address) in [
            ("http://p:8/", false, [true, false, false], [false; 3]),
            ("https://p:8/", true, [true, false, false], [false; 3]),
            ("socks5://p:8/", false, [false; 3], [true, true, false]),
            ("socks5h://p:8/", false, [false; 3], [false; 3]),
        ] {
            let proxy = ProxyServer::parse(url).unwrap();
            assert_eq!((proxy.uri().to_string().as_str(), proxy.origin().is_https), (url, is_https));
            let targets = [&plain, &tls, &address];
            assert_eq!(targets.map(|target| proxy.forwards(target)), forwards, "{url}");
            assert_eq!(targets.map(|target| proxy.needs_address(target)), needs_address, "{url}");
            assert_eq!(format!("{proxy:?}"), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn socks_without_a_version_is_socks5h() {
        for url in ["socks://u:p@proxy.example:9/", "SOCKS://u:p@proxy.example:9"] {
            assert_eq!(ProxyServer::parse(url).unwrap().to_string(), "socks5h://proxy.example:9");
        }
        assert!(ProxyServer::parse("socks4://p").is_err());
    }
}
