//! Why a request has no answer.

use std::error::Error;
use std::fmt;

use chat_client::driver::TransportError;
use chat_net::{ConnectError, MAX_HEAD, MAX_HEADERS, tls};

/// Why a request has no answer.
#[derive(Debug)]
pub struct SendError(Reason);

#[derive(Debug)]
enum Reason {
    Connect(ConnectError),
    Unsent(hyper::Error),
    Lost(hyper::Error),
    BadHead(hyper::Error),
}

impl SendError {
    pub(crate) fn unsent(error: hyper::Error) -> Self {
        Self(Reason::Unsent(error))
    }

    pub(crate) fn lost(error: hyper::Error) -> Self {
        Self(if error.is_parse() { Reason::BadHead(error) } else { Reason::Lost(error) })
    }

    /// The class of the error: whether the request may have been sent, and whether another attempt may help.
    pub fn class(&self) -> TransportError {
        match &self.0 {
            Reason::Connect(error) => error.class(),
            Reason::Unsent(error) | Reason::Lost(error) if tls::is_refused(error) => TransportError::Connect,
            Reason::Unsent(_) => TransportError::Unsent,
            Reason::Lost(_) => TransportError::MaybeSent,
            Reason::BadHead(_) => TransportError::BadHead,
        }
    }

    /// The error of the connection attempt, if that is what failed.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match &self.0 {
            Reason::Connect(error) => Some(error),
            Reason::Unsent(_) | Reason::Lost(_) | Reason::BadHead(_) => None,
        }
    }
}

impl From<ConnectError> for SendError {
    fn from(error: ConnectError) -> Self {
        Self(Reason::Connect(error))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Connect(error) => error.fmt(f),
            // hyper does not tell which errors come from a limit.
            Reason::BadHead(error) => write!(f, "{error} (limits: {} KiB, {MAX_HEADERS} headers)", MAX_HEAD >> 10),
            Reason::Unsent(error) | Reason::Lost(error) => error.fmt(f),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Connect(error) => Some(error),
            Reason::Unsent(error) | Reason::Lost(error) | Reason::BadHead(error) => error.source(),
        }
    }
}
