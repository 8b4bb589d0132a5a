//! Turns as they are stored.

use std::fmt;
use std::sync::Arc;

use chat_client::completions::Message;
use chat_client::{ChatTurn, Citation, Error, Turn};
use serde::{Deserialize, Serialize};

use crate::{StoreError, TurnId};

/// A turn as it is stored. It is cheap to clone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredTurn {
    /// The id, which the client makes.
    pub id: TurnId,
    /// What was asked and answered.
    pub content: Content,
}

/// What was asked and answered in a turn, in one of the two dialects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// A turn of a session (v0).
    Session(Arc<SessionTurn>),
    /// A turn of a chat (v1): messages, tool calls and results.
    Chat(Arc<ChatTurn>),
}

/// What was said in a turn of a session.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionTurn {
    /// Text of the question.
    pub question: String,
    /// Text of the answer.
    pub answer: String,
    /// The sources of the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
    /// Whether the answer is incomplete, because the call was cancelled or failed.
    #[serde(default)]
    pub is_partial: bool,
}

impl StoredTurn {
    /// Creates a turn with a new id.
    pub fn new(content: Content) -> Self {
        Self { id: TurnId::new(), content }
    }

    /// Writes the content as JSON, for a store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.content).expect("messages can always be written as JSON")
    }

    /// Reads a turn that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] if it is not such JSON.
    pub fn from_json(id: TurnId, json: &str) -> Result<Self, StoreError> {
        let content = serde_json::from_str(json).map_err(|error| StoreError::unreadable("a turn", error))?;
        Ok(Self { id, content })
    }

    /// Returns the text of the question. The results of tools have none.
    pub fn question(&self) -> String {
        match &self.content {
            Content::Session(turn) => turn.question.clone(),
            Content::Chat(turn) if turn.is_continuation() => String::new(),
            Content::Chat(turn) => turn.messages.iter().map(Message::text).collect(),
        }
    }

    /// Returns the text of the answer.
    pub fn answer(&self) -> String {
        match &self.content {
            Content::Session(turn) => turn.answer.clone(),
            Content::Chat(turn) => turn.answer.text(),
        }
    }

    /// Returns the sources of the answer.
    pub fn citations(&self) -> &[Citation] {
        match &self.content {
            Content::Session(turn) => &turn.citations,
            Content::Chat(turn) => &turn.citations,
        }
    }

    /// Whether the answer is incomplete, because the call was cancelled or failed.
    pub fn is_partial(&self) -> bool {
        match &self.content {
            Content::Session(turn) => turn.is_partial,
            Content::Chat(turn) => turn.is_partial,
        }
    }

    /// Whether the turn is the results of tools, which belong to the turn before.
    pub fn is_continuation(&self) -> bool {
        matches!(&self.content, Content::Chat(turn) if turn.is_continuation())
    }
}

impl SessionTurn {
    /// Makes the turn of a finished call. `None` if the server has not accepted the question.
    pub(crate) fn new(turn: &Turn) -> Option<Self> {
        let answer = turn.outcome.as_ref().map_or_else(Error::partial, Some)?;
        Some(Self {
            question: turn.question.clone(),
            answer: answer.text.clone(),
            citations: answer.citations().to_vec(),
            is_partial: turn.outcome.is_err(),
        })
    }
}

/// `Debug` output contains no text of the conversation, only its length.
impl fmt::Debug for SessionTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTurn")
            .field("question_bytes", &self.question.len())
            .field("answer_bytes", &self.answer.len())
            .field("citations", &self.citations.len())
            .field("is_partial", &self.is_partial)
            .finish()
    }
}
