//! A conversation whose replies block.

use std::sync::Arc;

use transport_smol::sessions::ChatMode;
use transport_smol::{SessionId, Turn};

use crate::{Client, Reply};

/// A conversation: its first question creates a session on the server, the next continue it.
///
/// The id is taken up by itself from the first event that bears it. One question at a time: a second one while a
/// reply is under way is refused, as the server could not tell which came first.
#[derive(Debug)]
pub struct Session(pub(crate) transport_smol::Session);

impl Session {
    /// Takes up a session that exists already.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        Self(self.0.with_id(id))
    }

    /// Whether answers are to be streamed. They are, by default.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        Self(self.0.with_streaming(streaming))
    }

    /// How much effort goes into the answers: `turbo`, `auto`, or anything else the server knows. Like the three below, it
    /// goes with the question that creates the session; one that exists already keeps what it has.
    #[must_use]
    pub fn with_chat_mode(self, chat_mode: impl Into<ChatMode>) -> Self {
        Self(self.0.with_chat_mode(chat_mode))
    }

    /// Instructions beside the questions.
    #[must_use]
    pub fn with_guidance(self, guidance: impl Into<String>) -> Self {
        Self(self.0.with_guidance(guidance))
    }

    /// What the user is looking at or has told already.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        Self(self.0.with_context(context))
    }

    /// Labels of the session.
    #[must_use]
    pub fn with_tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(self.0.with_tags(tags))
    }

    /// The session's id, once the server gave one.
    pub fn id(&self) -> Option<SessionId> {
        self.0.id()
    }

    /// What was asked and answered here, the oldest first; without the question under way. It grows with the conversation
    /// until [`clear_history`](Self::clear_history).
    pub fn history(&self) -> Vec<Arc<Turn>> {
        self.0.history()
    }

    /// Forgets what was asked and answered. The server does not.
    pub fn clear_history(&self) {
        self.0.clear_history();
    }

    /// Asks: creates the session, or continues it once its id is known. A question that is refused, and that is any while
    /// another is under way, is the reply's first item.
    pub fn ask(&mut self, message: impl Into<String>) -> Reply {
        Reply::new(self.0.ask(message))
    }

    /// Asks by another client, for settings of this one question: see [`Client::with`].
    pub fn ask_by(&mut self, client: &Client, message: impl Into<String>) -> Reply {
        Reply::new(self.0.ask_by(client.inner(), message))
    }
}
