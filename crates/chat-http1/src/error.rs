//! Why there is no connection, or no answer.

use std::fmt;
#[cfg(feature = "net")]
use std::io;
use std::time::Duration;

use chat_client::{Source, TransportError};
#[cfg(feature = "net")]
use futures_rustls::rustls;

/// Why no connection came about.
#[derive(Debug)]
pub struct ConnectError {
    what: What,
    source: Option<Source>,
}

#[derive(Debug)]
enum What {
    Resolve,
    Tcp,
    Tls,
    TimedOut(Duration),
    Wrapped,
    Other(&'static str),
}

impl ConnectError {
    /// The name has no address, or nobody could be asked.
    pub fn resolve(source: impl Into<Source>) -> Self {
        Self { what: What::Resolve, source: Some(source.into()) }
    }

    /// None of the addresses takes a connection; the error is the last one's.
    pub fn tcp(source: impl Into<Source>) -> Self {
        Self { what: What::Tcp, source: Some(source.into()) }
    }

    /// The two sides do not agree on TLS, or its certificate is no good.
    pub fn tls(source: impl Into<Source>) -> Self {
        Self { what: What::Tls, source: Some(source.into()) }
    }

    /// Not within this time.
    pub fn timed_out(after: Duration) -> Self {
        Self { what: What::TimedOut(after), source: None }
    }

    /// Something else.
    pub fn other(reason: &'static str) -> Self {
        Self { what: What::Other(reason), source: None }
    }

    /// What another connector says, in its own words, which are the source's too.
    pub fn wrap(source: impl Into<Source>) -> Self {
        Self { what: What::Wrapped, source: Some(source.into()) }
    }

    /// Whether the server's certificate is no good.
    #[cfg(feature = "net")]
    fn is_untrusted(&self) -> bool {
        // rustls wraps its errors in those of I/O, which do not name what they wrap as their source.
        let io = self.source.as_deref().and_then(|source| source.downcast_ref::<io::Error>());
        let tls = io.and_then(io::Error::get_ref).and_then(|wrapped| wrapped.downcast_ref::<rustls::Error>());
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Resolve => f.write_str("the server's name could not be resolved"),
            What::Tcp => f.write_str("the server takes no connection"),
            What::Tls => f.write_str("TLS failed"),
            What::TimedOut(after) => write!(f, "no connection within {after:?}"),
            What::Wrapped => self.source.as_deref().map_or(Ok(()), |source| fmt::Display::fmt(source, f)),
            What::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub struct SendError(Why);

#[derive(Debug)]
enum Why {
    Connect(ConnectError),
    Unsent(hyper::Error),
    Lost(hyper::Error),
}

impl SendError {
    pub(crate) fn unsent(error: hyper::Error) -> Self {
        Self(Why::Unsent(error))
    }

    pub(crate) fn lost(error: hyper::Error) -> Self {
        Self(Why::Lost(error))
    }

    /// What it means to the core.
    pub fn class(&self) -> TransportError {
        match &self.0 {
            Why::Connect(ConnectError { what: What::TimedOut(_), .. }) => TransportError::ConnectTimeout,
            #[cfg(feature = "net")]
            Why::Connect(error) if error.is_untrusted() => TransportError::Untrusted,
            Why::Connect(_) => TransportError::Connect,
            Why::Unsent(_) => TransportError::Unsent,
            Why::Lost(_) => TransportError::MaybeSent,
        }
    }
}

impl From<ConnectError> for SendError {
    fn from(error: ConnectError) -> Self {
        Self(Why::Connect(error))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Connect(error) => error.fmt(f),
            Why::Unsent(error) | Why::Lost(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Why::Connect(error) => error.source(),
            Why::Unsent(error) | Why::Lost(error) => error.source(),
        }
    }
}
