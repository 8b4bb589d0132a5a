//! Errors of stores and of stored conversations.

use std::error::Error as StdError;
use std::fmt;

use chat_client::{Answer, Error};

use crate::{ConversationId, StoredTurn};

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a store did not do an operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The store has no such conversation.
    NotFound(ConversationId),
    /// A newer version of this library wrote the store. It is not changed.
    NewerVersion {
        /// The version of the store.
        found: i64,
        /// The newest version that this library reads.
        supported: i64,
    },
    /// The content of the store is not what this library writes.
    Unreadable {
        /// What could not be read.
        what: &'static str,
        /// What is wrong with it.
        source: BoxError,
    },
    /// The address names no store. The text says why, and what to write.
    InvalidAddress(String),
    /// The store of this address needs a feature of this crate that is off.
    NotBuilt {
        /// The feature.
        feature: &'static str,
    },
    /// The file or the server failed. The operation may have been done or not. All operations can be repeated.
    Unavailable(BoxError),
}

impl StoreError {
    /// An error of content that is not what this library writes.
    pub fn unreadable(what: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Unreadable { what, source: source.into() }
    }

    /// An error of a file or a server.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(id) => write!(f, "there is no conversation {id} in the store"),
            Self::NewerVersion { found, supported } => write!(
                f,
                "a newer version of this program wrote the store: the store has version {found}, and this program reads \
                 up to {supported}; update the program, or use another store"
            ),
            Self::Unreadable { what, source } => write!(f, "could not read {what}: {source}"),
            Self::InvalidAddress(reason) => f.write_str(reason),
            Self::NotBuilt { feature } => write!(
                f,
                "this program was built without the feature `{feature}` of chat-store; build it with this feature, or use \
                 another store"
            ),
            Self::Unavailable(source) => write!(f, "the store is not available: {source}"),
        }
    }
}

/// The message contains that of the cause, so the source is the cause of the cause.
impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unreadable { source, .. } | Self::Unavailable(source) => source.source(),
            Self::NotFound(_) | Self::NewerVersion { .. } | Self::InvalidAddress(_) | Self::NotBuilt { .. } => None,
        }
    }
}

/// Why a turn was not appended.
#[derive(Debug)]
#[non_exhaustive]
pub enum AppendError {
    /// Another turn is at this place: this one. Another process has continued the conversation.
    Conflict(StoredTurn),
    /// The conversation is shorter than expected, because it was deleted. It has this number of turns now.
    Shorter(u64),
    /// The store failed. The turn may have been appended or not. Append it again.
    Store(StoreError),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(other) => {
                write!(f, "another process has continued the conversation with turn {}; load it again", other.id)
            }
            Self::Shorter(len) => {
                write!(f, "the conversation was deleted or shortened: it has {len} turns now; start a new one")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl StdError for AppendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Conflict(_) | Self::Shorter(_) => None,
        }
    }
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a question has no answer in the store.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskError {
    /// The call failed. What is to be kept of the turn was appended.
    Call(Error),
    /// The call has ended, and its turn was not appended.
    NotSaved(Box<NotSaved>),
}

/// A call whose turn was not appended. Nothing is lost: the conversation still has the turn.
#[derive(Debug)]
#[non_exhaustive]
pub struct NotSaved {
    /// How the call ended.
    pub outcome: Result<Answer, Error>,
    /// Why the turn was not appended.
    pub error: AppendError,
}

impl AskError {
    /// Returns the answer, complete or partial.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Call(error) => error.partial(),
            Self::NotSaved(not_saved) => not_saved.outcome.as_ref().map_or_else(Error::partial, Some),
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::NotSaved(not_saved) => {
                write!(f, "could not save the turn: {}", not_saved.error)?;
                match &not_saved.outcome {
                    Ok(_) => Ok(()),
                    Err(error) => write!(f, "; the call failed too: {error}"),
                }
            }
        }
    }
}

impl StdError for AskError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::NotSaved(not_saved) => not_saved.error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_built_names_its_feature() {
        let error = StoreError::NotBuilt { feature: "postgres" }.to_string();
        assert!(
            error.starts_with("this program was built without the feature `postgres` of chat-store; build "),
            "{error}"
        );
    }
}
