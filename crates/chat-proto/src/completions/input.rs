//! The body of a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Message, Tool, ToolChoice};
use crate::serde_ext::open_enum;
use crate::setters::setters;

open_enum! {
    /// How much a model reasons before it answers.
    ReasoningEffort {
        /// Not at all.
        None = "none",
        /// As little as possible.
        Minimal = "minimal",
        /// Little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Much.
        High = "high",
    }
}

/// The body of a chat completion request. (contract-v1.md, section 2)
///
/// Unset fields are omitted. Fields that have no type here go into [`extra`](Self::extra).
///
/// ```
/// use chat_proto::completions::{CompletionInput, Message};
///
/// let input = CompletionInput::new("inkeep-qa-expert", [Message::system("Be brief."), "How do I start?".into()])
///     .with_temperature(0.2)
///     .with_extra("top_k", 40);
/// assert_eq!(input.messages.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompletionInput {
    /// The model.
    pub model: String,
    /// The conversation so far, and the question.
    pub messages: Vec<Message>,
    /// Whether to stream the answer. Default: `true`.
    #[serde(skip_serializing_if = "is_false")]
    pub stream: bool,
    /// Options of a stream. Some older servers reject it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// The tools that the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Which tools the model calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may call several tools at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The format of the answer's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// The sampling temperature, usually 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The probability mass of the tokens to sample from, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The penalty for tokens by their frequency, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// The penalty for tokens that have occurred, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// The maximum number of tokens of the answer, reasoning included. The newer name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    /// The maximum number of tokens of the answer. Older servers know only this name, and some models reject it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Texts that end the answer, usually at most four.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The seed of the sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// The number of choices. Only 1 is accepted, because only the first choice is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Whether to return the probabilities of tokens. They are in the raw chunks:
    /// [`Config::raw_chunks`](crate::Config::raw_chunks).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// The number of most likely tokens to return at each position, 0 to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// The bias of tokens by their id, -100 to 100.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub logit_bias: BTreeMap<String, f64>,
    /// How much the model reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The id of the end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Labels of the request, usually at most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Further fields of the body. A field with the name of a field above replaces it.
    #[serde(skip)]
    pub extra: Map<String, Value>,
    /// Attributes that the service's retrieval is limited to, sent as the header `inkeep-filters`. (contract-v1.md, section 1)
    #[serde(skip)]
    pub filters: Map<String, Value>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl CompletionInput {
    /// Creates a request for a streamed answer.
    pub fn new(model: impl Into<String>, messages: impl IntoIterator<Item = impl Into<Message>>) -> Self {
        Self {
            model: model.into(),
            messages: messages.into_iter().map(Into::into).collect(),
            stream: true,
            stream_options: None,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            response_format: None,
            temperature: None,
            top_p: None,
            frequency_penalty: None,
            presence_penalty: None,
            max_completion_tokens: None,
            max_tokens: None,
            stop: Vec::new(),
            seed: None,
            n: None,
            logprobs: None,
            top_logprobs: None,
            logit_bias: BTreeMap::new(),
            reasoning_effort: None,
            user: None,
            metadata: BTreeMap::new(),
            extra: Map::new(),
            filters: Map::new(),
        }
    }

    setters! {
        /// Sets whether to stream the answer.
        with_stream(stream: bool);
        /// Sets the tools that the model may call.
        with_tools(tools: impl Into<Vec<Tool>>);
        /// Sets which tools the model calls.
        with_tool_choice(tool_choice: impl Into<Option<ToolChoice>>);
        /// Sets whether the model may call several tools at once.
        with_parallel_tool_calls(parallel_tool_calls: impl Into<Option<bool>>);
        /// Sets the format of the answer's text.
        with_response_format(response_format: impl Into<Option<ResponseFormat>>);
        /// Sets the sampling temperature.
        with_temperature(temperature: impl Into<Option<f64>>);
        /// Sets the probability mass of the tokens to sample from.
        with_top_p(top_p: impl Into<Option<f64>>);
        /// Sets the penalty for tokens by their frequency.
        with_frequency_penalty(frequency_penalty: impl Into<Option<f64>>);
        /// Sets the penalty for tokens that have occurred.
        with_presence_penalty(presence_penalty: impl Into<Option<f64>>);
        /// Sets the seed of the sampling.
        with_seed(seed: impl Into<Option<i64>>);
        /// Sets the texts that end the answer.
        with_stop(stop: impl Into<Vec<String>>);
        /// Sets the maximum number of tokens, under its older name.
        with_max_tokens(max_tokens: impl Into<Option<u64>>);
        /// Sets the maximum number of tokens, reasoning included.
        with_max_completion_tokens(max_completion_tokens: impl Into<Option<u64>>);
        /// Sets the id of the end user.
        with_user(user: impl Into<Option<String>>);
        /// Sets the labels of the request.
        with_metadata(metadata: impl Into<BTreeMap<String, String>>);
        /// Sets how much the model reasons.
        with_reasoning_effort(reasoning_effort: impl Into<Option<ReasoningEffort>>);
        /// Sets the attributes that the service's retrieval is limited to.
        with_filters(filters: impl Into<Map<String, Value>>);
    }

    /// Asks for token usage in a stream. An answer in one JSON object always has it, if the server counts tokens.
    #[must_use]
    pub fn with_stream_usage(mut self) -> Self {
        self.stream_options.get_or_insert_default().include_usage = Some(true);
        self
    }

    /// Adds a field to the body. It replaces a field of the same name.
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }
}

/// Options of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Whether the last chunk has the token usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_usage: Option<bool>,
    /// Whether chunks are padded, so that their size tells less about their text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_obfuscation: Option<bool>,
}

/// The format of an answer's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Plain text.
    Text {},
    /// A JSON object.
    JsonObject {},
    /// JSON that matches a schema.
    JsonSchema {
        /// The schema.
        json_schema: JsonSchema,
    },
    /// Any other format, with its `type`.
    #[serde(untagged)]
    Other(Value),
}

/// A named JSON schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonSchema {
    /// The name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What the JSON is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Whether the text always matches the schema, on servers that can guarantee it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

impl ResponseFormat {
    /// JSON that matches this schema.
    pub fn json_schema(name: impl Into<String>, schema: Value) -> Self {
        let json_schema = JsonSchema { name: name.into(), description: None, schema: Some(schema), strict: None };
        Self::JsonSchema { json_schema }
    }

    /// JSON that [`Answer::parse`](crate::Answer::parse) can read as a `T`. Needs the feature `schemars`.
    ///
    /// Strict servers want an object without other fields and without optional fields: use `#[serde(deny_unknown_fields)]`
    /// and [`with_strict`](Self::with_strict).
    #[cfg(feature = "schemars")]
    pub fn of<T: schemars::JsonSchema>() -> Self {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let name: String = T::schema_name().chars().map(|c| if is_allowed(c) { c } else { '_' }).take(64).collect();
        Self::json_schema(name, schema_of::<T>())
    }

    /// Sets [`strict`](JsonSchema::strict) of a schema. Other formats stay unchanged.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        if let Self::JsonSchema { json_schema } = &mut self {
            json_schema.strict = Some(strict);
        }
        self
    }
}

/// The JSON schema of a type.
#[cfg(feature = "schemars")]
pub(super) fn schema_of<T: schemars::JsonSchema>() -> Value {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}
