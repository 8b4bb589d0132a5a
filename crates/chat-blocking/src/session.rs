//! A conversation whose replies block.

use std::sync::Arc;

use transport_smol::sessions::ChatMode;
use transport_smol::{Error, SessionId, Turn};

use crate::client::Client;
use crate::reply::Reply;

/// A conversation. Its first question creates a session on the server; later questions continue it.
///
/// The session id is set from the first event that has one. A session answers one question at a time: another question is
/// rejected until the reply in progress is finished or dropped.
#[derive(Debug)]
pub struct Session(transport_smol::Session);

impl Client {
    /// Starts a conversation. Nothing is sent yet: the first question creates the session.
    pub fn session(&self, integration_id: impl Into<String>) -> Session {
        Session(self.inner().session(integration_id))
    }

    /// Starts a conversation with the default integration.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the client has no default integration.
    pub fn default_session(&self) -> Result<Session, Error> {
        self.inner().default_session().map(Session)
    }
}

impl Session {
    /// Continues an existing session.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        Self(self.0.with_id(id))
    }

    /// Sets whether to request streamed answers. The default is the client's setting.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        Self(self.0.with_streaming(streaming))
    }

    /// Sets the chat mode: `turbo`, `auto`, or another one that the server knows.
    ///
    /// The chat mode is sent with the question that creates the session, as are guidance, context and tags. It does not
    /// change an existing session.
    #[must_use]
    pub fn with_chat_mode(self, chat_mode: impl Into<ChatMode>) -> Self {
        Self(self.0.with_chat_mode(chat_mode))
    }

    /// Sets instructions for the assistant.
    #[must_use]
    pub fn with_guidance(self, guidance: impl Into<String>) -> Self {
        Self(self.0.with_guidance(guidance))
    }

    /// Sets context, such as the page that the user is viewing.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        Self(self.0.with_context(context))
    }

    /// Sets the tags of the session.
    #[must_use]
    pub fn with_tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(self.0.with_tags(tags))
    }

    /// Returns the session id, once the server has sent it.
    pub fn id(&self) -> Option<SessionId> {
        self.0.id()
    }

    /// Returns the session id that the server sent if no request can contain it: an empty id, `.` or `..`. The session
    /// can't continue then, and the next question fails: it would create a new session without this history.
    pub fn unusable_id(&self) -> Option<SessionId> {
        self.0.unusable_id()
    }

    /// Returns the finished turns, oldest first. They are kept until [`clear_history`](Self::clear_history). The list is not
    /// copied: later turns do not change it.
    pub fn history(&self) -> Arc<Vec<Arc<Turn>>> {
        self.0.history()
    }

    /// Clears the local history. The server keeps its own.
    pub fn clear_history(&self) {
        self.0.clear_history();
    }

    /// Asks a question. It creates the session, or continues it once the session id is known.
    ///
    /// If the question is invalid, or another one is in progress, the reply's first item is the error.
    pub fn ask(&mut self, message: impl Into<String>) -> Reply {
        Reply::new(self.0.ask(message))
    }

    /// Asks a question with another client, to change settings for this question. See [`Client::with`].
    pub fn ask_by(&mut self, client: &Client, message: impl Into<String>) -> Reply {
        Reply::new(self.0.ask_by(client.inner(), message))
    }
}
