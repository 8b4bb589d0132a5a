//! The messages of a conversation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ToolCall;
use crate::serde_ext::open_enum;

open_enum! {
    /// Who wrote a message.
    Role {
        /// Instructions.
        System = "system",
        /// Instructions, for models that have this role instead of `system`.
        Developer = "developer",
        /// The user.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// The result of a tool.
        Tool = "tool",
        /// The result of a function. Deprecated by the API in favour of `tool`.
        Function = "function",
    }
}

/// A message of a conversation. A string is the user's message.
///
/// ```
/// use chat_proto::completions::{ContentPart, Message};
///
/// let message = Message::user(vec![
///     ContentPart::text("What is this?"),
///     ContentPart::image("https://example.com/cat.png"),
/// ]);
/// assert_eq!(
///     serde_json::to_string(&message)?,
///     r#"{"role":"user","content":[{"type":"text","text":"What is this?"},"#.to_owned()
///         + r#"{"type":"image_url","image_url":{"url":"https://example.com/cat.png"}}]}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// The content. It may be missing in a message with tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The name of the author, to tell authors of the same role apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tool calls of the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<MessageToolCall>,
    /// The call that a `tool` message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The refusal of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Other fields, such as `reasoning_content`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Message {
    /// Creates a message.
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Self { content: Some(content.into()), ..Self::empty(role) }
    }

    /// Creates instructions.
    pub fn system(content: impl Into<Content>) -> Self {
        Self::new(Role::System, content)
    }

    /// Creates instructions, for models that have the role `developer` instead of `system`.
    pub fn developer(content: impl Into<Content>) -> Self {
        Self::new(Role::Developer, content)
    }

    /// Creates a message of the user.
    pub fn user(content: impl Into<Content>) -> Self {
        Self::new(Role::User, content)
    }

    /// Creates a message of the model.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// Creates a message of the model that calls tools, without content.
    pub fn tool_calls(calls: Vec<MessageToolCall>) -> Self {
        Self { tool_calls: calls, ..Self::empty(Role::Assistant) }
    }

    /// Creates the result of a tool call.
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::new(Role::Tool, content) }
    }

    fn empty(role: Role) -> Self {
        Self {
            role,
            content: None,
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            refusal: None,
            extra: Map::new(),
        }
    }

    /// Sets the name of the author.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The text of the content: the string, or all text parts joined.
    pub fn text(&self) -> String {
        self.content.as_ref().map(Content::text).unwrap_or_default()
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text.
    Text(String),
    /// Several parts.
    Parts(Vec<ContentPart>),
}

impl Content {
    /// The text, or all text parts joined.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    ContentPart::Text { text } => Some(&**text),
                    _ => None,
                })
                .collect(),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<ContentPart>> for Content {
    fn from(parts: Vec<ContentPart>) -> Self {
        Self::Parts(parts)
    }
}

/// A part of a message's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl,
    },
    /// Sound.
    InputAudio {
        /// The sound.
        input_audio: InputAudio,
    },
    /// A file.
    File {
        /// The file.
        file: File,
    },
    /// A refusal of the model.
    Refusal {
        /// The refusal.
        refusal: String,
    },
    /// Any other part, with its `type`.
    #[serde(untagged)]
    Other(Value),
}

impl ContentPart {
    /// Creates a part of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Creates an image from an `https` or `data` URL.
    pub fn image(url: impl Into<String>) -> Self {
        Self::ImageUrl { image_url: ImageUrl { url: url.into(), detail: None } }
    }

    /// Creates sound from its data in base64 and its format, such as `wav` or `mp3`.
    pub fn audio(data: impl Into<String>, format: impl Into<String>) -> Self {
        Self::InputAudio { input_audio: InputAudio { data: data.into(), format: format.into() } }
    }
}

/// An image of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUrl {
    /// An `https` or `data` URL.
    pub url: String,
    /// How closely the model looks at it: `auto`, `low` or `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The sound of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputAudio {
    /// The data in base64.
    pub data: String,
    /// The format, such as `wav` or `mp3`.
    pub format: String,
}

/// A file of a message: the id of an uploaded file, or a name with data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The id of a file that was uploaded before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
    /// The name of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The data in base64, as the server wants it, e.g. as a `data` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_data: Option<String>,
}

/// A tool call in a message of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageToolCall {
    /// A call of a function.
    Function {
        /// The id of the call. The result refers to it.
        id: String,
        /// The function and its arguments.
        function: FunctionCall,
    },
    /// A call of a custom tool.
    Custom {
        /// The id of the call. The result refers to it.
        id: String,
        /// The tool and its input.
        custom: CustomCall,
    },
    /// Any other call, with its `type`.
    #[serde(untagged)]
    Other(Value),
}

/// The function and the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The name of the function.
    pub name: String,
    /// The arguments, as JSON text.
    pub arguments: String,
}

/// The custom tool and the input of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomCall {
    /// The name of the tool.
    pub name: String,
    /// The input.
    pub input: String,
}

impl MessageToolCall {
    /// Creates the call of an answer, to send it back under this id. Empty arguments become `{}`.
    pub fn new(id: impl Into<String>, call: &ToolCall) -> Self {
        let (id, name) = (id.into(), call.name.clone());
        if call.is_custom {
            return Self::Custom { id, custom: CustomCall { name, input: call.arguments.clone() } };
        }
        let arguments = if call.arguments.trim().is_empty() { "{}".to_owned() } else { call.arguments.clone() };
        Self::Function { id, function: FunctionCall { name, arguments } }
    }

    /// The call as an answer has it, with this id.
    pub fn to_call(&self) -> ToolCall {
        let mut call = ToolCall { id: self.id().map(str::to_owned), ..ToolCall::default() };
        match self {
            Self::Function { function, .. } => {
                (call.name, call.arguments) = (function.name.clone(), function.arguments.clone());
            }
            Self::Custom { custom, .. } => {
                (call.name, call.arguments, call.is_custom) = (custom.name.clone(), custom.input.clone(), true);
            }
            Self::Other(_) => {}
        }
        call
    }

    /// The id of the call.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Function { id, .. } | Self::Custom { id, .. } => Some(id),
            Self::Other(call) => call["id"].as_str(),
        }
    }

    /// The name of the tool.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Function { function, .. } => Some(&function.name),
            Self::Custom { custom, .. } => Some(&custom.name),
            Self::Other(_) => None,
        }
    }
}
