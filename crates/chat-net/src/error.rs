//! Why there is no way through a proxy.

use std::{error, fmt, io, iter};

use chat_proto::Source;
use http::StatusCode;

use crate::{Origin, Via};

/// Why there is no way through a proxy. The request went nowhere.
///
/// It is what an [`Error`](chat_proto::Error) whose kind is `Connect` has as its cause; [`of`](Self::of) finds it there.
/// `proxy` is the proxy's URL without its credentials, `target` the host and port behind it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// There is no connection to the proxy.
    Unreachable {
        /// The proxy.
        proxy: String,
        /// What failed: the name, the address, TLS.
        source: Source,
    },
    /// The proxy wants to know who asks: it answered 407, or what is the same in SOCKS.
    Credentials {
        /// The proxy.
        proxy: String,
        /// Whether the proxy was given any, and refused them.
        given: bool,
    },
    /// The proxy answered `CONNECT` with another status than a 2xx.
    Refused {
        /// The proxy.
        proxy: String,
        /// What it was asked for.
        target: String,
        /// Its answer.
        status: StatusCode,
        /// The start of what it says about that: as much as came with the head, which may be nothing.
        body: Vec<u8>,
    },
    /// A SOCKS proxy refused, or could not reach the target.
    Socks {
        /// The proxy.
        proxy: String,
        /// What it was asked for.
        target: String,
        /// Its answer, a code of RFC 1928, section 6.
        code: u8,
    },
    /// The connection to the proxy broke before it answered, or its answer is none of its protocol.
    Broken {
        /// The proxy.
        proxy: String,
        /// What failed.
        source: Source,
    },
    /// The target's name could not be looked up here, as `socks5://` asks for.
    Name {
        /// What was looked up.
        target: String,
        /// What failed.
        source: io::Error,
    },
}

impl ProxyError {
    /// The error of a proxy that an error is, or that lies beneath it, if one does. In `transport-hyper`'s `SendError` its
    /// `proxy_error` finds it.
    pub fn of<'e>(error: &'e (dyn error::Error + 'static)) -> Option<&'e Self> {
        chain(error).find_map(<dyn error::Error>::downcast_ref)
    }

    /// Whether the proxy would say the same again: it wants another login, or its rules are against it. A password that is
    /// tried again and again may lock an account.
    pub fn is_final(&self) -> bool {
        const NOT_ALLOWED: u8 = 2;
        match self {
            Self::Credentials { .. } => true,
            Self::Refused { status, .. } => status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429),
            Self::Socks { code, .. } => *code == NOT_ALLOWED,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Name { .. } => false,
        }
    }

    /// There is no connection to the proxy.
    pub fn unreachable(via: &Via, source: impl Into<Source>) -> Self {
        Self::Unreachable { proxy: via.to_string(), source: source.into() }
    }

    /// The proxy answered 407, to a request that it was to forward too.
    pub fn credentials(via: &Via) -> Self {
        Self::Credentials { proxy: via.to_string(), given: via.login().is_some() }
    }

    /// The connection to the proxy broke, or it does not speak its protocol.
    pub fn broken(via: &Via, source: impl Into<Source>) -> Self {
        Self::Broken { proxy: via.to_string(), source: source.into() }
    }

    /// The target's name could not be looked up.
    pub fn name(target: &Origin, source: io::Error) -> Self {
        Self::Name { target: target.to_string(), source }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { proxy, .. } => write!(f, "the proxy {proxy} can't be reached"),
            Self::Credentials { proxy, given: false } => write!(f, "the proxy {proxy} asks for a user and a password"),
            Self::Credentials { proxy, given: true } => write!(f, "the proxy {proxy} refuses the user or the password"),
            Self::Refused { proxy, target, status, .. } => {
                write!(f, "the proxy {proxy} refuses a connection to {target}: {status}")
            }
            Self::Socks { proxy, target, code } => {
                write!(f, "the proxy {proxy} refuses a connection to {target}: {}", socks_code(*code))
            }
            Self::Broken { proxy, .. } => write!(f, "talking to the proxy {proxy} failed"),
            Self::Name { target, .. } => write!(f, "the name of {target} can't be looked up"),
        }
    }
}

/// An error and all that lies beneath it.
pub(crate) fn chain<'e>(
    error: &'e (dyn error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn error::Error + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref().and_then(io::Error::get_ref) {
        // An error of I/O does not name what it wraps as its source.
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
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
    fn codes_of_socks_are_told_apart() {
        let all: std::collections::HashSet<_> = (0..=9).map(socks_code).collect();
        assert_eq!(all.len(), 9, "eight that have names, and the others");
    }

    #[test]
    fn what_a_proxy_would_say_again_is_final() {
        let (proxy, target) = (String::new(), String::new());
        let refused = |status| ProxyError::Refused {
            proxy: proxy.clone(),
            target: target.clone(),
            status: StatusCode::from_u16(status).unwrap(),
            body: Vec::new(),
        };
        let socks = |code| ProxyError::Socks { proxy: proxy.clone(), target: target.clone(), code };
        let credentials = ProxyError::Credentials { proxy: proxy.clone(), given: true };
        for error in [credentials, refused(403), refused(404), socks(2)] {
            assert!(error.is_final(), "{error}");
            assert!(ProxyError::of(&io::Error::other(error)).is_some());
        }
        for error in [refused(408), refused(429), refused(502), refused(302), socks(4)] {
            assert!(!error.is_final(), "{error}");
        }
        assert!(ProxyError::of(&io::Error::other("something else")).is_none());
    }
}
