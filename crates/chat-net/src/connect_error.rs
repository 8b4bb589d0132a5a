//! Errors of connection attempts.

use std::net::SocketAddr;
use std::time::Duration;
use std::{error, fmt, io};

use chat_proto::{BoxError, Error, TransportError};

use crate::proxy_error::ProxyError;
use crate::tls_error::{chain, is_untrusted};

/// Why a connection attempt failed. The request was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be resolved, or has no address.
    Resolve {
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// No address accepted the connection.
    Tcp {
        /// The last address that failed.
        address: SocketAddr,
        /// The error of that address.
        source: io::Error,
    },
    /// The TLS handshake with the server failed.
    Tls(BoxError),
    /// The proxy failed, or refused the connection.
    Proxy(ProxyError),
    /// The setting of the proxy for this server is not valid.
    Setting(Error),
    /// The connect timeout expired.
    TimedOut {
        /// The connect timeout.
        after: Duration,
        /// The proxy for this server.
        proxy: Option<String>,
    },
    /// The connection failed for another reason, for example in a connector that does not use a
    /// [`Dialer`](crate::Dialer).
    Other {
        /// The class of the error.
        class: TransportError,
        /// The error. Its text is used as it is.
        source: BoxError,
    },
}

impl ConnectError {
    /// Wraps an error of the TLS handshake with the server.
    pub fn tls(source: impl Into<BoxError>) -> Self {
        Self::Tls(source.into())
    }

    /// Wraps any other error.
    pub fn other(class: TransportError, source: impl Into<BoxError>) -> Self {
        Self::Other { class, source: source.into() }
    }

    /// Finds a connect error: the error itself or one of its sources.
    pub fn of<'e>(error: &'e (dyn error::Error + 'static)) -> Option<&'e Self> {
        chain(error).find_map(<dyn error::Error>::downcast_ref)
    }

    /// The class of the error: whether another attempt may help.
    pub fn class(&self) -> TransportError {
        match self {
            Self::TimedOut { .. } => TransportError::ConnectTimeout,
            Self::Setting(_) => TransportError::Permanent,
            Self::Other { class, .. } => *class,
            Self::Proxy(error) if error.is_final() => TransportError::Permanent,
            // The server would send the same certificate again.
            _ if is_untrusted(self) => TransportError::Permanent,
            // The system's own TCP timeout.
            _ if is_timeout(self) => TransportError::ConnectTimeout,
            _ => TransportError::Connect,
        }
    }
}

fn is_timeout(error: &(dyn error::Error + 'static)) -> bool {
    let mut causes = chain(error).filter_map(<dyn error::Error>::downcast_ref);
    causes.any(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
}

impl From<ProxyError> for ConnectError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { host, .. } => write!(f, "the name {host} could not be resolved"),
            Self::Tcp { address, .. } => write!(f, "connection to {address} failed"),
            Self::Tls(_) => f.write_str("TLS handshake failed"),
            Self::Proxy(error) => error.fmt(f),
            Self::Setting(error) => error.fmt(f),
            Self::Other { source, .. } => source.fmt(f),
            Self::TimedOut { after, proxy: None } => write!(f, "no connection within {after:?}"),
            Self::TimedOut { after, proxy: Some(proxy) } => {
                write!(f, "no connection within {after:?} through the proxy {proxy}")
            }
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Resolve { source, .. } | Self::Tcp { source, .. } => Some(source),
            Self::Tls(source) | Self::Other { source, .. } => Some(source.as_ref()),
            Self::Proxy(error) => Some(error),
            Self::Setting(error) => Some(error),
            Self::TimedOut { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn each_error_has_its_class() {
        let tcp = |kind: io::ErrorKind| ConnectError::Tcp { address: ([127, 0, 0, 1], 1).into(), source: kind.into() };
        let proxy = |given| ProxyError::Credentials { proxy: String::new(), given, offered: Vec::new() };
        let untrusted = || io::Error::other(rustls::Error::InvalidCertificate(CertificateError::Expired));
        let unreachable = |source: BoxError| ProxyError::Unreachable { proxy: String::new(), source };
        let rows = [
            (tcp(io::ErrorKind::ConnectionRefused), TransportError::Connect),
            (tcp(io::ErrorKind::TimedOut), TransportError::ConnectTimeout),
            (ConnectError::TimedOut { after: Duration::ZERO, proxy: None }, TransportError::ConnectTimeout),
            (ConnectError::tls("no common version"), TransportError::Connect),
            (ConnectError::tls(untrusted()), TransportError::Permanent),
            (proxy(true).into(), TransportError::Permanent),
            (unreachable(tcp(io::ErrorKind::ConnectionRefused).into()).into(), TransportError::Connect),
            (unreachable(tcp(io::ErrorKind::TimedOut).into()).into(), TransportError::ConnectTimeout),
            (unreachable(untrusted().into()).into(), TransportError::Permanent),
            (ConnectError::other(TransportError::Permanent, "no route"), TransportError::Permanent),
            (ConnectError::Setting(Error::invalid_request("ALL_PROXY", "is not valid")), TransportError::Permanent),
        ];
        for (error, class) in rows {
            assert_eq!(error.class(), class, "{error:?}");
            let wrapped = io::Error::other(error);
            assert_eq!(ConnectError::of(&wrapped).map(ConnectError::class), Some(class));
        }
        assert!(ConnectError::of(&io::Error::other("something else")).is_none());
    }
}
