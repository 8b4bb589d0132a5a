//! A chat without I/O.

use std::fmt;
use std::sync::Arc;

use chat_proto::completions::{CompletionInput, Message, MessageToolCall, Role, Tool};
use chat_proto::{Endpoint, Error, Request, ToolCall};
use serde::{Deserialize, Serialize};

use crate::chat_turn::{self, ChatTurn};
use crate::settings::Defaults;
use crate::tool_result::{self, ToolResult};
use crate::turn::{ChatLog, PendingTurn};

/// A chat without I/O: the history, and the settings of its requests.
///
/// A [`Chat`](crate::Chat) is a chat history with a client. Use this type in your own driver: it makes the request for each
/// question.
pub struct ChatHistory {
    /// Settings of all requests. Its messages are the instructions.
    input: CompletionInput,
    with_reasoning: bool,
    log: ChatLog,
}

/// The version of the exported JSON.
const VERSION: u32 = 1;

/// The part of an exported chat that all versions have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A chat as JSON.
#[derive(Serialize, Deserialize)]
struct Exported<T> {
    version: u32,
    model: String,
    #[serde(default)]
    system: Vec<Message>,
    turns: Vec<T>,
}

impl ChatHistory {
    /// Creates a chat without turns.
    pub fn new(model: impl Into<String>, defaults: &Defaults) -> Self {
        let input = CompletionInput::new(model, [] as [Message; 0]).with_stream(defaults.streaming);
        Self { input, with_reasoning: false, log: ChatLog::default() }
    }

    /// Reads a chat that [`export`](Self::export) wrote.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `chat` if it is not such JSON, if a newer version wrote
    /// it, or if results of tools do not follow their calls.
    pub fn import(json: &str, defaults: &Defaults) -> Result<Self, Error> {
        let refuse = |reason: String| Error::invalid_request("chat", reason);
        let malformed = |error: serde_json::Error| refuse(format!("is not an exported chat: {error}"));
        // The version is read first, because the rest of a newer one may differ.
        let Version { version } = serde_json::from_str(json).map_err(malformed)?;
        if version > VERSION {
            return Err(refuse(format!("has version {version}, and this library reads up to {VERSION}")));
        }
        let exported: Exported<ChatTurn> = serde_json::from_str(json).map_err(malformed)?;
        let mut history = Self::new(exported.model, defaults);
        history.input.messages = exported.system;
        history.set_turns(exported.turns.into_iter().map(Arc::new))?;
        Ok(history)
    }

    /// Writes the model, the instructions and the turns as JSON. Other settings are not included.
    pub fn export(&self) -> String {
        let turns = self.turns();
        let (model, system) = (self.input.model.clone(), self.input.messages.clone());
        let turns = turns.iter().map(|turn| &**turn).collect::<Vec<_>>();
        let exported = Exported { version: VERSION, model, system, turns };
        serde_json::to_string(&exported).expect("messages can always be written as JSON")
    }

    /// Sets the instructions, in place of the current ones.
    #[must_use]
    pub fn with_system(mut self, text: impl Into<String>) -> Self {
        self.input.messages = vec![Message::system(text.into())];
        self
    }

    /// Sets the tools that the model may call.
    #[must_use]
    pub fn with_tools(mut self, tools: impl Into<Vec<Tool>>) -> Self {
        self.input.tools = tools.into();
        self
    }

    /// Sets whether to request streamed answers.
    #[must_use]
    pub fn with_streaming(mut self, streaming: bool) -> Self {
        self.input.stream = streaming;
        self
    }

