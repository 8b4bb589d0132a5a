//! Why a request has no answer, and the class of the error.

use std::error::Error;
use std::{fmt, io};

use chat_client::driver::TransportError;
use chat_http1::SendError as EngineError;

use crate::convert::ConvertError;

/// Why a request has no answer.
pub struct SendError(pub(crate) Reason);

pub(crate) enum Reason {
    /// An error of our own backend.
    Engine(EngineError),
    /// An error of another backend or of middleware.
    Surf(surf::Error),
    /// The request can't be converted for surf.
    Convert(ConvertError),
}

impl From<surf::Error> for SendError {
    /// Takes out the errors of our own backend.
    fn from(error: surf::Error) -> Self {
        Self(match error.downcast() {
            Ok(error) => Reason::Engine(error),
            Err(error) => error.downcast().map_or_else(Reason::Surf, Reason::Convert),
        })
    }
}

impl SendError {
    fn inner(&self) -> &(dyn Error + 'static) {
        match &self.0 {
            Reason::Engine(error) => error,
            Reason::Surf(error) => error.as_ref(),
            Reason::Convert(error) => error,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

/// Omits the backtrace of surf's errors.
impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").field(&format_args!("{self}")).finish()
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner().source()
    }
}

/// Returns the class of an error.
pub(crate) fn classify(SendError(reason): &SendError) -> TransportError {
    match reason {
        Reason::Engine(error) => error.class(),
        Reason::Surf(error) => classify_surf(error.as_ref()),
        Reason::Convert(_) => TransportError::Unsent,
    }
}

/// Classifies an error of another backend or of middleware.
fn classify_surf(error: &(dyn Error + 'static)) -> TransportError {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.find_map(classify_cause).unwrap_or(TransportError::MaybeSent)
}

fn classify_cause(cause: &(dyn Error + 'static)) -> Option<TransportError> {
    if let Some(error) = cause.downcast_ref::<EngineError>() {
        return Some(error.class());
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        // Only connecting returns these. Others, such as `HostUnreachable`, may also end an open connection.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable => Some(TransportError::Connect),
        _ => None,
    }
}
