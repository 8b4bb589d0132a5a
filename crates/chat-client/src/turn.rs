//! The turns of a conversation.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_proto::completions::{Message, MessageToolCall};
use chat_proto::{Answer, Error, Event, SessionId};

use crate::chat_turn::ChatTurn;

/// A question with its answer.
#[derive(Clone)]
#[non_exhaustive]
pub struct Turn {
    /// Text of the question.
    pub question: String,
    /// The answer, or the error that ended it. If the reply was dropped, the error is [cancelled].
    ///
    /// [cancelled]: chat_proto::ErrorKind::Cancelled
    pub outcome: Result<Answer, Error>,
}

impl Turn {
    /// Returns the answer, complete or partial.
    pub fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref().map_or_else(Error::partial, Some)
    }
}

/// `Debug` output contains no text of the server, only its length.
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

/// A question whose answer is in progress. Pass it to [`Call::new`](crate::driver::Call::new). The conversation accepts no
/// other question until this is dropped.
pub struct PendingTurn(Pending);

enum Pending {
    Session {
        question: String,
        log: TurnLog,
        /// The id of the last event that had one.
        noted: Option<SessionId>,
    },
    Chat {
        messages: Vec<Message>,
        log: ChatLog,
    },
}

impl PendingTurn {
    /// Updates the session id from an event that has one. An event with the same id as the one before takes no lock.
    pub(crate) fn handle_event(&mut self, event: &Event) {
        if let (Event::Text(delta), Pending::Session { log, noted, .. }) = (event, &mut self.0)
            && let Some(id) = &delta.session_id
            && noted.as_ref() != Some(id)
        {
            log.lock().set_id(id);
            *noted = Some(id.clone());
        }
    }

    /// Adds the question and its outcome to the history.
    pub(crate) fn finish(mut self, outcome: Result<Answer, Error>) {
        match &mut self.0 {
            Pending::Session { question, log, .. } => {
                let turn = Arc::new(Turn { question: std::mem::take(question), outcome });
                Arc::make_mut(&mut log.lock().history).push(turn);
            }
            Pending::Chat { messages, log } => log.lock().add(std::mem::take(messages), &outcome),
        }
    }
}

/// `Debug` output contains no text of the conversation.
impl fmt::Debug for PendingTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log: &dyn fmt::Debug = match &self.0 {
            Pending::Session { log, .. } => log,
            Pending::Chat { log, .. } => log,
        };
        f.debug_tuple("PendingTurn").field(log).finish()
    }
}

impl Drop for PendingTurn {
    fn drop(&mut self) {
        match &self.0 {
            Pending::Session { log, .. } => log.lock().is_pending = false,
            Pending::Chat { log, .. } => log.lock().is_pending = false,
        }
    }
}

/// The state of a chat. Clones share it.
#[derive(Clone, Default, Debug)]
pub(crate) struct ChatLog(Arc<Mutex<ChatState>>);

#[derive(Default, Debug)]
pub(crate) struct ChatState {
    /// Readers share it. It is copied when a turn is added while a reader still has it.
    pub(crate) turns: Arc<Vec<Arc<ChatTurn>>>,
    is_pending: bool,
}

impl ChatLog {
    /// Starts a turn, unless one is in progress.
    pub(crate) fn start(&self, messages: Vec<Message>) -> Result<PendingTurn, Error> {
        start(&mut self.lock().is_pending, "chat")?;
        Ok(PendingTurn(Pending::Chat { messages, log: self.clone() }))
    }

    /// Fails if a turn is in progress.
    pub(crate) fn check_idle(&self) -> Result<(), Error> {
        check_idle(self.lock().is_pending, "chat")
    }

    /// Ignores poisoning: the state is valid after each assignment.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ChatState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChatState {
    /// Adds a turn, if it is to be kept. The results of tools are not kept if their calls were removed meanwhile.
    fn add(&mut self, messages: Vec<Message>, outcome: &Result<Answer, Error>) {
        let before = self.turns.iter().flat_map(|turn| &turn.answer.tool_calls).filter_map(MessageToolCall::id);
        let given = outcome.iter().flat_map(|answer| &answer.tool_calls).filter_map(|call| call.id.as_deref());
        let used: HashSet<&str> = before.chain(given).collect();
        let mut ids = (1..).map(|number: u64| format!("call-{number}")).filter(|id| !used.contains(&**id));
        let turn = ChatTurn::new(messages, outcome, || ids.next().expect("there are more numbers than calls"));
        let turn = turn.filter(|turn| turn.follows(self.turns.last().map(|last| &**last)));
        if let Some(turn) = turn {
            Arc::make_mut(&mut self.turns).push(Arc::new(turn));
        }
    }
}

/// Marks a conversation as in use.
fn start(is_pending: &mut bool, what: &'static str) -> Result<(), Error> {
    check_idle(*is_pending, what)?;
    *is_pending = true;
    Ok(())
}

fn check_idle(is_pending: bool, what: &'static str) -> Result<(), Error> {
    if is_pending {
        let reason = "already has a question in progress; finish or drop its reply first";
        return Err(Error::invalid_request(what, reason));
    }
    Ok(())
}

/// The state of a conversation: the id of its session and its turns. Clones share it.
#[derive(Clone, Default, Debug)]
pub(crate) struct TurnLog(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) id: Option<SessionId>,
    /// An id that no request can contain. Only set while `id` is not.
    pub(crate) unusable_id: Option<SessionId>,
    is_pending: bool,
    /// Shared with readers, like the turns of a chat.
    pub(crate) history: Arc<Vec<Arc<Turn>>>,
}

impl TurnLog {
    /// Starts a turn, unless one is in progress.
    pub(crate) fn start(&self, question: String) -> Result<PendingTurn, Error> {
        start(&mut self.lock().is_pending, "session")?;
        Ok(PendingTurn(Pending::Session { question, log: self.clone(), noted: None }))
    }

    /// Ignores poisoning: the state is valid after each assignment.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Stores an id from the server. An unusable id does not replace a usable one.
    fn set_id(&mut self, id: &SessionId) {
        if self.id.as_ref() == Some(id) {
            return;
        }
        match &**id {
            "" | "." | ".." if self.id.is_some() => {}
            "" | "." | ".." => self.unusable_id = Some(id.clone()),
            _ => (self.id, self.unusable_id) = (Some(id.clone()), None),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("State");
        debug.field("has_id", &self.id.is_some());
        debug.field("is_pending", &self.is_pending).field("turns", &self.history.len());
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chat_proto::TextDelta;

    use super::*;

    #[test]
    fn an_id_that_is_repeated_is_not_stored_again() {
        let log = TurnLog::default();
        let mut turn = log.start("Is it?".to_owned()).unwrap();
        let mut stores = |id: &str| {
            log.lock().id = None;
            let mut delta = TextDelta::default();
            delta.session_id = Some(id.into());
            turn.handle_event(&Event::Text(delta));
            log.lock().id.is_some()
        };
        assert_eq!(["s-1", "s-1", "s-2", "s-2", "s-1"].map(&mut stores), [true, false, true, false, true]);
    }
}
