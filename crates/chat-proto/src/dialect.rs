//! The seam between the dialects and everything else.
//!
//! A dialect says how a request is written and how an answer is read. To add one, add a variant to [`Dialect`] and a module
//! next to `sessions`. The receiver, the exchange, the driver and the transports stay as they are.

use std::collections::VecDeque;

use crate::config::Reading;
use crate::progress::Flow;
use crate::request::Dialect;
use crate::{ErrorKind, Event, Head, Truncation, completions, sessions, sse};

impl Dialect {
    /// Creates a reader for one stream. `None` if the dialect has no streams.
    pub(crate) fn reader(self, config: &Reading) -> Option<Reader> {
        match self {
            Self::Sessions => Some(Reader::Sessions(sessions::reader::Reader::default())),
            Self::Completions => Some(Reader::Completions(Box::new(completions::reader::Reader::new(config)))),
            Self::Models => None,
        }
    }

    /// Reads an answer in one JSON object into the events that a stream would have. Its events are delivered before an error.
    pub(crate) fn read_body(self, config: &Reading, body: &[u8], out: &mut VecDeque<Event>) -> Result<(), ErrorKind> {
        match self {
            Self::Sessions => sessions::reader::read_body(body, out),
            Self::Completions => completions::reader::read_body(config, body, out),
            Self::Models => completions::read_models(body, out),
        }
    }

    /// Whether an event ends the stream as an error.
    pub(crate) fn is_error(self, event_type: &[u8], data: &[u8]) -> bool {
        match self {
            Self::Sessions => sessions::reader::is_error(event_type, data),
            Self::Completions | Self::Models => completions::reader::is_error(event_type, data),
        }
    }

    /// Reads the body of an error response.
    pub(crate) fn read_failure(self, head: &Head, body: &[u8]) -> ErrorKind {
        match self {
            Self::Sessions => sessions::reader::read_failure(head, body),
            Self::Completions | Self::Models => completions::reader::read_failure(head, body),
        }
    }
}

/// Reads the events of one stream, in order.
#[derive(Debug)]
pub(crate) enum Reader {
    Sessions(sessions::reader::Reader),
    Completions(Box<completions::reader::Reader>),
}

impl Reader {
    /// Reads one event of the stream into zero or more events. `out` is empty before. Its events are delivered before an
    /// error or the end.
    #[inline]
    pub(crate) fn read(&mut self, event: sse::Event<'_>, out: &mut VecDeque<Event>) -> Result<Flow, ErrorKind> {
        match self {
            Self::Sessions(reader) => reader.read(event, out),
            Self::Completions(reader) => reader.read(event, out),
        }
    }

    /// No more events follow. Adds what the reader still holds, e.g. half of a character.
    pub(crate) fn flush(&mut self, out: &mut VecDeque<Event>) {
        match self {
            Self::Sessions(reader) => reader.flush(out),
            Self::Completions(reader) => reader.flush(out),
        }
    }

    /// Whether the answer is complete, although the stream has not ended.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Sessions(_) => false,
            Self::Completions(reader) => reader.is_complete(),
        }
    }

    /// Decides at the end of the body whether the answer is complete. `cut` says how the body was cut, if it was.
    pub(crate) fn end(&self, cut: Option<Truncation>) -> Result<(), Truncation> {
        match self {
            Self::Sessions(_) => cut.map_or(Ok(()), Err),
            Self::Completions(reader) => reader.end(cut),
        }
    }

    /// Whether a stream without events is an unexpected response. `has_only_unknown_fields` says whether no line of it is part
    /// of an event stream.
    pub(crate) fn is_foreign(&self, has_only_unknown_fields: bool) -> bool {
        match self {
            Self::Sessions(_) => has_only_unknown_fields,
            Self::Completions(reader) => !reader.has_events(),
        }
    }
}
