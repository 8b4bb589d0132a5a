//! The seam between the API's dialects and everything else.
//!
//! A dialect is how a request is written and how an answer is read. A second one is a second variant here and a sibling
//! of `v0`; the receiver, the exchange, the driver and the transports stay as they are.

use crate::sse;
use crate::v0;
use crate::{ErrorKind, Event, Head, SessionId};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    V0,
}

impl Dialect {
    /// Reads one event of a stream. `session` is the id known so far, to be shared where it comes again.
    pub(crate) fn read_event(self, event: sse::Event<'_>, session: Option<&SessionId>) -> Result<Event, ErrorKind> {
        match self {
            Self::V0 => v0::answer::read_event(event, session),
        }
    }

    /// Reads an answer in one JSON object, as the events that a stream would have.
    pub(crate) fn read_body(self, body: &[u8]) -> Result<Vec<Event>, ErrorKind> {
        match self {
            Self::V0 => v0::answer::read_body(body),
        }
    }

    /// Reads the body of an error.
    pub(crate) fn read_failure(self, head: &Head, body: &[u8]) -> ErrorKind {
        match self {
            Self::V0 => v0::answer::read_failure(head, body),
        }
    }
}
