//! The turns of a chat, and the rules for sending them again.

use std::fmt;

use chat_proto::completions::{Message, MessageToolCall, Role, Tool};
use chat_proto::{Answer, Citation, Error};
use serde::{Deserialize, Serialize};

/// The field of a message with the model's reasoning.
const REASONING: &str = "reasoning_content";

/// A turn of a [`Chat`](crate::Chat): what was sent, and the answer.
///
/// The results of tools are a turn of their own, which continues the turn before it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatTurn {
    /// The user's message, or the results of tools.
    pub messages: Vec<Message>,
    /// The answer, with its tool calls and its reasoning. Each call has an id: a new one if the server gave none.
    pub answer: Message,
    /// The sources of the answer. They are not sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
    /// Whether the answer is incomplete, because the call was cancelled or failed.
    #[serde(default)]
    pub is_partial: bool,
}

impl ChatTurn {
    /// Makes the turn of a finished call. `new_id` makes the id of a tool call without one. `None` if the turn is not kept: it
    /// failed, and no text arrived.
    pub(crate) fn new(
        messages: Vec<Message>,
        outcome: &Result<Answer, Error>,
        new_id: impl FnMut() -> String,
    ) -> Option<Self> {
        let (answer, message) = match outcome {
            Ok(answer) => (answer, answer_message(answer, new_id)),
            Err(error) => {
                let partial = error.partial().filter(|partial| !partial.text.is_empty())?;
                (partial, Message::assistant(partial.text.as_str()))
            }
        };
        let citations = answer.citations().to_vec();
        Some(Self { messages, answer: message, citations, is_partial: outcome.is_err() })
    }

    /// Whether the turn is the results of tools, which belong to the turn before.
    pub fn is_continuation(&self) -> bool {
        self.messages.first().is_some_and(|message| message.role == Role::Tool)
    }

    /// Whether the turn can follow this one: the results of tools follow their calls.
    pub(crate) fn follows(&self, before: Option<&Self>) -> bool {
        let calls = || before.into_iter().flat_map(|turn| &turn.answer.tool_calls).filter_map(MessageToolCall::id);
        let mut results = self.messages.iter().filter(|message| message.role == Role::Tool);
        results.all(|result| calls().any(|id| result.tool_call_id.as_deref() == Some(id)))
    }

    /// The tool calls of the answer that need results. Calls of the service's own tools do not.
    pub fn open_calls(&self) -> impl Iterator<Item = &MessageToolCall> {
        self.answer.tool_calls.iter().filter(|call| !call.name().is_some_and(Tool::is_provided))
    }
}

/// The answer as a message of the history.
fn answer_message(answer: &Answer, mut new_id: impl FnMut() -> String) -> Message {
    let text = if answer.text.is_empty() { answer.refusal.as_deref().unwrap_or_default() } else { &answer.text };
    let mut message = Message::assistant(text);
    let calls = answer.tool_calls.iter();
    message.tool_calls =
        calls.map(|call| MessageToolCall::new(call.id.clone().unwrap_or_else(&mut new_id), call)).collect();
    if let Some(reasoning) = &answer.reasoning {
        message.extra.insert(REASONING.to_owned(), reasoning.as_str().into());
    }
    message
}

/// The messages of a history as they are sent again, followed by the next messages.
///
/// An answer is its role and content. Its tool calls go with their results. An answer without text whose calls have no
/// results is left out.
pub(crate) fn messages<'a>(
    system: &[Message],
    turns: impl IntoIterator<Item = &'a ChatTurn>,
    next: &[Message],
    with_reasoning: bool,
) -> Vec<Message> {
    let mut messages = system.to_vec();
    let mut before: Option<&ChatTurn> = None;
    let add_answer = |messages: &mut Vec<Message>, turn: Option<&ChatTurn>, next: &[Message]| {
        messages.extend(turn.and_then(|turn| resent(&turn.answer, next, with_reasoning)));
    };
    for turn in turns {
        add_answer(&mut messages, before, &turn.messages);
        messages.extend_from_slice(&turn.messages);
        before = Some(turn);
    }
    add_answer(&mut messages, before, next);
    messages.extend_from_slice(next);
    messages
}

/// The answer before these messages, as it is sent again.
fn resent(answer: &Message, next: &[Message], with_reasoning: bool) -> Option<Message> {
    let is_answered = |call: &&MessageToolCall| {
        next.iter().any(|message| message.tool_call_id.is_some() && message.tool_call_id.as_deref() == call.id())
    };
    let tool_calls: Vec<MessageToolCall> = answer.tool_calls.iter().filter(is_answered).cloned().collect();
    let text = answer.text();
    if text.is_empty() && tool_calls.is_empty() {
        return None;
    }
    let mut message = if text.is_empty() { Message::tool_calls(Vec::new()) } else { Message::assistant(text) };
    message.tool_calls = tool_calls;
    if let Some(reasoning) = answer.extra.get(REASONING).filter(|_| with_reasoning) {
        message.extra.insert(REASONING.to_owned(), reasoning.clone());
    }
    Some(message)
}

/// `Debug` output contains no text of the server, only its length.
impl fmt::Debug for ChatTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTurn")
            .field("messages", &self.messages.len())
            .field("text_bytes", &self.answer.text().len())
            .field("tool_calls", &self.answer.tool_calls.len())
            .field("is_partial", &self.is_partial)
            .finish()
    }
}
