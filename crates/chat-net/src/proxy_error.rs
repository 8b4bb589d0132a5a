//! Errors of proxies.

use std::{error, fmt, io};

use chat_proto::BoxError;
use http::header::PROXY_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::challenge::schemes;
use crate::origin::Origin;
use crate::proxy_server::ProxyServer;
use crate::tls_error::chain;

/// Why a connection through a proxy failed. The server did not get the request.
///
/// This error is a source of an [`Error`](chat_proto::Error) of kind `Connect`. Use [`of`](Self::of) to find it. In all
/// variants, `proxy` is the proxy's URL without credentials, and `target` is the host and port of the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The connection to the proxy failed.
    Unreachable {
        /// The proxy.
        proxy: String,
        /// The error of name resolution, TCP or TLS.
        source: BoxError,
    },
    /// The proxy requires a login, or rejected the one it was given. It answered 407, or the equivalent in SOCKS.
    Credentials {
        /// The proxy.
        proxy: String,
        /// Whether the proxy was given a user name and a password.
        given: bool,
        /// The authentication schemes that the proxy offers, such as `Basic` or `Negotiate`. Only `Basic` is supported.
        /// Empty for SOCKS.
        offered: Vec<String>,
    },
    /// The proxy answered `CONNECT` with a status other than 2xx.
    Refused {
        /// The proxy.
        proxy: String,
        /// The server.
        target: String,
        /// The status of its answer.
        status: StatusCode,
        /// The part of the body that arrived together with the head.
        body: Vec<u8>,
    },
    /// A SOCKS proxy refused the connection, or could not reach the target.
    Socks {
        /// The proxy.
        proxy: String,
        /// The server.
        target: String,
        /// The reply code (RFC 1928, section 6).
        code: u8,
    },
    /// The connection to the proxy broke before it answered, or its answer violates the protocol.
    Broken {
        /// The proxy.
        proxy: String,
        /// The error.
        source: BoxError,
    },
    /// The client could not resolve the target's name, as `socks5://` requires.
    Name {
        /// The server.
        target: String,
        /// The error.
        source: io::Error,
    },
}

impl ProxyError {
    /// Finds a proxy error: the error itself or one of its sources. For the `SendError` of `transport-hyper`, use its
    /// `proxy_error`.
    pub fn of<'e>(error: &'e (dyn error::Error + 'static)) -> Option<&'e Self> {
        chain(error).find_map(<dyn error::Error>::downcast_ref)
    }

    /// Whether another attempt would fail in the same way: the proxy requires another login, or its rules forbid the
    /// connection. Repeated attempts with a wrong password may lock an account.
    pub fn is_final(&self) -> bool {
        const NOT_ALLOWED: u8 = 2;
        match self {
            Self::Credentials { .. } => true,
            Self::Refused { status, .. } => status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429),
            Self::Socks { code, .. } => *code == NOT_ALLOWED,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Name { .. } => false,
        }
    }

    /// Returns an error if the answer to a forwarded request is the proxy's own, which is a 407. Any other answer counts as
    /// the server's.
    pub fn refusal(proxy: &ProxyServer, status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(PROXY_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
        (status == StatusCode::PROXY_AUTHENTICATION_REQUIRED).then(|| Self::credentials(proxy, values))
    }

    pub(crate) fn unreachable(proxy: &ProxyServer, source: impl Into<BoxError>) -> Self {
        Self::Unreachable { proxy: proxy.to_string(), source: source.into() }
    }

    /// `challenges` are the values of `Proxy-Authenticate`.
    pub(crate) fn credentials<'v>(proxy: &ProxyServer, challenges: impl IntoIterator<Item = &'v [u8]>) -> Self {
        let (given, offered) = (proxy.login().is_some(), schemes(challenges));
        Self::Credentials { proxy: proxy.to_string(), given, offered }
    }

    pub(crate) fn broken(proxy: &ProxyServer, source: impl Into<BoxError>) -> Self {
        Self::Broken { proxy: proxy.to_string(), source: source.into() }
    }

    pub(crate) fn name(target: &Origin, source: io::Error) -> Self {
        Self::Name { target: target.to_string(), source }
    }
}

