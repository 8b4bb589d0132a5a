//! What an answer's body reports to the timeouts and to its receiver.

use crate::template::Holes;

/// How far a body has arrived, for the content timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The body of a failure, or a body that is over.
    Failure,
    /// An answer in one JSON object.
    Json {
        /// A byte that is not white space has arrived.
        has_begun: bool,
    },
    /// A stream of events.
    Stream {
        /// Number of complete events and other blocks.
        finished: u64,
        /// Bytes so far of the next event. Zero if that event is a ping.
        unfinished: usize,
    },
}

/// What an event means for the content timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EventClass {
    /// A ping.
    KeepAlive,
    /// An event without text, finish reason or other content.
    Empty,
    /// Content.
    Content,
}

impl EventClass {
    /// The class of a text without a finish reason.
    #[inline]
    pub(crate) fn of_text(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Content }
    }
}

/// Whether a stream continues after an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// More may come.
    More,
    /// More may come. The event gave one text, and the reader holds nothing back. An event with other strings at these
    /// positions of its data gives the same event with another text.
    Repeatable(Holes),
    /// The answer is complete. The rest of the body is not decoded.
    Finished,
}
