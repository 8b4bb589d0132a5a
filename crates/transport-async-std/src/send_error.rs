//! Why there is no head, and what that means to the core.

use std::error::Error;
use std::{fmt, io};

use chat_client::driver::TransportError;
use chat_http1::SendError as EngineError;

use crate::convert::Unheld;

/// Why there is no head.
pub struct SendError(pub(crate) Reason);

pub(crate) enum Reason {
    /// Our own backend's, as exact as it left it.
    Engine(EngineError),
    /// Another backend's, or a middleware's.
    Surf(surf::Error),
    /// The request can't be had by surf.
    Unheld(Unheld),
}

impl From<surf::Error> for SendError {
    /// What our backend put in is taken out again.
    fn from(error: surf::Error) -> Self {
        Self(match error.downcast() {
            Ok(error) => Reason::Engine(error),
            Err(error) => error.downcast().map_or_else(Reason::Surf, Reason::Unheld),
        })
    }
}

impl SendError {
    fn inner(&self) -> &(dyn Error + 'static) {
        match &self.0 {
            Reason::Engine(error) => error,
            Reason::Surf(error) => error.as_ref(),
            Reason::Unheld(error) => error,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

/// surf's own `Debug` prints a backtrace.
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

/// Sorts an error.
pub(crate) fn classify(SendError(reason): &SendError) -> TransportError {
    match reason {
        Reason::Engine(error) => error.class(),
        Reason::Surf(error) => foreign(error.as_ref()),
        Reason::Unheld(_) => TransportError::Unsent,
    }
}

/// An error that another backend gave, or that a middleware put around one.
fn foreign(error: &(dyn Error + 'static)) -> TransportError {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.find_map(of_cause).unwrap_or(TransportError::MaybeSent)
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<TransportError> {
    if let Some(error) = cause.downcast_ref::<EngineError>() {
        return Some(error.class());
    }
    match cause.downcast_ref::<io::Error>()?.kind() {
        // These come of connecting alone. Others, such as a host that can't be reached, may end a connection too.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable => Some(TransportError::Connect),
        _ => None,
    }
}
