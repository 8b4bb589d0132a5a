//! What one exchange may hold in memory.

use std::fmt;

use crate::setters::setters;

/// Bounds on what a server can make a client hold, in bytes. Passing one ends the answer with
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit); what had arrived stays with the error.
///
/// Events and bodies count as they come. An answer counts as it is held: broken UTF-8 as what replaces it, three bytes for
/// each, and a citation by the memory that it takes, which is 160 bytes on a 64 bit machine and its strings, though as
/// few as 14 bytes may have come. While an event or a body is read, it is held beside what it becomes.
///
/// The defaults admit what is legal (events of megabytes) and stop what is not (a line without end). Nothing is queued
/// in events: a chunk is decoded as its events are taken, so what waits is at most what the driver handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// One event of a stream: 16 MiB. Citations of a megabyte are legal; sixteen leave room without a danger.
    pub event: usize,
    /// The body of an answer in one JSON object: 32 MiB, as it holds what several events would.
    pub json_body: usize,
    /// What is kept of the body of an error, and of an event that was cut: 64 KiB, enough for any message; error pages can
    /// be long. The rest is not read, and this limit alone is no error of its own.
    pub error_body: usize,
    /// The answer as a whole, text and citations: 64 MiB, so that a stream that never ends, ends. A body in one JSON object
    /// must be within it too.
    pub answer: usize,
    /// Unknown events, pings included, since the last text, finish reason or citations: 64 MiB of type and data. They are
    /// handed out and not kept, so this bounds no memory. It ends a stream that sends nothing else.
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

/// Which of the [`Limits`] was passed.
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
