//! A conversation with a client.

use std::fmt;
use std::sync::Arc;

use chat_proto::sessions::ChatMode;
use chat_proto::{Error, SessionId};

use crate::client::Client;
use crate::conversation::Conversation;
use crate::reply::Reply;
use crate::transport::Transport;
use crate::turn::Turn;

/// A conversation. Its first question creates a session on the server; later questions continue it.
///
/// The session id is set from the first event that has one. A session answers one question at a time: another question is
/// rejected until the reply in progress is finished or dropped.
///
/// To continue a session in another process, save its id:
///
/// ```
/// # use chat_client::{Client, Error, Transport};
/// # async fn go_on<T: Transport>(client: Client<T>, saved: String) -> Result<(), Error> {
/// let mut session = client.session("my-integration").with_id(saved);
/// session.ask("Where were we?").finish().await?;
/// for turn in session.history().iter() {
///     println!("{}: {}", turn.question, turn.answer().map_or("", |answer| &answer.text));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Session<T> {
    client: Client<T>,
    conversation: Conversation,
}

impl<T: Transport> Client<T> {
    /// Starts a conversation. Nothing is sent yet: the first question creates the session.
    pub fn session(&self, integration_id: impl Into<String>) -> Session<T> {
        Session { client: self.clone(), conversation: Conversation::new(integration_id, &self.settings().defaults) }
    }

    /// Starts a conversation with the default integration.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if the client has no default integration.
    pub fn default_session(&self) -> Result<Session<T>, Error> {
        let conversation = Conversation::with_default_integration(&self.settings().defaults)?;
        Ok(Session { client: self.clone(), conversation })
    }
}

impl<T: Transport> Session<T> {
    fn map(self, change: impl FnOnce(Conversation) -> Conversation) -> Self {
        Self { conversation: change(self.conversation), ..self }
    }

    /// Continues an existing session.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        self.map(|conversation| conversation.with_id(id))
    }

    /// Continues an existing session with the next question.
    pub fn set_id(&mut self, id: impl Into<SessionId>) {
        self.conversation.set_id(id);
    }

    /// Sets whether to request streamed answers. The default is the client's setting.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        self.map(|conversation| conversation.with_streaming(streaming))
    }

    /// Sets the chat mode: `turbo`, `auto`, or another one that the server knows.
    ///
    /// The chat mode is sent with the question that creates the session, as are guidance, context and tags. It does not
    /// change an existing session.
    #[must_use]
    pub fn with_chat_mode(self, chat_mode: impl Into<ChatMode>) -> Self {
        self.map(|conversation| conversation.with_chat_mode(chat_mode))
    }

    /// Sets instructions for the assistant.
    #[must_use]
    pub fn with_guidance(self, guidance: impl Into<String>) -> Self {
        self.map(|conversation| conversation.with_guidance(guidance))
    }

    /// Sets context, such as the page that the user is viewing.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        self.map(|conversation| conversation.with_context(context))
    }

    /// Sets the tags of the session.
    #[must_use]
    pub fn with_tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.map(|conversation| conversation.with_tags(tags))
    }

    /// Returns the integration.
    pub fn integration_id(&self) -> &str {
        self.conversation.integration_id()
    }

    /// Returns the session id, once the server has sent it.
    pub fn id(&self) -> Option<SessionId> {
        self.conversation.id()
    }

    /// Returns the session id that the server sent if no request can contain it: an empty id, `.` or `..`. The session
    /// can't continue then, and the next question fails: it would create a new session without this history.
    pub fn unusable_id(&self) -> Option<SessionId> {
        self.conversation.unusable_id()
    }

    /// Returns the finished turns, oldest first. They are kept until [`clear_history`](Self::clear_history). The list is not
    /// copied: later turns do not change it.
    pub fn history(&self) -> Arc<Vec<Arc<Turn>>> {
        self.conversation.history()
    }

    /// Clears the local history. The server keeps its own.
    pub fn clear_history(&self) {
        self.conversation.clear_history();
    }

    /// Asks a question. It creates the session, or continues it once the session id is known.
    ///
    /// If the question is invalid, or another one is in progress, the reply's first item is the error.
    pub fn ask(&mut self, message: impl Into<String>) -> Reply<T> {
        self.client.start(self.conversation.ask(&self.client.settings().endpoint, message))
    }

    /// Asks a question with another client, to change settings for this question. See [`Client::with`].
    pub fn ask_by(&mut self, client: &Client<T>, message: impl Into<String>) -> Reply<T> {
        client.start(self.conversation.ask(&client.settings().endpoint, message))
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("client", &self.client).field("conversation", &self.conversation).finish()
    }
}
