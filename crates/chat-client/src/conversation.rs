//! A conversation without I/O.

use std::sync::Arc;

use chat_proto::sessions::{ChatMode, ContinueInput, CreateInput};
use chat_proto::{Endpoint, Error, Request, SessionId};

use crate::settings::{Defaults, ENV_INTEGRATION_ID};
use crate::turn::{PendingTurn, Turn, TurnLog};

/// A conversation without I/O: the session id, the history, and the settings of the first question.
///
/// A [`Session`](crate::Session) is a conversation with a client. Use this type in your own driver: it makes the request
/// for each question.
#[derive(Debug)]
pub struct Conversation {
    integration_id: String,
    chat_mode: Option<ChatMode>,
    guidance: Option<String>,
    context: Option<String>,
    tags: Vec<String>,
    streaming: bool,
    log: TurnLog,
}

impl Conversation {
    /// Creates a conversation without a session.
    pub fn new(integration_id: impl Into<String>, defaults: &Defaults) -> Self {
        Self {
            integration_id: integration_id.into(),
            chat_mode: defaults.chat_mode.clone(),
            guidance: None,
            context: None,
            tags: Vec::new(),
            streaming: defaults.streaming,
            log: TurnLog::default(),
        }
    }

    /// Creates a conversation with the default integration.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `integration_id` if there is no default.
    pub fn with_default_integration(defaults: &Defaults) -> Result<Self, Error> {
        let missing = || Error::invalid_request("integration_id", defaults.missing(ENV_INTEGRATION_ID));
        Ok(Self::new(defaults.integration_id.clone().ok_or_else(missing)?, defaults))
    }

    /// Continues an existing session.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        self.set_id(id);
        self
    }

    /// Continues an existing session with the next question.
    pub fn set_id(&self, id: impl Into<SessionId>) {
        let mut state = self.log.lock();
        (state.id, state.unusable_id) = (Some(id.into()), None);
    }

    /// Sets whether to request streamed answers.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        Self { streaming, ..self }
    }

    /// Sets the chat mode. It is sent with the question that creates the session, as are guidance, context and tags.
    #[must_use]
    pub fn with_chat_mode(self, chat_mode: impl Into<ChatMode>) -> Self {
        Self { chat_mode: Some(chat_mode.into()), ..self }
    }

    /// Sets instructions for the assistant.
    #[must_use]
    pub fn with_guidance(self, guidance: impl Into<String>) -> Self {
        Self { guidance: Some(guidance.into()), ..self }
    }

    /// Sets context, such as the page that the user is viewing.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        Self { context: Some(context.into()), ..self }
    }

    /// Sets the tags of the session.
    #[must_use]
    pub fn with_tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { tags: tags.into_iter().map(Into::into).collect(), ..self }
    }

    /// Returns the integration.
    pub fn integration_id(&self) -> &str {
        &self.integration_id
    }

    /// Returns the session id, once the server has sent it.
    pub fn id(&self) -> Option<SessionId> {
        self.log.lock().id.clone()
    }

    /// Returns the session id that the server sent if no request can contain it: an empty id, `.` or `..`. The conversation
    /// can't continue then, and [`ask`](Self::ask) fails: the question would create a new session without this history.
    pub fn unusable_id(&self) -> Option<SessionId> {
        self.log.lock().unusable_id.clone()
    }

    /// Returns the finished turns, oldest first. They are kept until [`clear_history`](Self::clear_history). The list is not
    /// copied: later turns do not change it.
    pub fn history(&self) -> Arc<Vec<Arc<Turn>>> {
        Arc::clone(&self.log.lock().history)
    }

    /// Clears the local history. The server keeps its own.
    pub fn clear_history(&self) {
        self.log.lock().history = Arc::default();
    }

    /// Makes the request for a question. It creates the session, or continues it once the session id is known.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if another question is in progress, the [session id is
    /// unusable](Self::unusable_id), or the question is invalid.
    pub fn ask(&self, endpoint: &Endpoint, message: impl Into<String>) -> Result<(Request, PendingTurn), Error> {
        let message = message.into();
        if let Some(id) = self.unusable_id() {
            let reason = format!(
                "can't continue: the server sent the session id {id:?}, which no request can contain; start a new session"
            );
            return Err(Error::invalid_request("session", reason));
        }
        let turn = self.log.start(message.clone())?;
        let request = match self.id() {
            None => {
                let mut input = CreateInput::new(&self.integration_id, message);
                input.chat_session.guidance.clone_from(&self.guidance);
                input.chat_session.context.clone_from(&self.context);
                input.chat_session.tags = Some(self.tags.clone()).filter(|tags| !tags.is_empty());
                input.chat_mode.clone_from(&self.chat_mode);
                input.stream = self.streaming;
                Request::create(endpoint, &input)
            }
            Some(id) => {
                let mut input = ContinueInput::new(&self.integration_id, message);
                input.stream = self.streaming;
                Request::continue_session(endpoint, &id, &input)
            }
        };
        Ok((request?, turn))
    }
}
