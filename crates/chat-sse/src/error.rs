//! The error of the adapters.

use core::fmt;

use super::LimitExceeded;

/// An error of [`read::Events`](crate::read::Events) or [`stream::EventStream`](crate::stream::EventStream).
/// Malformed input is not an error: every sequence of bytes is an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// The source of the bytes failed. The decoder keeps what has arrived.
    Transport(E),
    /// An event is larger than the limit. It is the last item.
    Limit(LimitExceeded),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "the event stream failed: {error}"),
            Self::Limit(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for Error<E> {
    /// The source of the transport's error. The message already has the error itself.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Transport(error) => error.source(),
            Self::Limit(_) => None,
        }
    }
}
