//! The types of the v0 contract, for serde.
//!
//! Input: unknown fields are ignored, unknown strings of an enumeration are kept, and null is the same as absent. An integer
//! may be written as `1.0` and is never rounded. A struct is a JSON object, never an array. Output: unset fields are
//! omitted. The structs are `#[non_exhaustive]`, so use their constructors.

use serde::{Deserialize, Serialize};

use crate::serde_ext::{self, object, object_traits, open_enum};
use crate::setters::setters;
use crate::{Citation, FinishReason, SessionId, ValidationError};

open_enum! {
    /// The effort that the service puts into an answer.
    ChatMode {
        /// Quick answers.
        Turbo = "turbo",
        /// The service decides.
        Auto = "auto",
    }
}

object! {
    /// The body of `create`: a new session with its first message.
    ///
    /// ```
    /// use chat_proto::sessions::CreateInput;
    ///
    /// let input = CreateInput::new("int-1", "How do I start?");
    /// assert_eq!(
    ///     serde_json::to_string(&input)?,
    ///     r#"{"integration_id":"int-1","chat_session":{"messages":[{"role":"user","content":"How do I start?"}]},"stream":false}"#,
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// Setters change the other fields:
    ///
    /// ```
    /// use chat_proto::sessions::CreateInput;
    ///
    /// let mut input = CreateInput::new("int-1", "How do I start?").with_chat_mode("turbo").with_stream(true);
    /// input.chat_session = input.chat_session.with_guidance("Be brief.").with_tags(["docs"]);
    /// assert!(input.stream);
    /// ```
    #[serde(expecting = "a CreateInput")]
    pub struct CreateInput {
        /// The id of the integration that answers.
        pub integration_id: String,
        /// The session to create.
        pub chat_session: ChatSessionInput,
        /// The effort for the answer. If unset, the service decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub chat_mode: Option<ChatMode>,
        /// Whether to stream the answer. Sent even if `false`.
        #[serde(default, deserialize_with = "serde_ext::optional_flag")]
        pub stream: bool,
    }
}

impl CreateInput {
    /// Creates the input for a session with one message, without streaming. A string becomes a user's message.
    pub fn new(integration_id: impl Into<String>, message: impl Into<Message>) -> Self {
        Self {
            integration_id: integration_id.into(),
            chat_session: ChatSessionInput::new(message),
            chat_mode: None,
            stream: false,
        }
    }

    setters! {
        /// Sets [`stream`](Self::stream).
        with_stream(stream: bool);
    }

    /// Sets [`chat_mode`](Self::chat_mode).
    #[must_use]
    pub fn with_chat_mode(mut self, chat_mode: impl Into<ChatMode>) -> Self {
        self.chat_mode = Some(chat_mode.into());
        self
    }
}

object! {
    /// The session that [`CreateInput`] creates.
    #[serde(expecting = "a ChatSessionInput")]
    pub struct ChatSessionInput {
        /// The first message. [`Request::create`](crate::Request::create) rejects any other number of messages than one.
        pub messages: Vec<Message>,
        /// Instructions for the answer, in addition to the question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub guidance: Option<String>,
        /// Context of the question, e.g. the page that the user is looking at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub context: Option<String>,
        /// Labels for the session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tags: Option<Vec<String>>,
    }
}

impl ChatSessionInput {
    /// Creates a session with its first message and no other field set. A string becomes a user's message.
    pub fn new(message: impl Into<Message>) -> Self {
        Self { messages: vec![message.into()], guidance: None, context: None, tags: None }
    }

    /// Sets [`guidance`](Self::guidance).
    #[must_use]
    pub fn with_guidance(mut self, guidance: impl Into<String>) -> Self {
        self.guidance = Some(guidance.into());
        self
    }

    /// Sets [`context`](Self::context).
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// Sets [`tags`](Self::tags).
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }
}

object! {
    /// The body of `continue`: one more message of an existing session.
    #[serde(expecting = "a ContinueInput")]
    pub struct ContinueInput {
        /// The id of the integration that answers.
        pub integration_id: String,
        /// The next message.
        pub message: Message,
        /// Whether to stream the answer. Sent even if `false`.
        #[serde(default, deserialize_with = "serde_ext::optional_flag")]
        pub stream: bool,
    }
}

impl ContinueInput {
    /// Creates the input for one more message, without streaming. A string becomes a user's message.
    pub fn new(integration_id: impl Into<String>, message: impl Into<Message>) -> Self {
        Self { integration_id: integration_id.into(), message: message.into(), stream: false }
    }

