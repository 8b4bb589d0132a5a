//! Why there is no connection, or no answer.

use std::error::Error;
use std::fmt;

use chat_client::driver::{BoxError, TransportError};
#[cfg(feature = "net")]
use chat_net::tls;

use crate::connection::{MAX_HEAD, MAX_HEADERS};

/// Why there is no connection: the connector's own error, and what it means to the core.
#[derive(Debug)]
pub struct ConnectError {
    class: TransportError,
    source: BoxError,
}

impl ConnectError {
    /// A connector's error. Its text is used as it is.
    pub fn new(class: TransportError, source: impl Into<BoxError>) -> Self {
        Self { class, source: source.into() }
    }

    /// What it means to the core.
    pub fn class(&self) -> TransportError {
        self.class
    }
}

#[cfg(feature = "net")]
impl From<chat_net::ConnectError> for ConnectError {
    fn from(error: chat_net::ConnectError) -> Self {
        Self::new(error.class(), error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
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
    BadHead(hyper::Error),
}

impl SendError {
    pub(crate) fn unsent(error: hyper::Error) -> Self {
        Self(Why::Unsent(error))
    }

    pub(crate) fn lost(error: hyper::Error) -> Self {
        Self(if error.is_parse() { Why::BadHead(error) } else { Why::Lost(error) })
    }

    /// What it means to the core.
    pub fn class(&self) -> TransportError {
        match &self.0 {
            Why::Connect(error) => error.class(),
            #[cfg(feature = "net")]
            Why::Unsent(error) | Why::Lost(error) if tls::is_refused(error) => TransportError::Connect,
            Why::Unsent(_) => TransportError::Unsent,
            Why::Lost(_) => TransportError::MaybeSent,
            Why::BadHead(_) => TransportError::BadHead,
        }
    }

    /// Why no connection came about, if that is it.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match &self.0 {
            Why::Connect(error) => Some(error),
            Why::Unsent(_) | Why::Lost(_) | Why::BadHead(_) => None,
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
            // hyper does not say which error is that of a limit.
            Why::BadHead(error) => write!(f, "{error} (limits: {} KiB, {MAX_HEADERS} headers)", MAX_HEAD >> 10),
            Why::Unsent(error) | Why::Lost(error) => error.fmt(f),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Why::Connect(error) => error.source(),
            Why::Unsent(error) | Why::Lost(error) | Why::BadHead(error) => error.source(),
        }
    }
}
