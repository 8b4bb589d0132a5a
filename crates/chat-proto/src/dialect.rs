//! The seam between the dialects and everything else.
//!
//! A dialect says how a request is written and how an answer is read. To add one, add a variant to [`Dialect`] and a module
//! next to `sessions`. The receiver, the exchange, the driver and the transports stay as they are.

use std::collections::VecDeque;

use crate::progress::Flow;
use crate::request::Dialect;
#[cfg(test)]
use crate::script;
use crate::{ErrorKind, Event, Head, Truncation, sessions, sse};

impl Dialect {
    /// Creates a reader for one stream.
    pub(crate) fn reader(self) -> Reader {
        match self {
            Self::Sessions => Reader::Sessions(sessions::reader::Reader::default()),
            #[cfg(test)]
            Self::Script => Reader::Script(script::Reader::default()),
        }
    }

    /// Reads an answer in one JSON object into the events that a stream would have.
    pub(crate) fn read_body(self, body: &[u8], out: &mut VecDeque<Event>) -> Result<(), ErrorKind> {
        match self {
            Self::Sessions => sessions::reader::read_body(body, out),
            #[cfg(test)]
            Self::Script => Ok(()),
        }
    }

    /// Whether an event ends the stream as an error.
    pub(crate) fn is_error(self, event_type: &[u8], data: &[u8]) -> bool {
        match self {
            Self::Sessions => sessions::reader::is_error(event_type, data),
            #[cfg(test)]
            Self::Script => false,
        }
    }

    /// Reads the body of an error response.
    pub(crate) fn read_failure(self, head: &Head, body: &[u8]) -> ErrorKind {
        match self {
            Self::Sessions => sessions::reader::read_failure(head, body),
            #[cfg(test)]
            Self::Script => sessions::reader::read_failure(head, body),
        }
    }
}

/// Reads the events of one stream, in order.
#[derive(Debug)]
pub(crate) enum Reader {
    Sessions(sessions::reader::Reader),
    #[cfg(test)]
    Script(script::Reader),
}

impl Reader {
    /// Reads one event of the stream into zero or more events. `out` is empty before. Its events are delivered before an
    /// error or the end.
    #[inline]
    pub(crate) fn read(&mut self, event: sse::Event<'_>, out: &mut VecDeque<Event>) -> Result<Flow, ErrorKind> {
        match self {
            Self::Sessions(reader) => reader.read(event, out),
            #[cfg(test)]
            Self::Script(reader) => reader.read(event, out),
        }
    }

    /// No more events follow. Adds what the reader still holds, e.g. half of a character.
    pub(crate) fn flush(&mut self, out: &mut VecDeque<Event>) {
        match self {
            Self::Sessions(reader) => reader.flush(out),
            #[cfg(test)]
            Self::Script(_) => {}
        }
    }

    /// Decides at the end of the body whether the answer is complete. `cut` says how the body was cut, if it was.
    pub(crate) fn end(&self, cut: Option<Truncation>) -> Result<(), Truncation> {
        match self {
            Self::Sessions(_) => cut.map_or(Ok(()), Err),
            #[cfg(test)]
            Self::Script(reader) => reader.end(cut),
        }
    }
}
