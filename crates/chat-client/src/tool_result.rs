//! The results of tool calls.

use chat_proto::completions::{Content, Message, MessageToolCall};
use chat_proto::{Error, ToolCall};

use crate::chat_turn::ChatTurn;

/// The result of a tool call, for [`Chat::answer_tools`](crate::Chat::answer_tools).
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    id: Option<String>,
    name: Option<String>,
    content: Content,
}

impl ToolResult {
    /// The result of a call of an answer.
    pub fn new(call: &ToolCall, content: impl Into<Content>) -> Self {
        Self { id: call.id.clone(), name: Some(call.name.clone()), content: content.into() }
    }

    /// The result of the call with this id.
    pub fn with_id(id: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { id: Some(id.into()), name: None, content: content.into() }
    }
}

/// Makes the messages of results: one for each open call of the turn, in the order of the calls.
///
/// A result without an id is that of the first call of its name that has no other result.
pub(crate) fn messages(turn: Option<&ChatTurn>, results: Vec<ToolResult>) -> Result<Vec<Message>, Error> {
    let refuse = |reason: String| Err(Error::invalid_request("tool_results", reason));
    let calls: Vec<&MessageToolCall> =
        turn.filter(|turn| !turn.is_partial).into_iter().flat_map(|turn| &turn.answer.tool_calls).collect();
    if calls.is_empty() {
        return refuse("have no calls: the last answer does not call tools".to_owned());
    }
    let mut contents: Vec<Option<Content>> = calls.iter().map(|_| None).collect();
    let (with_id, without_id): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.id.is_some());
    for result in with_id {
        // A server may give several calls the same id.
        let mut named = (0..calls.len()).filter(|at| calls[*at].id() == result.id.as_deref()).peekable();
        let what = if named.peek().is_some() { "twice" } else { "that does not exist" };
        let Some(at) = named.find(|at| contents[*at].is_none()) else {
            return refuse(format!("name a call {what}: {:?}", result.id.unwrap_or_default()));
        };
        contents[at] = Some(result.content);
    }
    for result in without_id {
        let is_free = |at: &usize| contents[*at].is_none() && calls[*at].name() == result.name.as_deref();
        let Some(at) = (0..calls.len()).find(is_free) else {
            return refuse(format!("are more than the calls of {:?}", result.name.unwrap_or_default()));
        };
        contents[at] = Some(result.content);
    }
    let needed: Vec<&str> = turn.into_iter().flat_map(ChatTurn::open_calls).filter_map(MessageToolCall::id).collect();
    let mut messages = Vec::new();
    for (call, content) in calls.iter().zip(contents) {
        match (call.id(), content) {
            (Some(id), Some(content)) => messages.push(Message::tool(id, content)),
            (Some(id), None) if needed.contains(&id) => {
                return refuse(format!(
                    "must answer all calls; {id:?} of {:?} is missing",
                    call.name().unwrap_or_default()
                ));
            }
            _ => {}
        }
    }
    if messages.is_empty() { refuse("are empty".to_owned()) } else { Ok(messages) }
}
