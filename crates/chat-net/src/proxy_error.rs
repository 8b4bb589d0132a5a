//! Why there is no way through a proxy.

use std::{error, fmt, io};

use chat_proto::BoxError;
use http::header::PROXY_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::challenge::schemes;
use crate::tls_error::chain;
use crate::{Origin, ProxyServer};

/// Why there is no way through a proxy. The server did not get the request.
///
/// It is a source of an [`Error`](chat_proto::Error) whose kind is `Connect`; [`of`](Self::of) finds it. `proxy` is the
/// proxy's URL without its credentials, `target` the host and port behind it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// There is no connection to the proxy.
    Unreachable {
        /// The proxy.
        proxy: String,
        /// What failed: the name, the address, TLS.
        source: BoxError,
    },
    /// The proxy asks for a login, or refuses the one it was given: it answered 407, or SOCKS's counterpart.
    Credentials {
        /// The proxy.
        proxy: String,
        /// Whether the proxy was given a user and a password.
        given: bool,
        /// The authentication schemes that it offers, such as `Basic` or `Negotiate`. Empty if it names none, as in SOCKS.
        /// Of these, only `Basic` is supported.
        offered: Vec<String>,
    },
    /// The proxy answered `CONNECT` with a status other than 2xx.
    Refused {
        /// The proxy.
        proxy: String,
        /// The server that it was asked for.
        target: String,
        /// Its answer.
        status: StatusCode,
        /// The part of its body that came together with the head; may be empty.
        body: Vec<u8>,
    },
    /// A SOCKS proxy refused, or could not reach the target.
    Socks {
        /// The proxy.
        proxy: String,
        /// The server that it was asked for.
        target: String,
        /// Its answer: a code of RFC 1928, section 6.
        code: u8,
    },
    /// The connection to the proxy broke before it answered, or its answer does not follow its protocol.
    Broken {
        /// The proxy.
        proxy: String,
        /// What failed.
        source: BoxError,
    },
    /// The client could not resolve the target's name, as `socks5://` requires.
    Name {
        /// The server.
        target: String,
        /// What failed.
        source: io::Error,
    },
}

impl ProxyError {
    /// The proxy error that an error is, or that is among its sources. For `transport-hyper`'s `SendError`, use its
    /// `proxy_error`.
    pub fn of<'e>(error: &'e (dyn error::Error + 'static)) -> Option<&'e Self> {
        chain(error).find_map(<dyn error::Error>::downcast_ref)
    }

    /// Whether the proxy would say the same again: it wants another login, or its rules forbid the connection. Trying a
    /// password again and again may lock an account.
    pub fn is_final(&self) -> bool {
        const NOT_ALLOWED: u8 = 2;
        match self {
            Self::Credentials { .. } => true,
            Self::Refused { status, .. } => status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429),
            Self::Socks { code, .. } => *code == NOT_ALLOWED,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Name { .. } => false,
        }
    }

    /// The error of a proxy that did not forward a request, by the head of its answer: a 407 is the proxy's own. Any other
    /// answer is taken for the server's.
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

/// The schemes that a proxy offers, in brackets.
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

/// What RFC 1928, section 6, calls it.
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
    fn a_refusal_that_would_come_again_is_final() {
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
    fn a_407_is_the_proxy_s_own_answer_and_names_the_schemes_it_offers() {
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