    setters! {
        /// Sets [`stream`](Self::stream).
        with_stream(stream: bool);
    }
}

/// A message. Its `role` on the wire decides the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A message of the user.
    User {
        /// The text.
        content: String,
    },
    /// A message of the assistant.
    Assistant {
        /// The text.
        content: String,
        /// The citations of the text.
        records_cited: Option<RecordsCited>,
    },
}

object_traits! {
    #[serde(remote = "Remote", expecting = "a Message", tag = "role", rename_all = "lowercase")]
    enum Message {
        User {
            content: String,
        },
        Assistant {
            content: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            records_cited: Option<RecordsCited>,
        },
    }
}

impl Message {
    /// Creates a user's message.
    pub fn user(content: impl Into<String>) -> Self {
        Self::User { content: content.into() }
    }

    /// The text.
    pub fn content(&self) -> &str {
        match self {
            Self::User { content } | Self::Assistant { content, .. } => content,
        }
    }
}

/// Creates a user's message.
impl From<String> for Message {
    fn from(content: String) -> Self {
        Self::user(content)
    }
}

/// Creates a user's message.
impl From<&str> for Message {
    fn from(content: &str) -> Self {
        Self::user(content)
    }
}

object! {
    /// A complete answer in one JSON object.
    #[serde(expecting = "a ChatResult")]
    pub struct ChatResult {
        /// The session that the answer belongs to.
        pub chat_session_id: SessionId,
        /// The answer.
        pub message: AssistantMessage,
    }
}

impl ChatResult {
    /// Creates an answer of a session.
    pub fn new(chat_session_id: impl Into<SessionId>, message: AssistantMessage) -> Self {
        Self { chat_session_id: chat_session_id.into(), message }
    }
}

object! {
    /// The assistant's message in a [`ChatResult`]. Its role is always `assistant`.
    #[serde(expecting = "an AssistantMessage")]
    pub struct AssistantMessage {
        role: AssistantRole,
        /// The text.
        pub content: String,
        /// The citations of the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub records_cited: Option<RecordsCited>,
    }
}

impl AssistantMessage {
    /// Creates an assistant's message.
    pub fn new(content: impl Into<String>, records_cited: Option<RecordsCited>) -> Self {
        Self { role: AssistantRole::Assistant, content: content.into(), records_cited }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum AssistantRole {
    #[serde(rename = "assistant")]
    Assistant,
}

/// Not derived, because the derive also accepts `{"assistant":null}`.
impl<'de> Deserialize<'de> for AssistantRole {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let role = serde_ext::Text::deserialize(deserializer)?;
        let expected = "the role `assistant`";
        let wrong = || serde::de::Error::invalid_value(serde::de::Unexpected::Str(&role.0), &expected);
        if role.0 == "assistant" { Ok(Self::Assistant) } else { Err(wrong()) }
    }
}

object! {
    /// The citations of an answer. The data of a `records_cited` event.
    #[derive(Default)]
    #[serde(expecting = "RecordsCited")]
    pub struct RecordsCited {
        /// The citations, in the server's order.
        pub citations: Vec<Citation>,
    }
}

impl RecordsCited {
    /// Creates a list of citations.
    pub fn new(citations: Vec<Citation>) -> Self {
        Self { citations }
    }
}

object! {
    /// A piece of the answer. The data of a `message_chunk` event.
    #[derive(Default)]
    #[serde(expecting = "a MessageChunk")]
    pub struct MessageChunk {
        /// The text. Concatenate all pieces without a separator.
        pub content_chunk: String,
        /// The session that the answer belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub chat_session_id: Option<SessionId>,
        /// Why the answer ends here. On the last chunk of a complete answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub finish_reason: Option<FinishReason>,
    }
}

impl MessageChunk {
    /// Creates a piece of text with no other field set.
    pub fn new(content_chunk: impl Into<String>) -> Self {
        Self { content_chunk: content_chunk.into(), ..Self::default() }
    }
}

object! {
    /// The body of a 422.
    #[derive(Default)]
    #[serde(expecting = "an HTTPValidationError")]
    pub struct HttpValidationError {
        /// One entry per error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub detail: Option<Vec<ValidationError>>,
    }
}

impl HttpValidationError {
    /// Creates a list of errors.
    pub fn new(detail: Vec<ValidationError>) -> Self {
        Self { detail: Some(detail) }
    }
}
