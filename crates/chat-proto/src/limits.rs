//! Limits on the memory of an exchange.

use std::fmt;

use crate::setters::setters;

/// Limits on what a server can make a client hold, in bytes. An exceeded limit ends the answer with
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit). What had arrived stays with the error.
///
/// Events and bodies are counted as received. An answer is counted as it is held: invalid UTF-8 as its replacement, three
/// bytes each, a tool call by its memory and its strings, and a citation by its memory, which is 184 bytes on a 64-bit machine plus its strings. While an event or a
/// body is read, it is held in addition to the result.
///
/// The defaults allow events of megabytes and end a line that never ends. No events are queued beyond those of one stream
/// event: a chunk is decoded as its events are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// One event of a stream. Default: 16 MiB.
    pub event: usize,
    /// The body of an answer in one JSON object. Default: 32 MiB.
    pub json_body: usize,
    /// The part that is kept of an error's body and of an event that was cut. Default: 64 KiB. The rest is not read. Exceeding
    /// this limit is not an error.
    pub error_body: usize,
    /// The whole answer: text, citations and everything else. Default: 64 MiB. It ends a stream that never ends. It applies to
    /// a body in one JSON object too.
    pub answer: usize,
    /// Type and data of unknown events, pings included, since the last text, finish reason or citations. Default: 64 MiB.
    /// Unknown events are returned and not kept, so this limits no memory. It ends a stream that sends nothing else.
    pub unknown_events: usize,
}

impl Limits {
    setters! {
        /// Sets [`event`](Self::event), in bytes.
        with_event(event: usize);
        /// Sets [`json_body`](Self::json_body), in bytes.
        with_json_body(json_body: usize);
        /// Sets [`error_body`](Self::error_body), in bytes.
        with_error_body(error_body: usize);
        /// Sets [`answer`](Self::answer), in bytes.
        with_answer(answer: usize);
        /// Sets [`unknown_events`](Self::unknown_events), in bytes.
        with_unknown_events(unknown_events: usize);
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { event: 16 << 20, json_body: 32 << 20, error_body: 64 << 10, answer: 64 << 20, unknown_events: 64 << 20 }
    }
}

/// One of the [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::event`].
    Event,
    /// [`Limits::json_body`].
    JsonBody,
    /// [`Limits::answer`].
    Answer,
    /// [`Limits::unknown_events`].
    UnknownEvents,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "one event",
            Self::JsonBody => "a JSON body",
            Self::Answer => "an answer",
            Self::UnknownEvents => "a run of unknown events",
        })
    }
}
