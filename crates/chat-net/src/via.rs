//! One proxy.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chat_proto::Error;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use crate::{Origin, ProxyError};

/// A proxy on the way to a server. It prints as its URL, without user and password. Cheap to clone.
#[derive(Clone)]
pub struct Via(Arc<Inner>);

struct Inner {
    /// What it was set by: a variable of the environment, or `proxy`.
    field: &'static str,
    scheme: Scheme,
    origin: Origin,
    /// User and password, decoded.
    login: Option<(Vec<u8>, Vec<u8>)>,
    authorization: Option<HeaderValue>,
}

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// SOCKS 5, where names are looked up on this side.
    Socks5,
    /// SOCKS 5, where the proxy looks names up.
    Socks5h,
}

impl Scheme {
    pub(crate) const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Socks5, Self::Socks5h];

    /// Those that need no TLS on the way to the proxy, for [`Proxy::only`](crate::Proxy::only).
    pub const WITHOUT_TLS: [Self; 3] = [Self::Http, Self::Socks5, Self::Socks5h];

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

impl Via {
    /// What is wrong with a URL is said without it: it may hold a password.
    pub(crate) fn parse(field: &'static str, url: &str) -> Result<Self, Error> {
        let refuse = |reason: &'static str| Error::invalid_request(field, reason);
        let url = url.trim();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = url.parse().map_err(|_| refuse("is no URL of a proxy"))?;
        let given = uri.scheme_str().unwrap_or_default();
        let scheme = Scheme::ALL.into_iter().find(|scheme| given.eq_ignore_ascii_case(scheme.as_str()));
        let scheme = scheme.ok_or_else(|| begin_with(field, &Scheme::ALL, ""))?;
        let mut origin = Origin { is_https: scheme == Scheme::Https, ..Origin::of(&uri) };
        if origin.host.is_empty() {
            return Err(refuse("names no host"));
        }
        // A password that is not encoded would end the authority early, and make another host of what is before it.
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') {
            return Err(refuse("must end with host and port; what is special in a password is to be percent-encoded"));
        }
        let host_and_port = uri.authority().map_or("", |authority| after_login(authority.as_str()));
        let ends_with_host = host_and_port.len() == uri.host().unwrap_or_default().len();
        origin.port = match uri.port_u16() {
            Some(port) => port,
            None if ends_with_host => scheme.default_port(),
            None => return Err(refuse("has a port that is none")),
        };
        let login = uri.authority().and_then(login);
        let authorization = login.as_ref().map(basic);
        Ok(Self(Arc::new(Inner { field, scheme, origin, login, authorization })))
    }

    /// Refuses one whose scheme is none of these.
    pub(crate) fn check(&self, spoken: &[Scheme]) -> Result<(), Error> {
        if spoken.contains(&self.0.scheme) {
            return Ok(());
        }
        Err(begin_with(self.0.field, spoken, ": this transport speaks to no other proxy"))
    }

    /// What is spoken to it.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// Where it is.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Its URL, without user and password.
    pub fn uri(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = self.0.scheme.as_str().parse().ok();
        parts.authority = self.0.origin.to_string().parse().ok();
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).expect("a scheme, an authority and a path are a URL")
    }

    /// Whether SOCKS is spoken to it.
    pub fn is_socks(&self) -> bool {
        matches!(self.0.scheme, Scheme::Socks5 | Scheme::Socks5h)
    }

    /// Whether it is given requests to a server to forward, rather than asked for a way there: an HTTP proxy is, for a
    /// server without TLS.
    pub fn forwards(&self, origin: &Origin) -> bool {
        !self.is_socks() && !origin.is_https
    }

    /// Why it did not forward a request, by the status of what came back: it stands in for the server, and a 407 is its own.
    pub fn refusal(&self, status: StatusCode) -> Option<ProxyError> {
        (status == StatusCode::PROXY_AUTHENTICATION_REQUIRED).then(|| ProxyError::credentials(self))
    }

    /// Whether it wants a server's address, which is to be looked up on this side.
    pub fn wants_address(&self, origin: &Origin) -> bool {
        self.0.scheme == Scheme::Socks5 && origin.ip().is_none()
    }

    /// What goes into `Proxy-Authorization`, marked sensitive.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.0.authorization.as_ref()
    }

    /// User and password for SOCKS.
    pub(crate) fn login(&self) -> Option<(&[u8], &[u8])> {
        self.0.login.as_ref().map(|(user, password)| (&user[..], &password[..]))
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme, self.0.origin)
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn begin_with(field: &'static str, schemes: &[Scheme], why: &str) -> Error {
    let names: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    let names = match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    };
    Error::invalid_request(field, format!("must begin with {names}{why}"))
}

fn after_login(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, rest)| rest)
}

/// User and password, percent-decoded.
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
    fn each_scheme_has_its_way_to_each_server() {
        let origin = |url: &str| Origin::of(&url.parse().unwrap());
        let [plain, tls, address] = ["http://a", "https://a", "https://10.1.2.3"].map(origin);
        // URL, whether TLS is spoken to it, whether it forwards to each, whether it wants the address of each.
        for (url, is_https, forwards, wants_address) in [
            ("http://p:8/", false, [true, false, false], [false; 3]),
            ("https://p:8/", true, [true, false, false], [false; 3]),
            ("socks5://p:8/", false, [false; 3], [true, true, false]),
            ("socks5h://p:8/", false, [false; 3], [false; 3]),
        ] {
            let via = Via::parse("proxy", url).unwrap();
            assert_eq!((via.uri().to_string().as_str(), via.origin().is_https), (url, is_https));
            let targets = [&plain, &tls, &address];
            assert_eq!(targets.map(|target| via.forwards(target)), forwards, "{url}");
            assert_eq!(targets.map(|target| via.wants_address(target)), wants_address, "{url}");
            assert_eq!(format!("{via:?}"), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn only_a_407_is_the_proxy_s_own_answer() {
        let via = Via::parse("proxy", "u:s3cret@p").unwrap();
        assert!(matches!(via.refusal(StatusCode::PROXY_AUTHENTICATION_REQUIRED), Some(ProxyError::Credentials { .. })));
        assert!(via.refusal(StatusCode::UNAUTHORIZED).is_none() && via.refusal(StatusCode::OK).is_none());
    }
}
