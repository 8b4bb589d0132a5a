//! The models of a server.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::content;
use crate::{ErrorKind, Event, TextDelta};

/// Answers questions in the maker's style, with sources. The service chooses the model.
pub const QA_EXPERT: &str = "inkeep-qa-expert";
/// Passes requests on to a model, with context added. The service chooses the model.
pub const CONTEXT_EXPERT: &str = "inkeep-context-expert";
/// The fast mode. The service chooses the model.
pub const BASE_EXPERT: &str = "inkeep-base-expert";
/// Returns the documents that were found, and no answer. See [`Answer::documents`](crate::Answer::documents).
pub const RAG: &str = "inkeep-rag";

/// A model of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Model {
    /// The name, for [`CompletionInput::model`](super::CompletionInput::model).
    pub id: String,
    /// Other fields, such as `owned_by`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Model {
    /// Reads the list of models from the text of the answer to [`Request::models`](crate::Request::models). Entries without
    /// an id are left out.
    pub fn list(text: &str) -> Vec<Self> {
        entries(text).into_iter().flatten().filter_map(|entry| serde_json::from_value(entry).ok()).collect()
    }
}

/// The entries of a list of models: `data`, or the whole body if it is an array.
fn entries(text: &str) -> Option<Vec<Value>> {
    match serde_json::from_str(text).ok()? {
        Value::Array(entries) => Some(entries),
        Value::Object(mut list) => match list.remove("data").or_else(|| list.remove("models"))? {
            Value::Array(entries) => Some(entries),
            _ => None,
        },
        _ => None,
    }
}

/// Reads the body of a list of models. It becomes the answer's text.
pub(crate) fn read_body(body: &[u8], out: &mut VecDeque<Event>) -> Result<(), ErrorKind> {
    let text = content::text(content::strip_bom(body));
    if entries(&text).is_none() {
        let message = "the list of models is not an array in `data`".to_owned();
        return Err(ErrorKind::Decode { what: "list", message, body: content::excerpt(body) });
    }
    out.push_back(Event::Text(TextDelta::new(text)));
    Ok(())
}
