//! Events of an answer. They are the same for every dialect and for both forms of an answer.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::progress::EventClass;
use crate::serde_ext::open_enum;
use crate::{Citations, Error, ErrorKind, SessionId};

open_enum! {
    /// Why the server ended its answer.
    FinishReason {
        /// The answer is complete.
        Stop = "stop",
        /// The answer reached the model's maximum length.
        Length = "length",
        /// A content filter stopped the answer.
        ContentFilter = "content_filter",
        /// The model calls tools.
        ToolCalls = "tool_calls",
    }
}

/// An event of an answer. An answer in one JSON object gives the same events as a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The id and the model of the answer, if the server names them. It comes again if one of them comes later.
    Started(Box<Started>),
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
    /// The JSON of a chunk, before its events, with all fields that have no event. Only if
    /// [`Config::raw_chunks`](crate::Config::raw_chunks) is set.
    Chunk(Box<str>),
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
            Self::Started(_) | Self::Usage(_) | Self::Chunk(_) => true,
            Self::Other(other) if is_keep_alive(other.event_type.as_bytes()) => return EventClass::KeepAlive,
            Self::Other(other) => matches!(other.data.trim(), "" | "{}" | "[]" | "null"),
        };
        if is_empty { EventClass::Empty } else { EventClass::Content }
    }

    /// Bytes that the event adds to an answer with this number of tool calls. Citations replace earlier ones, so they are
    /// counted separately.
    #[inline]
    pub(crate) fn added(&self, tool_calls: usize) -> usize {
        match self {
            Self::Text(delta) => delta.text.len(),
            Self::Reasoning(text) | Self::Refusal(text) => text.len(),
            Self::ToolCall(delta) => delta.added(tool_calls),
            Self::Started(started) => [&started.id, &started.model].into_iter().flatten().map(String::len).sum(),
            Self::Citations(_) | Self::Usage(_) | Self::Chunk(_) | Self::Other(_) => 0,
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

/// The id and the model of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// The id of the answer.
    pub id: Option<String>,
    /// The model that answers. It may differ from the one that was asked for.
    pub model: Option<String>,
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCallDelta {
    /// The number of the call, in the order of their first pieces. It identifies the call while the answer is streamed.
    pub index: usize,
    /// The index that the server gives the call, if it does. [`Answer::tool_calls`](crate::Answer::tool_calls) is sorted by it
    /// at the end.
    pub server_index: Option<i64>,
    /// Whether it is a custom tool, whose arguments are plain text.
    pub is_custom: bool,
    /// The id of the call, usually on its first piece. Never changes once it is set.
    pub id: Option<String>,
    /// The name of the tool, usually on the first piece of the call. Never changes once it is set.
    pub name: Option<String>,
    /// A piece of the arguments. Concatenate all pieces of a call without a separator.
    pub arguments: String,
}

impl ToolCallDelta {
    /// Creates a piece of the call at `index` with no other field set.
    pub fn new(index: usize, arguments: impl Into<String>) -> Self {
        Self { index, arguments: arguments.into(), ..Self::default() }
    }

    /// The sort key of a call with this index. Calls without one follow in the order of their first pieces.
    pub(crate) fn order(server_index: Option<i64>) -> i64 {
        server_index.unwrap_or(i64::MAX)
    }

    fn added(&self, tool_calls: usize) -> usize {
        let strings = [&self.id, &self.name].into_iter().flatten().map(String::len).sum::<usize>();
        let call = if self.index >= tool_calls { size_of::<ToolCall>() } else { 0 };
        call + strings + self.arguments.len()
    }
}

/// A tool call of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The index that the server gave the call, if it did.
    pub server_index: Option<i64>,
    /// Whether it is a custom tool, whose arguments are plain text.
    pub is_custom: bool,
    /// The id of the call, if the server gave one.
    pub id: Option<String>,
    /// The name of the tool.
    pub name: String,
    /// The arguments, usually JSON. Incomplete while the call is streamed.
    pub arguments: String,
}

impl ToolCall {
    /// Reads the arguments as JSON. Empty arguments count as `{}`.
    ///
    /// ```
    /// use chat_proto::ToolCall;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct City {
    ///     name: String,
    /// }
    ///
    /// let mut call = ToolCall::default();
    /// call.arguments = r#"{"name":"Basel"}"#.to_owned();
    /// assert_eq!(call.parse::<City>()?.name, "Basel");
    /// # Ok::<(), chat_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if they are not JSON or do not match `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let json = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
        serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorKind::undecodable("the arguments of the tool", &self.arguments, &error)))
    }
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
