//! A chat completion, in one object or as a stream of chunks.

use std::collections::VecDeque;

use bytes::Bytes;
use chat_proto::Citation;
use chat_proto::sessions::AssistantMessage;
use serde_json::{Value, json};

use super::request::{Format, Request};
use super::tools::Call;
use super::{CREATED, MODELS, schema};
use crate::events::words;
use crate::json::to_json;
use crate::sessions::History;

/// The size of a fragment of a call's arguments, in characters.
const FRAGMENT: usize = 24;

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer<'r> {
    /// The number of the request. The ids are made of it.
    number: u64,
    model: &'r str,
    /// `None` if the answer is only a call.
    content: Option<String>,
    call: Option<ToolCall<'r>>,
    prompt_tokens: usize,
}

#[derive(Debug)]
struct ToolCall<'r> {
    name: &'r str,
    /// JSON text.
    arguments: String,
}

/// Returns the events of a text without calls.
pub(crate) fn events_of_text(text: &str) -> VecDeque<Bytes> {
    let content = Some(text.to_owned());
    Answer { number: 1, model: MODELS[0], content, call: None, prompt_tokens: 0 }.events(false)
}

impl<'r> Answer<'r> {
    /// Answers a request. The function is not called if the answer is only a call.
    pub(crate) fn new(
        number: u64,
        request: &Request<'r>,
        respond: impl FnOnce(&History, &str) -> AssistantMessage,
    ) -> Self {
        let conversation = &request.conversation;
        let question = conversation.question.as_str();
        let (content, call) = if let Call::Forced(function) = &request.call {
            (None, Some(ToolCall { name: function.name, arguments: function.arguments(question).to_string() }))
        } else {
            let message = respond(&conversation.history, question);
            let citations = message.records_cited.map_or(Vec::new(), |records| records.citations.to_vec());
            let call = links(&request.call, &citations, &message.content);
            (Some(formatted(&request.format, message.content)), call)
        };
        Self { number, model: request.model, content, call, prompt_tokens: conversation.words }
    }

    /// Returns the answer in one object.
    pub(crate) fn object(&self) -> Value {
        let mut message = json!({ "role": "assistant", "content": self.content, "refusal": null });
        if let Some(call) = &self.call {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            message["tool_calls"] = json!([{ "id": self.call_id(), "type": "function", "function": function }]);
        }
        let choice = json!({
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": self.finish_reason(),
        });
        json!({
            "id": self.id(),
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "choices": [choice],
            "usage": self.usage(),
        })
    }

    /// Returns the events of a stream: the role, the text word by word, the call, the end, and the usage.
    pub(crate) fn events(&self, include_usage: bool) -> VecDeque<Bytes> {
        let first = self.content.as_ref().map(|_| "");
        let mut deltas = vec![json!({ "role": "assistant", "content": first, "refusal": null })];
        deltas.extend(words(self.content.as_deref().unwrap_or_default()).map(|word| json!({ "content": word })));
        if let Some(call) = &self.call {
            deltas.extend(call.deltas(&self.call_id()));
        }
        let mut chunks: Vec<Value> = deltas.iter().map(|delta| self.chunk(&choices(delta, None))).collect();
        chunks.push(self.chunk(&choices(&json!({}), Some(self.finish_reason()))));
        if include_usage {
            chunks.iter_mut().for_each(|chunk| chunk["usage"] = Value::Null);
            let mut last = self.chunk(&json!([]));
            last["usage"] = self.usage();
            chunks.push(last);
        }
        chunks.iter().map(to_json).chain(["[DONE]".to_owned()]).map(|data| format!("data: {data}\n\n").into()).collect()
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id(),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.model,
            "choices": choices,
        })
    }

    fn id(&self) -> String {
        format!("chatcmpl-{:08x}", self.number)
    }

    fn call_id(&self) -> String {
        format!("call_{:08x}", self.number)
    }

    fn finish_reason(&self) -> &'static str {
        if self.call.is_some() { "tool_calls" } else { "stop" }
    }

    /// A token is a word.
    fn usage(&self) -> Value {
        let parts = [self.content.as_deref(), self.call.as_ref().map(|call| call.arguments.as_str())];
        let completion_tokens: usize = parts.into_iter().flatten().map(|part| part.split_whitespace().count()).sum();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }
}

impl ToolCall<'_> {
    /// Returns the call in fragments. The first has its name, the others its arguments.
    fn deltas(&self, id: &str) -> Vec<Value> {
        let function = json!({ "name": self.name, "arguments": "" });
        let mut fragments = vec![json!({ "index": 0, "id": id, "type": "function", "function": function })];
        let characters: Vec<char> = self.arguments.chars().collect();
        for fragment in characters.chunks(FRAGMENT) {
            let arguments: String = fragment.iter().collect();
            fragments.push(json!({ "index": 0, "function": { "arguments": arguments } }));
        }
        fragments.into_iter().map(|fragment| json!({ "tool_calls": [fragment] })).collect()
    }
}

/// Returns the choices of a chunk: one.
fn choices(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }])
}

/// Returns the call of `provideLinks`, if it is wanted.
fn links<'r>(call: &Call<'r>, citations: &[Citation], text: &str) -> Option<ToolCall<'r>> {
    match call {
        Call::Links { function, always } if *always || !citations.is_empty() => {
            Some(ToolCall { name: function.name, arguments: function.links(citations, text).to_string() })
        }
        _ => None,
    }
}

fn formatted(format: &Format<'_>, text: String) -> String {
    match format {
        Format::Text => text,
        Format::JsonObject => json!({ "answer": text }).to_string(),
        Format::JsonSchema(schema) => schema::full(schema, &text).to_string(),
    }
}
