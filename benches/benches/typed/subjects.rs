//! The rows.

use chat_bench::subjects::Subject as Decoder;

use crate::input::Input;
use crate::peers::with_json;
use crate::sum::Sum;
use crate::{layers, replies};

/// What a row returns of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Typed events.
    All,
    /// The text of any number of events.
    Text,
    /// Only the bytes of the events.
    Frames,
}

/// A way to read a body.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) is_peer: bool,
    pub(crate) reads: Reads,
    /// Reads the body once.
    pub(crate) run: fn(&Input) -> Sum,
}

impl Subject {
    const fn ours(name: &'static str, description: &'static str, run: fn(&Input) -> Sum) -> Self {
        Self { name, description, is_peer: false, reads: Reads::All, run }
    }

    const fn peer(name: &'static str, run: fn(&Input) -> Sum) -> Self {
        Self { name, description: "", is_peer: true, reads: Reads::All, run }
    }

    const fn reading(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    /// What the run must return if the exchange returns `wanted`.
    pub(crate) fn wanted(&self, wanted: Sum, input: &Input) -> Sum {
        match self.reads {
            Reads::All => wanted,
            Reads::Text => wanted.of_text(),
            Reads::Frames => Sum::of_frames(input.events),
        }
    }
}

/// The peer of the goals.
pub(crate) const SSE_CORE: &str = "sse-core + serde_json";

/// All rows, in the order of the tables.
pub(crate) const ALL: &[Subject] = &[
    Subject::ours("decoder", "the decoder alone: the data is lent and not read", layers::decoder)
        .reading(Reads::Frames),
    Subject::ours("receiver", "the reader of answers: typed events, merged into the answer", layers::receiver),
    Subject::ours("exchange", "a complete call without I/O", layers::exchange),
    Subject::ours("reply", "`Reply::next` on a transport in memory, which is always ready", replies::next),
    Subject::ours(
        "try_next",
        "`Reply::try_next` for what has arrived, and `Reply::next` for the rest",
        replies::try_next,
    ),
    Subject::ours("next_text", "`Reply::next_text`: the text that has arrived, without its events", replies::next_text)
        .reading(Reads::Text),
    Subject::ours(
        "session",
        "`Reply::next` after `Session::ask` or `Chat::ask`, which keeps the turn",
        replies::session,
    ),
    Subject::ours("decoder + serde_json", "our decoder, and the JSON into owned structs", |input| {
        with_json(Decoder::Ours, input)
    }),
    Subject::peer(SSE_CORE, |input| with_json(Decoder::SseCore, input)),
    Subject::peer("sse-stream + serde_json", |input| with_json(Decoder::SseStream, input)),
    Subject::peer("eventsource-stream + serde_json", |input| with_json(Decoder::EventsourceStream, input)),
];

/// Index of a row.
pub(crate) fn position(name: &str) -> Option<usize> {
    ALL.iter().position(|subject| subject.name == name)
}
