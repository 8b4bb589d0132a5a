//! A conversation with a client.

use std::fmt;
use std::sync::Arc;

use chat_proto::SessionId;
use chat_proto::sessions::ChatMode;

use crate::conversation::{Conversation, Turn};
use crate::{Client, Reply, Transport};

/// A conversation: its first question creates a session on the server, the next continue it.
///
/// The id is taken up by itself from the first event that bears it. One question at a time: a second one while a
/// reply is under way is refused, as the server could not tell which came first.
///
/// Kept by its id, a session goes on in another process:
///
/// ```
/// # use chat_client::{Client, Error, Transport};
/// # async fn go_on<T: Transport>(client: Client<T>, saved: String) -> Result<(), Error> {
/// let mut session = client.session("my-integration").with_id(saved);
/// session.ask("Where were we?").finish().await?;
/// for turn in session.history() {
///     println!("{}: {}", turn.question, turn.answer().map_or("", |answer| &answer.text));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Session<T> {
    client: Client<T>,
    conversation: Conversation,
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("client", &self.client).field("conversation", &self.conversation).finish()
    }
}

impl<T: Transport> Session<T> {
    pub(crate) fn new(client: Client<T>, conversation: Conversation) -> Self {
        Self { client, conversation }
    }

    fn map(self, change: impl FnOnce(Conversation) -> Conversation) -> Self {
        Self { conversation: change(self.conversation), ..self }
    }

    /// Takes up a session that exists already.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        self.map(|conversation| conversation.with_id(id))
    }

    /// Whether answers are to be streamed. They are, by default.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        self.map(|conversation| conversation.with_streaming(streaming))
    }

    /// How much effort goes into the answers: `turbo`, `auto`, or anything else the server knows. Like the three below, it
    /// goes with the question that creates the session; one that exists already keeps what it has.
    #[must_use]
    pub fn with_chat_mode(self, chat_mode: impl Into<ChatMode>) -> Self {
        self.map(|conversation| conversation.with_chat_mode(chat_mode))
    }

    /// Instructions beside the questions.
    #[must_use]
    pub fn with_guidance(self, guidance: impl Into<String>) -> Self {
        self.map(|conversation| conversation.with_guidance(guidance))
    }

    /// What the user is looking at or has told already.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        self.map(|conversation| conversation.with_context(context))
    }

    /// Labels of the session.
    #[must_use]
    pub fn with_tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.map(|conversation| conversation.with_tags(tags))
    }

    /// The session's id, once the server gave one.
    pub fn id(&self) -> Option<SessionId> {
        self.conversation.id()
    }

    /// What the server gave in the place of an id: empty, `.` or `..`, which no request can carry. The history will not
    /// continue then, and the next question is refused: it would create another session, which knows nothing of this one.
    pub fn unusable_id(&self) -> Option<SessionId> {
        self.conversation.unusable_id()
    }

    /// What was asked and answered here, the oldest first; without the question under way. It grows with the conversation
    /// until [`clear_history`](Self::clear_history).
    pub fn history(&self) -> Vec<Arc<Turn>> {
        self.conversation.history()
    }

    /// Forgets what was asked and answered. The server does not.
    pub fn clear_history(&self) {
        self.conversation.clear_history();
    }

    /// Asks: creates the session, or continues it once its id is known. A question that is refused, and that is any while
    /// another is under way, is the reply's first item.
    pub fn ask(&mut self, message: impl Into<String>) -> Reply<T> {
        ask(&self.conversation, &self.client, message.into())
    }

    /// Asks by another client, for settings of this one question: see `with` of the client.
    pub fn ask_by(&mut self, client: &Client<T>, message: impl Into<String>) -> Reply<T> {
        ask(&self.conversation, client, message.into())
    }
}

fn ask<T: Transport>(conversation: &Conversation, client: &Client<T>, message: String) -> Reply<T> {
    match conversation.ask(&client.settings().endpoint, message) {
        Ok((request, question)) => client.call(Ok(request), Some(question)),
        Err(error) => client.call(Err(error), None),
    }
}
