//! What a store knows about a conversation besides its turns.

use std::time::{Duration, SystemTime};

use chat_client::SessionId;
use chat_client::completions::Message;
use serde::{Deserialize, Serialize};

use crate::{ConversationId, StoreError, StoredTurn};

/// A conversation without its turns. Each append stores it again, in place of the one before.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Head {
    /// The id, which the client makes.
    pub id: ConversationId,
    /// What it takes to continue the conversation.
    pub about: About,
}

/// What it takes to list and to continue a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct About {
    /// The start of the first question.
    pub title: String,
    /// The dialect, with what its requests need.
    pub dialect: Dialect,
}

/// The dialect of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// A session (v0). The server keeps its history.
    Session {
        /// The integration.
        integration_id: String,
        /// The id of the session on the server. The session can't continue if no request can contain it: an empty id, `.` or
        /// `..`.
        session_id: Option<SessionId>,
    },
    /// A chat (v1).
    Chat {
        /// The model.
        model: String,
        /// The instructions.
        system: Vec<Message>,
    },
}

/// A conversation with its last turns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// What it takes to continue the conversation.
    pub about: About,
    /// The number of turns in the store.
    pub len: u64,
    /// The last turns, oldest first.
    pub turns: Vec<StoredTurn>,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// The id.
    pub id: ConversationId,
    /// What the conversation is about.
    pub about: About,
    /// The number of turns.
    pub len: u64,
    /// When the last turn was appended, in milliseconds, by the clock of the machine or server that did it.
    pub updated: SystemTime,
}

/// A place in the list of conversations: a page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// When the conversation before was updated.
    pub updated: SystemTime,
    /// The id of the conversation before.
    pub id: ConversationId,
}

impl Head {
    /// Creates the head of a conversation.
    pub fn new(id: ConversationId, about: About) -> Self {
        Self { id, about }
    }
}

impl About {
    /// Creates what a conversation is about.
    pub fn new(title: impl Into<String>, dialect: Dialect) -> Self {
        Self { title: title.into(), dialect }
    }

    /// Writes it as JSON, for a store.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("messages can always be written as JSON")
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] if it is not such JSON.
    pub fn from_json(json: &str) -> Result<Self, StoreError> {
        serde_json::from_str(json).map_err(|error| StoreError::unreadable("a conversation", error))
    }
}

impl Loaded {
    /// Creates a conversation with its last turns, oldest first.
    pub fn new(about: About, len: u64, turns: Vec<StoredTurn>) -> Self {
        Self { about, len, turns }
    }
}

impl Summary {
    /// Creates an entry of a list. The time is rounded down to milliseconds.
    pub fn new(id: ConversationId, about: About, len: u64, updated: SystemTime) -> Self {
        Self { id, about, len, updated: from_millis(to_millis(updated)) }
    }

    /// Returns where the next page begins if this is the last entry of a page.
    pub fn position(&self) -> Position {
        Position { updated: self.updated, id: self.id }
    }
}

/// Converts a time to milliseconds since 1970. Times before are 0.
pub(crate) fn to_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Converts milliseconds since 1970 to a time. Times before are 1970.
pub(crate) fn from_millis(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// Converts a length of a database, which is never negative.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn to_u64(len: i64) -> u64 {
    u64::try_from(len).unwrap_or_default()
}
