//! The inputs: one table each.

use bytes::Bytes;
use chat_bench::corpora::{self, Corpus, answers};

/// A dialect of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// v0
    Sessions,
    /// v1
    Completions,
}

/// How a body is split into chunks.
#[derive(Clone, Copy, Debug)]
enum Split {
    Events(usize),
    Bytes(usize),
}

/// A kind of input.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// The title of the table: the corpus, and what is in a chunk.
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    dialect: Dialect,
    split: Split,
    /// Makes a body with this number of texts.
    corpus: fn(usize) -> Corpus,
}

/// All kinds, in the order of the tables.
pub(crate) const ALL: [Kind; 6] = [
    Kind {
        name: "plain/50",
        description: "small events without escapes, 50 per chunk",
        dialect: Dialect::Sessions,
        split: Split::Events(50),
        corpus: |events| answers::session("plain", events, false),
    },
    Kind {
        name: "escapes/50",
        description: "small events, escapes in 12 % of the texts, 50 per chunk",
        dialect: Dialect::Sessions,
        split: Split::Events(50),
        corpus: |events| answers::session("escapes", events, true),
    },
    Kind {
        name: "plain/1",
        description: "small events without escapes, one per chunk",
        dialect: Dialect::Sessions,
        split: Split::Events(1),
        corpus: |events| answers::session("plain", events, false),
    },
    Kind {
        name: "small/1400",
        description: "the small events of the `sse` bench, in chunks of 1400 bytes",
        dialect: Dialect::Sessions,
        split: Split::Bytes(1400),
        corpus: corpora::small,
    },
    Kind {
        name: "completions/50",
        description: "chat completions as OpenAI sends them, 50 events per chunk",
        dialect: Dialect::Completions,
        split: Split::Events(50),
        corpus: |events| answers::completion("completions", events, false),
    },
    Kind {
        name: "obfuscation/50",
        description: "the same with `obfuscation`, as OpenAI sends it since 2025",
        dialect: Dialect::Completions,
        split: Split::Events(50),
        corpus: |events| answers::completion("obfuscation", events, true),
    },
];

impl Kind {
    /// Makes the body. It is leaked.
    pub(crate) fn input(&self, texts: usize) -> Input {
        let corpus = (self.corpus)(texts);
        let chunks: Vec<_> = match self.split {
            Split::Events(events) => corpus.chunks_of_events(events).map(Bytes::from_static).collect(),
            Split::Bytes(bytes) => corpus.body.chunks(bytes).map(Bytes::from_static).collect(),
        };
        Input { dialect: self.dialect, chunks: chunks.leak(), events: corpus.events(), texts }
    }
}

/// A body.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    pub(crate) dialect: Dialect,
    /// They cost nothing: their memory is static and is not counted.
    pub(crate) chunks: &'static [Bytes],
    /// Number of events of the stream.
    pub(crate) events: usize,
    /// Number of events that have a text.
    pub(crate) texts: usize,
}

impl Input {
    /// The chunks for a decoder that borrows them.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        self.chunks.iter().map(|chunk| &chunk[..])
    }
}