    /// Changes other settings of all requests. The messages are the instructions.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(CompletionInput) -> CompletionInput) -> Self {
        self.input = change(self.input);
        self
    }

    /// Sets whether the model's reasoning is sent again, as `reasoning_content`. Default: `false`. Some models need it, others
    /// reject it.
    #[must_use]
    pub fn with_reasoning(self, with_reasoning: bool) -> Self {
        Self { with_reasoning, ..self }
    }

    /// Returns the settings of all requests. Its messages are the instructions.
    pub fn input(&self) -> &CompletionInput {
        &self.input
    }

    /// Sets the turns, oldest first, in place of the current ones.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `chat` if results of tools do not follow their calls.
    /// The turns are not changed then.
    pub fn set_turns(&self, turns: impl IntoIterator<Item = Arc<ChatTurn>>) -> Result<(), Error> {
        let turns: Vec<_> = turns.into_iter().collect();
        let mut before = None;
        for turn in &turns {
            if !turn.follows(before) {
                return Err(Error::invalid_request("chat", "has results of tools without their calls"));
            }
            before = Some(&**turn);
        }
        self.log.lock().turns = Arc::new(turns);
        Ok(())
    }

    /// Returns the turns that are sent again, oldest first. The list is not copied: later turns do not change it.
    pub fn turns(&self) -> Arc<Vec<Arc<ChatTurn>>> {
        Arc::clone(&self.log.lock().turns)
    }

    /// Returns the tool calls of the last answer that need results.
    pub fn open_calls(&self) -> Vec<ToolCall> {
        let last = self.log.lock().turns.last().cloned();
        last.iter().flat_map(|turn| turn.open_calls()).map(MessageToolCall::to_call).collect()
    }

    /// Removes the last turn, for example one that was cancelled. Results of tools are a turn of their own.
    pub fn drop_last(&self) -> Option<Arc<ChatTurn>> {
        Arc::make_mut(&mut self.log.lock().turns).pop()
    }

    /// Keeps the last `count` turns and removes those before. Results of tools count with the turn that they continue. The
    /// instructions are kept.
    pub fn keep_last(&self, count: usize) {
        let mut state = self.log.lock();
        let turns = Arc::make_mut(&mut state.turns);
        let starts = turns.iter().enumerate().rev().filter(|(_, turn)| !turn.is_continuation());
        let removed = match count.checked_sub(1) {
            None => turns.len(),
            Some(before) => starts.map(|(at, _)| at).nth(before).unwrap_or_default(),
        };
        turns.drain(..removed);
    }

    /// Makes the request for a question.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if another question is in progress, the message is the result
    /// of a tool, or the request is invalid.
    pub fn ask(&self, endpoint: &Endpoint, message: impl Into<Message>) -> Result<(Request, PendingTurn), Error> {
        let message = message.into();
        if message.role == Role::Tool {
            return Err(Error::invalid_request("message", "is the result of a tool; use `answer_tools`"));
        }
        self.send(endpoint, &[message])
    }

    /// Makes the request with the results of all open tool calls.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `tool_results` if the last answer has no tool calls, if
    /// a result is missing, or if a result belongs to no call. Also the errors of [`ask`](Self::ask).
    pub fn answer_tools(
        &self,
        endpoint: &Endpoint,
        results: impl IntoIterator<Item = ToolResult>,
    ) -> Result<(Request, PendingTurn), Error> {
        self.log.check_idle()?;
        let last = self.log.lock().turns.last().cloned();
        let messages = tool_result::messages(last.as_deref(), results.into_iter().collect())?;
        self.send(endpoint, &messages)
    }

    fn send(&self, endpoint: &Endpoint, next: &[Message]) -> Result<(Request, PendingTurn), Error> {
        let turn = self.log.start(next.to_vec())?;
        let turns = self.turns();
        let mut input = self.input.clone();
        let turns = turns.iter().map(|turn| &**turn);
        input.messages = chat_turn::messages(&self.input.messages, turns, next, self.with_reasoning);
        if !input.stream {
            input.stream_options = None;
        }
        Ok((Request::complete(endpoint, &input)?, turn))
    }
}

/// `Debug` output contains no text of the conversation.
impl fmt::Debug for ChatHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatHistory").field("model", &self.input.model).field("log", &self.log).finish_non_exhaustive()
    }
}
