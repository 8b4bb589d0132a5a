//! What a conversation remembers, whoever drives it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_proto::SessionId;
use chat_proto::sessions::{ChatMode, ContinueInput, CreateInput};
use chat_proto::{Answer, Endpoint, Error, Event, Request};

use crate::builder::ENV_INTEGRATION_ID;
use crate::settings::Defaults;

/// The memory of a conversation: its session's id, what was asked and answered, what goes with the first question.
///
/// [`Session`](crate::Session) is this with a client. A driver of one's own makes [`ask`](Self::ask)'s requests itself.
#[derive(Debug)]
pub struct Conversation {
    integration_id: String,
    chat_mode: Option<ChatMode>,
    guidance: Option<String>,
    context: Option<String>,
    tags: Vec<String>,
    streaming: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    id: Option<SessionId>,
    /// What the server gave in the place of an id, as long as there is none.
    unusable_id: Option<SessionId>,
    asking: bool,
    history: Vec<Arc<Turn>>,
}

/// One question with what came of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Turn {
    /// What was asked.
    pub question: String,
    /// What came: the answer, or why there is no whole one. A reply that was dropped is [cancelled].
    ///
    /// [cancelled]: chat_proto::ErrorKind::Cancelled
    pub outcome: Result<Answer, Error>,
}

impl Turn {
    /// What came of the answer, whole or not.
    pub fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref().map_or_else(Error::partial, Some)
    }
}

impl Conversation {
    /// A conversation that has not begun.
    pub fn new(integration_id: impl Into<String>, defaults: &Defaults) -> Self {
        Self {
            integration_id: integration_id.into(),
            chat_mode: defaults.chat_mode.clone(),
            guidance: None,
            context: None,
            tags: Vec::new(),
            streaming: defaults.streaming,
            state: Arc::default(),
        }
    }

    /// A conversation that has not begun, with the integration of the defaults.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `integration_id`, if they have none.
    pub fn with_default_integration(defaults: &Defaults) -> Result<Self, Error> {
        let missing = || Error::invalid_request("integration_id", defaults.missing(ENV_INTEGRATION_ID));
        Ok(Self::new(defaults.integration_id.clone().ok_or_else(missing)?, defaults))
    }

    /// Takes up a session that exists already.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        let mut state = lock(&self.state);
        (state.id, state.unusable_id) = (Some(id.into()), None);
        drop(state);
        self
    }

    /// Whether answers are to be streamed.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        Self { streaming, ..self }
    }

    /// How much effort goes into the answers. Like the three below, it goes with the question that creates the session.
    #[must_use]
    pub fn with_chat_mode(self, chat_mode: impl Into<ChatMode>) -> Self {
        Self { chat_mode: Some(chat_mode.into()), ..self }
    }

    /// Instructions beside the questions.
    #[must_use]
    pub fn with_guidance(self, guidance: impl Into<String>) -> Self {
        Self { guidance: Some(guidance.into()), ..self }
    }

    /// What the user is looking at or has told already.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        Self { context: Some(context.into()), ..self }
    }

    /// Labels of the session.
    #[must_use]
    pub fn with_tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { tags: tags.into_iter().map(Into::into).collect(), ..self }
    }

    /// The session's id, once the server gave one.
    pub fn id(&self) -> Option<SessionId> {
        lock(&self.state).id.clone()
    }

    /// What the server gave in the place of an id: empty, `.` or `..`, which no request can carry. The history will not
    /// continue then, and the next question is refused: it would create another session, which knows nothing of this one.
    pub fn unusable_id(&self) -> Option<SessionId> {
        lock(&self.state).unusable_id.clone()
    }

    /// What was asked and answered here, the oldest first; without the question under way. It grows with the conversation
    /// until [`clear_history`](Self::clear_history).
    pub fn history(&self) -> Vec<Arc<Turn>> {
        lock(&self.state).history.clone()
    }

    /// Forgets what was asked and answered. The server does not.
    pub fn clear_history(&self) {
        lock(&self.state).history.clear();
    }

    /// The request that asks: it creates the session, or continues it once its id is known.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if a question is under way, the server gave the session an
    /// [id that can't be used](Self::unusable_id), or this question is refused.
    pub fn ask(&self, endpoint: &Endpoint, message: impl Into<String>) -> Result<(Request, PendingTurn), Error> {
        let message = message.into();
        if let Some(id) = self.unusable_id() {
            let reason = format!(
                "can't continue: the server gave it the id {id:?}, which no request can carry; the history ends here, and a \
                 new session begins another"
            );
            return Err(Error::invalid_request("session", reason));
        }
        let question = PendingTurn::begin(&self.state, message.clone())?;
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
        Ok((request?, question))
    }
}

/// A question under way. The conversation takes no other one until this is dropped.
#[derive(Debug)]
pub struct PendingTurn {
    text: String,
    state: Arc<Mutex<State>>,
}

impl PendingTurn {
    fn begin(state: &Arc<Mutex<State>>, text: String) -> Result<Self, Error> {
        let mut locked = lock(state);
        if locked.asking {
            let reason = "has a question under way; finish or drop its reply first";
            return Err(Error::invalid_request("session", reason));
        }
        locked.asking = true;
        Ok(Self { text, state: Arc::clone(state) })
    }

    /// Takes the session's id from an event that bears one.
    pub fn note(&self, event: &Event) {
        if let Event::Text(chunk) = event
            && let Some(id) = &chunk.session_id
        {
            let mut state = lock(&self.state);
            if state.id.as_ref() == Some(id) {
                return;
            }
            // An id that no request can carry takes the place of none.
            match &**id {
                "" | "." | ".." if state.id.is_some() => {}
                "" | "." | ".." => state.unusable_id = Some(id.clone()),
                _ => (state.id, state.unusable_id) = (Some(id.clone()), None),
            }
        }
    }

    /// Ends the question and writes it down with what came of it.
    pub fn end(mut self, outcome: Result<Answer, Error>) {
        let turn = Arc::new(Turn { question: std::mem::take(&mut self.text), outcome });
        lock(&self.state).history.push(turn);
    }
}

impl Drop for PendingTurn {
    fn drop(&mut self) {
        lock(&self.state).asking = false;
    }
}

/// What the server said may hold anything: it is told in numbers.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Turn");
        debug.field("question", &self.question);
        match &self.outcome {
            Ok(answer) => debug.field("events", &answer.events).field("text_bytes", &answer.text.len()),
            Err(error) => debug.field("error", error),
        };
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("State");
        debug.field("has_id", &self.id.is_some()).field("asking", &self.asking).field("turns", &self.history.len());
        debug.finish_non_exhaustive()
    }
}

/// Nothing panics while it holds the lock, and the state is valid after each assignment.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
