//! The documents that the model `inkeep-rag` returns. (contract-v1.md, section 3)

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Answer, Error};

/// A document that the service found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Document {
    /// The kind of source. Its case differs between answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// The URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the content stands in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The content.
    pub source: DocumentSource,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The content of a [`Document`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DocumentSource {
    /// The kind of content, usually `content` or `text`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// The parts of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// The content itself, if it has no parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The media type of `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Document {
    /// The text of the content: all text parts joined, or else `data`.
    pub fn text(&self) -> String {
        let parts = match &self.source.content {
            Some(Value::Array(parts)) => &parts[..],
            Some(Value::String(text)) => return text.clone(),
            _ => return self.source.data.clone().unwrap_or_default(),
        };
        parts.iter().filter_map(|part| part["text"].as_str()).collect()
    }
}

impl Answer {
    /// The documents of an answer of the model `inkeep-rag`.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the text is not a list of documents.
    pub fn documents(&self) -> Result<Vec<Document>, Error> {
        #[derive(Deserialize)]
        struct Documents {
            content: Vec<Document>,
        }
        Ok(self.parse::<Documents>()?.content)
    }
}
