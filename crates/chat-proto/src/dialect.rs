//! The seam between the API's dialects and everything else.
//!
//! A dialect is how a request is written and how an answer is read. A second one is a second variant here and a sibling
//! of `v0`; the receiver, the exchange, the driver and the transports stay as they are.

use crate::sessions;
use crate::sse;
use crate::{ErrorKind, Event, Head};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    Sessions,
}

impl Dialect {
    /// What reads the events of one stream.
    pub(crate) fn reader(self) -> Reader {
        match self {
            Self::Sessions => Reader::Sessions(sessions::answer::Reader::default()),
        }
    }

    /// Reads an answer in one JSON object, as the events that a stream would have.
    pub(crate) fn read_body(self, body: &[u8]) -> Result<Vec<Event>, ErrorKind> {
        match self {
            Self::Sessions => sessions::answer::read_body(body),
        }
    }

    /// Whether an event ends the stream as an error.
    pub(crate) fn is_error(self, event_type: &[u8], data: &[u8]) -> bool {
        match self {
            Self::Sessions => sessions::answer::is_error(event_type, data),
        }
    }

    /// Reads the body of an error.
    pub(crate) fn read_failure(self, head: &Head, body: &[u8]) -> ErrorKind {
        match self {
            Self::Sessions => sessions::answer::read_failure(head, body),
        }
    }
}

/// Reads the events of one stream, in order. It may remember what came before.
#[derive(Debug)]
pub(crate) enum Reader {
    Sessions(sessions::answer::Reader),
}

impl Reader {
    pub(crate) fn read(&mut self, event: sse::Event<'_>) -> Result<Event, ErrorKind> {
        match self {
            Self::Sessions(reader) => reader.read(event),
        }
    }

    /// No more of the text comes: the last of it, if half of a character was held back.
    pub(crate) fn finish(&mut self) -> Option<Event> {
        match self {
            Self::Sessions(reader) => reader.finish(),
        }
    }
}
