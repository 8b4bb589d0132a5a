//! The types that a user of another decoder derives, and the JSON into them.

use std::hint::black_box;

use chat_bench::clients::MessageChunk;
use chat_bench::subjects::{self, Sink, Subject};
use serde::Deserialize;

use crate::input::{Dialect, Input};
use crate::sum::Sum;

/// A chunk of a chat completion.
#[derive(Deserialize)]
#[allow(dead_code, reason = "a user's type has these fields")]
struct CompletionChunk {
    id: String,
    object: String,
    created: u64,
    model: String,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    #[allow(dead_code, reason = "a user's type has this field")]
    role: Option<String>,
    #[serde(default)]
    content: Option<String>,
}

/// Runs a decoder with serde_json.
pub(crate) fn with_json(subject: Subject, input: &Input) -> Sum {
    match input.dialect {
        Dialect::Sessions => {
            let mut sink = Sessions(Sum::default());
            subjects::decode(subject, input.slices(), &mut sink);
            sink.0
        }
        Dialect::Completions => {
            let mut sink = Completions(Sum::default());
            subjects::decode(subject, input.slices(), &mut sink);
            sink.0
        }
    }
}

struct Sessions(Sum);

impl Sink for Sessions {
    fn event(&mut self, _: &[u8], data: &[u8], _: &[u8]) {
        let chunk: MessageChunk = serde_json::from_slice(data).expect("valid JSON");
        self.0.text(&chunk.content_chunk);
        self.0.rest(chunk.chat_session_id.as_deref());
        self.0.rest(chunk.finish_reason.as_deref());
        black_box(chunk);
    }
}

struct Completions(Sum);

impl Sink for Completions {
    fn event(&mut self, _: &[u8], data: &[u8], _: &[u8]) {
        if data == b"[DONE]" {
            return;
        }
        let chunk: CompletionChunk = serde_json::from_slice(data).expect("valid JSON");
        for choice in &chunk.choices {
            self.0.text(choice.delta.content.as_deref().unwrap_or_default());
            self.0.rest(choice.finish_reason.as_deref());
        }
        black_box(chunk);
    }
}