/// Writes the offered authentication schemes in brackets.
fn offers(f: &mut fmt::Formatter<'_>, offered: &[String]) -> fmt::Result {
    let is_basic = |name: &String| name.eq_ignore_ascii_case("basic");
    match offered {
        [] => Ok(()),
        all if all.iter().any(is_basic) => write!(f, " (it offers {})", all.join(", ")),
        all => write!(f, " (it offers {}; only Basic is supported)", all.join(", ")),
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { proxy, .. } => write!(f, "the proxy {proxy} could not be reached"),
            Self::Credentials { proxy, given: false, offered } => {
                write!(f, "the proxy {proxy} requires a user name and a password")?;
                offers(f, offered)
            }
            Self::Credentials { proxy, given: true, offered } => {
                write!(f, "the proxy {proxy} rejected the user name or the password")?;
                offers(f, offered)
            }
            Self::Refused { proxy, target, status, .. } => {
                write!(f, "the proxy {proxy} refused a connection to {target}: {status}")
            }
            Self::Socks { proxy, target, code } => {
                write!(f, "the proxy {proxy} refused a connection to {target}: {}", socks_code(*code))
            }
            Self::Broken { proxy, .. } => write!(f, "communication with the proxy {proxy} failed"),
            Self::Name { target, .. } => write!(f, "the name of {target} could not be resolved"),
        }
    }
}

/// The text for a reply code of RFC 1928, section 6.
fn socks_code(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reason",
    }
}

impl error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } | Self::Broken { source, .. } => Some(source.as_ref()),
            Self::Name { source, .. } => Some(source),
            Self::Credentials { .. } | Self::Refused { .. } | Self::Socks { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socks_code_has_its_text() {
        let all: std::collections::HashSet<_> = (0..=9).map(socks_code).collect();
        assert_eq!(all.len(), 9, "eight codes have names");
    }

    #[test]
    fn a_refusal_that_would_be_repeated_is_final() {
        let (proxy, target) = (String::new(), String::new());
        let refused = |status| ProxyError::Refused {
            proxy: proxy.clone(),
            target: target.clone(),
            status: StatusCode::from_u16(status).unwrap(),
            body: Vec::new(),
        };
        let socks = |code| ProxyError::Socks { proxy: proxy.clone(), target: target.clone(), code };
        let credentials = ProxyError::Credentials { proxy: proxy.clone(), given: true, offered: Vec::new() };
        for error in [credentials, refused(403), refused(404), socks(2)] {
            assert!(error.is_final(), "{error}");
            assert!(ProxyError::of(&io::Error::other(error)).is_some());
        }
        for error in [refused(408), refused(429), refused(502), refused(302), socks(4)] {
            assert!(!error.is_final(), "{error}");
        }
        assert!(ProxyError::of(&io::Error::other("something else")).is_none());
    }

    #[test]
    fn a_407_is_an_error_that_names_the_offered_schemes() {
        let refusal = |url: &str, status, offered: &[&'static str]| {
            let headers = offered.iter().map(|value| (PROXY_AUTHENTICATE, value.parse().unwrap())).collect();
            ProxyError::refusal(&ProxyServer::parse(url).unwrap(), status, &headers).map(|error| error.to_string())
        };
        const WHO: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let (asks, refuses) = (
            "the proxy http://p:80 requires a user name and a password",
            "the proxy http://p:80 rejected the user name or the password",
        );
        for (url, offered, says) in [
            ("p", &[][..], asks.to_owned()),
            ("p", &["Basic realm=\"a, b\""], format!("{asks} (it offers Basic)")),
            ("u:s3cret@p", &["Negotiate, NTLM", "basic"], format!("{refuses} (it offers Negotiate, NTLM, basic)")),
            (
                "u:s3cret@p",
                &["Negotiate", "NTLM"],
                format!("{refuses} (it offers Negotiate, NTLM; only Basic is supported)"),
            ),
        ] {
            assert_eq!(refusal(url, WHO, offered), Some(says));
        }
        for status in [StatusCode::UNAUTHORIZED, StatusCode::OK] {
            assert_eq!(refusal("p", status, &["Basic"]), None);
        }
    }
}
