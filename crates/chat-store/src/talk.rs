//! The conversation that is stored, in one of the two dialects.

use std::fmt;
use std::sync::Arc;

use chat_client::{Chat, ChatTurn, Client, Session, Transport};

use crate::{About, Content, Dialect, SessionTurn, StoreError, StoredTurn};

/// Number of characters of a title.
const TITLE_CHARS: usize = 80;

/// A chat or a session.
#[allow(clippy::large_enum_variant, reason = "there is one per conversation, and it is rarely moved")]
#[non_exhaustive]
pub enum Talk<T> {
    /// A chat (v1). The client keeps the history.
    Chat(Chat<T>),
    /// A session (v0). The server keeps the history. That of the session itself is empty, because its turns move to
    /// [`StoredConversation::turns`](crate::StoredConversation::turns).
    Session(Session<T>),
}

impl<T> From<Chat<T>> for Talk<T> {
    fn from(chat: Chat<T>) -> Self {
        Self::Chat(chat)
    }
}

impl<T> From<Session<T>> for Talk<T> {
    fn from(session: Session<T>) -> Self {
        Self::Session(session)
    }
}

impl<T: Transport> Talk<T> {
    /// Continues a talk with these turns.
    pub(crate) fn resume(client: &Client<T>, about: &About, turns: &[StoredTurn]) -> Result<Self, StoreError> {
        let mut talk = match &about.dialect {
            Dialect::Chat { model, system } => {
                let system = system.clone();
                Self::Chat(client.chat(model).with_settings(|mut input| {
                    input.messages = system;
                    input
                }))
            }
            Dialect::Session { integration_id, .. } => Self::Session(client.session(integration_id)),
        };
        talk.reset(about, turns)?;
        Ok(talk)
    }

    /// Sets the turns and the session id to those of the store. The other settings do not change.
    pub(crate) fn reset(&mut self, about: &About, turns: &[StoredTurn]) -> Result<(), StoreError> {
        match (self, &about.dialect) {
            (Self::Chat(chat), Dialect::Chat { .. }) => chat
                .set_turns(turns.iter().filter_map(chat_turn))
                .map_err(|error| StoreError::unreadable("a turn", error)),
            (Self::Session(session), Dialect::Session { session_id, .. }) => {
                if let Some(id) = session_id {
                    session.set_id(id.clone());
                }
                Ok(())
            }
            _ => Err(StoreError::unreadable("a conversation", "it is in the other dialect")),
        }
    }

    /// What the store needs to continue the talk.
    pub(crate) fn about(&self, title: &str) -> About {
        let dialect = match self {
            Self::Chat(chat) => {
                Dialect::Chat { model: chat.input().model.clone(), system: chat.input().messages.clone() }
            }
            Self::Session(session) => Dialect::Session {
                integration_id: session.integration_id().to_owned(),
                // A session that can't continue can't continue after a resume either.
                session_id: session.id().or_else(|| session.unusable_id()),
            },
        };
        About::new(title, dialect)
    }

    /// Takes the turns that have ended since this one of a chat. A session forgets its turns then.
    pub(crate) fn take_new(&mut self, known: &mut Option<Arc<ChatTurn>>) -> Vec<StoredTurn> {
        match self {
            Self::Chat(chat) => {
                let turns = chat.turns();
                let is_known = |turn: &Arc<ChatTurn>| known.as_ref().is_some_and(|known| Arc::ptr_eq(turn, known));
                let start = turns.iter().rposition(is_known).map_or(0, |at| at + 1);
                let new = turns[start..].iter().map(|turn| StoredTurn::new(Content::Chat(Arc::clone(turn)))).collect();
                *known = turns.last().cloned();
                new
            }
            Self::Session(session) => {
                let turns = session.history();
                session.clear_history();
                let new = turns.iter().filter_map(|turn| SessionTurn::new(turn));
                new.map(|turn| StoredTurn::new(Content::Session(Arc::new(turn)))).collect()
            }
        }
    }

    /// The last turn of a chat.
    pub(crate) fn last(&self) -> Option<Arc<ChatTurn>> {
        match self {
            Self::Chat(chat) => chat.turns().last().cloned(),
            Self::Session(_) => None,
        }
    }
}

/// `Debug` output contains no text of the conversation.
impl<T> fmt::Debug for Talk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat(chat) => chat.fmt(f),
            Self::Session(session) => session.fmt(f),
        }
    }
}

fn chat_turn(turn: &StoredTurn) -> Option<Arc<ChatTurn>> {
    match &turn.content {
        Content::Chat(turn) => Some(Arc::clone(turn)),
        Content::Session(_) => None,
    }
}

/// Makes a title from a question: its start, with single spaces.
pub(crate) fn title(question: &str) -> String {
    let mut title = String::new();
    for word in question.split_whitespace() {
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
        if let Some((end, _)) = title.char_indices().nth(TITLE_CHARS) {
            title.truncate(end);
            title.push('…');
            break;
        }
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_start_of_the_question() {
        assert_eq!(title("  How do\n\nI start?\t"), "How do I start?");
        assert_eq!(title(""), "");
        assert_eq!(title(&"ü".repeat(80)), "ü".repeat(80));
        assert_eq!(title(&"ü".repeat(81)), "ü".repeat(80) + "…");
        assert_eq!(title(&"ab ".repeat(30)), "ab ".repeat(26) + "ab…");
    }
}
