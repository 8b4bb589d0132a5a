//! The tools that a model may call.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// A tool that the model may call.
///
/// ```
/// use chat_proto::completions::Tool;
///
/// let tool = Tool::function("weather", "The weather in a city", serde_json::json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}},
///     "required": ["city"],
/// }));
/// # let _ = tool;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tool {
    /// A function with a JSON schema for its arguments.
    Function {
        /// The function.
        function: FunctionTool,
    },
    /// A tool whose input is text.
    Custom {
        /// The tool.
        custom: CustomTool,
    },
    /// Any other tool, with its `type`.
    #[serde(untagged)]
    Other(Value),
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionTool {
    /// The name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the arguments always match the schema, on servers that can guarantee it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A tool whose input is text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomTool {
    /// The name.
    pub name: String,
    /// What it does and when to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The format of the input, as the server defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
}

impl Tool {
    /// The name of the tool that carries the sources of an answer.
    pub const PROVIDE_LINKS: &'static str = "provideLinks";
    /// The name of the tool that carries the records that the service considered.
    pub const PROVIDE_RECORDS_CONSIDERED: &'static str = "provideRecordsConsidered";
    /// The name of the tool that carries the service's own assessment of an answer.
    pub const PROVIDE_AI_ANNOTATIONS: &'static str = "provideAIAnnotations";

    /// Creates a function from its name, its description and the JSON schema of its arguments.
    pub fn function(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        let (name, description, parameters) = (name.into(), Some(description.into()), Some(parameters));
        Self::Function { function: FunctionTool { name, description, parameters, strict: None } }
    }

    /// Creates a function whose arguments are of the type `T`. Needs the feature `schemars`.
    #[cfg(feature = "schemars")]
    pub fn function_of<T: schemars::JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::function(name, description, super::input::schema_of::<T>())
    }

    /// Sets [`strict`](FunctionTool::strict) of a function. Other tools stay unchanged.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        if let Self::Function { function } = &mut self {
            function.strict = Some(strict);
        }
        self
    }

    /// The tool that makes the service send the sources of an answer. [`Answer::citations`](crate::Answer::citations) has
    /// them. (contract-v1.md, section 3)
    pub fn provide_links() -> Self {
        let text_or_null = json!({"type": ["string", "null"]});
        let link = json!({
            "type": "object",
            "required": ["url"],
            "additionalProperties": true,
            "properties": {
                "label": text_or_null,
                "url": {"type": "string"},
                "title": text_or_null,
                "description": text_or_null,
                "type": text_or_null,
                "breadcrumbs": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "string"}}]},
            },
        });
        let parameters = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "links": {"anyOf": [{"type": "null"}, {"type": "array", "items": link}]},
                "text": {"type": "string"},
            },
            "required": ["text"],
        });
        Self::function(Self::PROVIDE_LINKS, "Provides links", parameters)
    }

    /// The tool that makes the service send the records that it considered. See
    /// [`Answer::records_considered`](crate::Answer::records_considered). (contract-v1.md, section 3)
    pub fn provide_records_considered() -> Self {
        let parameters = json!({"type": "object"});
        Self::function(Self::PROVIDE_RECORDS_CONSIDERED, "Provides the records considered", parameters)
    }

    /// The tool that makes the service assess its answer. See
    /// [`Answer::ai_annotations`](crate::Answer::ai_annotations). (contract-v1.md, section 3)
    pub fn provide_ai_annotations() -> Self {
        let parameters = json!({
            "type": "object",
            "required": ["aiAnnotations"],
            "properties": {
                "aiAnnotations": {
                    "type": "object",
                    "required": ["answerConfidence"],
                    "additionalProperties": true,
                    "properties": {"answerConfidence": {"type": "string"}},
                },
            },
        });
        Self::function(Self::PROVIDE_AI_ANNOTATIONS, "Provides annotations", parameters)
    }

    /// Whether this is one of the service's own tools. Their calls carry data and need no results.
    pub fn is_provided(name: &str) -> bool {
        [Self::PROVIDE_LINKS, Self::PROVIDE_RECORDS_CONSIDERED, Self::PROVIDE_AI_ANNOTATIONS].contains(&name)
    }
}

/// Which tools the model calls.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// None.
    None,
    /// The model decides.
    Auto,
    /// At least one.
    Required,
    /// This function.
    Function(String),
    /// This custom tool.
    Custom(String),
    /// Some of the tools.
    Allowed(AllowedTools),
    /// Any other choice, as JSON.
    Other(Value),
}

/// Some of a request's tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AllowedTools {
    /// `auto` or `required`.
    pub mode: String,
    /// The tools, each with its `type` and `name` as the server wants them.
    pub tools: Vec<Value>,
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => "none".serialize(serializer),
            Self::Auto => "auto".serialize(serializer),
            Self::Required => "required".serialize(serializer),
            Self::Function(name) => json!({"type": "function", "function": {"name": name}}).serialize(serializer),
            Self::Custom(name) => json!({"type": "custom", "custom": {"name": name}}).serialize(serializer),
            Self::Allowed(allowed) => json!({"type": "allowed_tools", "allowed_tools": allowed}).serialize(serializer),
            Self::Other(choice) => choice.serialize(serializer),
        }
    }
}
