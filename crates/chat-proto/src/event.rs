//! Events of an answer. They are the same for every dialect and for both forms of an answer.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::progress::EventClass;
use crate::serde_ext::open_enum;
use crate::{Citations, SessionId};

open_enum! {
    /// Why the server ended its answer.
    FinishReason {
        /// The answer is complete.
        Stop = "stop",
        /// The answer reached the model's maximum length.
        Length = "length",
        /// A content filter stopped the answer.
        ContentFilter = "content_filter",
    }
}

/// An event of an answer. An answer in one JSON object gives the same events as a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A piece of the text.
    Text(TextDelta),
    /// The citations of the text. A later list replaces this one. Shared with the [`Answer`](crate::Answer).
    Citations(Arc<Citations>),
    /// A piece of a tool call.
    ToolCall(Box<ToolCallDelta>),
    /// A piece of the model's reasoning.
    Reasoning(String),
    /// A piece of a refusal.
    Refusal(String),
    /// Token usage.
    Usage(Box<Usage>),
    /// An event of an unknown type, as received.
    Other(Box<OtherEvent>),
}

impl Event {
    /// The piece of text in this event, if it has one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(delta) => Some(&delta.text),
            _ => None,
        }
    }

    /// What the event means for the content timeout.
    pub(crate) fn class(&self) -> EventClass {
        let is_empty = match self {
            Self::Text(delta) => delta.text.is_empty() && delta.finish_reason.is_none(),
            Self::Reasoning(text) | Self::Refusal(text) => text.is_empty(),
            Self::Citations(_) | Self::ToolCall(_) => false,
            Self::Usage(_) => true,
            Self::Other(other) if is_keep_alive(other.event_type.as_bytes()) => return EventClass::KeepAlive,
            Self::Other(other) => matches!(other.data.trim(), "" | "{}" | "[]" | "null"),
        };
        if is_empty { EventClass::Empty } else { EventClass::Content }
    }

    /// Bytes that the event adds to the answer. Citations replace earlier ones, so they are counted separately.
    #[inline]
    pub(crate) fn added(&self) -> usize {
        match self {
            Self::Text(delta) => delta.text.len(),
            Self::Reasoning(text) | Self::Refusal(text) => text.len(),
            Self::ToolCall(delta) => delta.added(),
            Self::Citations(_) | Self::Usage(_) | Self::Other(_) => 0,
        }
    }
}

/// Whether events of this type only show that the server is alive. Their data does not matter.
pub(crate) fn is_keep_alive(event_type: &[u8]) -> bool {
    ["ping", "heartbeat", "keepalive", "keep-alive"].iter().any(|name| event_type.eq_ignore_ascii_case(name.as_bytes()))
}

/// A piece of the answer's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextDelta {
    /// The text. It may be empty. Concatenate all pieces without a separator.
    pub text: String,
    /// Why the answer ends here. Usually on the last piece of a complete answer.
    pub finish_reason: Option<FinishReason>,
    /// The session that the answer belongs to, if the server keeps sessions.
    pub session_id: Option<SessionId>,
}

impl TextDelta {
    /// Creates a piece of text with no other field set.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCallDelta {
    /// The position of the call in [`Answer::tool_calls`](crate::Answer::tool_calls).
    pub index: usize,
    /// The id of the call, on its first piece if the server gives one.
    pub id: Option<String>,
    /// The name of the tool, on the first piece of the call.
    pub name: Option<String>,
    /// A piece of the arguments. Concatenate all pieces of a call without a separator.
    pub arguments: String,
}

impl ToolCallDelta {
    /// Creates a piece of the call at `index` with no other field set.
    pub fn new(index: usize, arguments: impl Into<String>) -> Self {
        Self { index, arguments: arguments.into(), ..Self::default() }
    }

    fn added(&self) -> usize {
        let strings = [&self.id, &self.name].into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<ToolCall>() + strings + self.arguments.len()
    }
}

/// A tool call of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The id of the call, if the server gave one.
    pub id: Option<String>,
    /// The name of the tool.
    pub name: String,
    /// The arguments, usually JSON. Incomplete while the call is streamed.
    pub arguments: String,
}

/// Token usage of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// Tokens of both.
    pub total_tokens: Option<u64>,
    json: Box<str>,
}

impl Usage {
    /// Reads a usage object. Returns `None` if `json` is not a JSON object. Counts that are missing or not whole numbers are
    /// `None`.
    ///
    /// ```
    /// use chat_proto::Usage;
    ///
    /// let usage = Usage::from_json(r#"{"prompt_tokens": 12, "cost": 0.5}"#).expect("an object");
    /// assert_eq!(usage.prompt_tokens, Some(12));
    /// assert_eq!(usage.json(), r#"{"prompt_tokens": 12, "cost": 0.5}"#);
    /// ```
    pub fn from_json(json: &str) -> Option<Self> {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
        let count = |name: &str| members.get(name).and_then(serde_json::Value::as_u64);
        Some(Self {
            prompt_tokens: count("prompt_tokens"),
            completion_tokens: count("completion_tokens"),
            total_tokens: count("total_tokens"),
            json: json.trim().into(),
        })
    }

    /// The JSON object as received.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The JSON object as received, for serde.
    pub(crate) fn raw(&self) -> &RawValue {
        serde_json::from_str(&self.json).expect("it was read as JSON")
    }
}

/// An event of an unknown type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// The event's type.
    pub event_type: String,
    /// The event's data.
    pub data: String,
    /// The last event ID string at that point of the stream.
    pub id: String,
}

impl OtherEvent {
    /// Creates an event of some type.
    pub fn new(event_type: impl Into<String>, data: impl Into<String>, id: impl Into<String>) -> Self {
        Self { event_type: event_type.into(), data: data.into(), id: id.into() }
    }
}
