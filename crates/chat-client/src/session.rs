//! A conversation that remembers its session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_proto::{ChatSessionInput, ContinueInput, CreateInput, Error, Event, Message, Request, SessionId};

use crate::{Client, Reply, Transport};

/// A conversation: its first question creates a session on the server, the next continue it.
///
/// The id is taken up by itself from the first event that bears it. One question at a time: a second one while a
/// [`Reply`] is under way is refused, as the server could not tell which came first.
#[derive(Debug)]
pub struct Session<T> {
    client: Client<T>,
    integration_id: String,
    streaming: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    id: Option<SessionId>,
    asking: bool,
}

impl<T: Transport> Session<T> {
    pub(crate) fn new(client: Client<T>, integration_id: String, id: Option<SessionId>) -> Self {
        let state = Arc::new(Mutex::new(State { id, asking: false }));
        Self { client, integration_id, streaming: true, state }
    }

    /// Takes up a session that exists already.
    #[must_use]
    pub fn with_id(self, id: impl Into<SessionId>) -> Self {
        lock(&self.state).id = Some(id.into());
        self
    }

    /// Whether answers are to be streamed. They are, by default.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        Self { streaming, ..self }
    }

    /// The session's id, once the server gave one.
    pub fn id(&self) -> Option<SessionId> {
        lock(&self.state).id.clone()
    }

    /// Asks: creates the session, or continues it once its id is known.
    pub fn ask(&mut self, message: impl Into<String>) -> Reply<T> {
        let message = Message::user(message);
        let Some(asking) = Asking::begin(&self.state) else {
            let reason = "has a question under way; finish or drop its reply first";
            return self.client.call(Err(Error::invalid_request("session", reason)), None);
        };
        let integration_id = self.integration_id.clone();
        let endpoint = self.client.endpoint();
        let request = match self.id() {
            None => {
                let chat_session = ChatSessionInput::new(message);
                let input = CreateInput { integration_id, chat_session, chat_mode: None, stream: self.streaming };
                Request::create(endpoint, &input)
            }
            Some(id) => {
                let input = ContinueInput { integration_id, message, stream: self.streaming };
                Request::continue_session(endpoint, &id, &input)
            }
        };
        self.client.call(request, Some(asking))
    }
}

/// A question under way; the session is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Asking {
    state: Arc<Mutex<State>>,
}

impl Asking {
    fn begin(state: &Arc<Mutex<State>>) -> Option<Self> {
        let mut locked = lock(state);
        if locked.asking {
            return None;
        }
        locked.asking = true;
        Some(Self { state: Arc::clone(state) })
    }

    /// Takes the session's id from an event that bears one.
    pub(crate) fn note(&self, event: &Event) {
        if let Event::MessageChunk(chunk) = event
            && let Some(id) = &chunk.chat_session_id
            // Ids that no request can bear would end the conversation.
            && !matches!(&**id, "" | "." | "..")
        {
            let mut state = lock(&self.state);
            if state.id.as_ref() != Some(id) {
                state.id = Some(id.clone());
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.state).asking = false;
    }
}

/// Nothing panics while it holds the lock, and the state is valid after each assignment.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
