//! Why there is no connection, or no answer.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

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

    fn class(&self) -> TransportError {
        match (&self.what, self.source.as_deref()) {
            (What::TimedOut(_), _) => TransportError::ConnectTimeout,
            // The system's own time for an address ran out.
            (What::Tcp, Some(error)) if is_timeout(error) => TransportError::ConnectTimeout,
            #[cfg(feature = "net")]
            (What::Tls, Some(error)) if is_bad_certificate(error) => TransportError::Untrusted,
            _ => TransportError::Connect,
        }
    }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|io: &io::Error| io.kind() == io::ErrorKind::TimedOut)
}

#[cfg(feature = "net")]
fn is_bad_certificate(error: &(dyn Error + 'static)) -> bool {
    matches!(of_tls(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// Whether the server ended the TLS handshake. In TLS 1.3 the client has done its part by then and has written its
/// request, but a server reads nothing of it before it has accepted the client.
#[cfg(feature = "net")]
fn is_refused_by_tls(error: &hyper::Error) -> bool {
    use rustls::AlertDescription as Alert;
    // Those that are sent in a handshake alone.
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    matches!(
        causes.find_map(of_tls),
        Some(rustls::Error::AlertReceived(
            Alert::HandshakeFailure
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied
        ))
    )
}

/// rustls wraps its errors in those of I/O, which do not name what they wrap as their source.
#[cfg(feature = "net")]
fn of_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
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

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
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
            Why::Connect(error) => error.class(),
            #[cfg(feature = "net")]
            Why::Unsent(error) | Why::Lost(error) if is_refused_by_tls(error) => TransportError::Connect,
            Why::Unsent(_) => TransportError::Unsent,
            Why::Lost(_) => TransportError::MaybeSent,
        }
    }

    /// Why no connection came about, if that is it.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match &self.0 {
            Why::Connect(error) => Some(error),
            Why::Unsent(_) | Why::Lost(_) => None,
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

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Why::Connect(error) => error.source(),
            Why::Unsent(error) | Why::Lost(error) => error.source(),
        }
    }
}
