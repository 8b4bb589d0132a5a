//! A chat whose replies block.

use std::sync::Arc;

use transport_smol::completions::{CompletionInput, Message, Tool};
use transport_smol::{ChatTurn, Error, ToolCall, ToolResult};

use crate::client::Client;
use crate::reply::Reply;

/// A chat by chat completions (v1). The client keeps the history and sends it with each question. The rules are those of
/// [`chat_client::Chat`](transport_smol::chat_client::Chat).
///
/// ```
/// # use chat_blocking::{Client, Error};
/// # fn chat(client: &Client) -> Result<(), Error> {
/// let mut chat = client.chat("inkeep-qa-expert").with_system("Be brief.");
/// println!("{}", chat.ask("How do I start?").finish()?.text);
/// println!("{}", chat.ask("And then?").finish()?.text);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Chat(transport_smol::Chat);

impl Client {
    /// Starts a chat with a model. Nothing is sent yet.
    pub fn chat(&self, model: impl Into<String>) -> Chat {
        Chat(self.inner().chat(model))
    }

    /// Continues a chat that [`Chat::export`] wrote.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) naming `chat` if it is not such JSON, if a newer version wrote
    /// it, or if results of tools do not follow their calls.
    pub fn import_chat(&self, json: &str) -> Result<Chat, Error> {
        self.inner().import_chat(json).map(Chat)
    }
}

impl Chat {
    /// Sets the instructions, in place of the current ones.
    #[must_use]
    pub fn with_system(self, text: impl Into<String>) -> Self {
        Self(self.0.with_system(text))
    }

    /// Sets the tools that the model may call.
    #[must_use]
    pub fn with_tools(self, tools: impl Into<Vec<Tool>>) -> Self {
        Self(self.0.with_tools(tools))
    }

    /// Sets whether to request streamed answers. The default is the client's setting.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        Self(self.0.with_streaming(streaming))
    }

    /// Changes other settings of all requests, such as the temperature.
    #[must_use]
    pub fn with_settings(self, change: impl FnOnce(CompletionInput) -> CompletionInput) -> Self {
        Self(self.0.with_settings(change))
    }

    /// Sets whether the model's reasoning is sent again, as `reasoning_content`. Default: `false`. Some models need it, others
    /// reject it.
    #[must_use]
    pub fn with_reasoning(self, with_reasoning: bool) -> Self {
        Self(self.0.with_reasoning(with_reasoning))
    }

    /// Returns the turns that are sent again, oldest first. The list is not copied: later turns do not change it.
    pub fn turns(&self) -> Arc<Vec<Arc<ChatTurn>>> {
        self.0.turns()
    }

    /// Returns the tool calls of the last answer that need results, each with an id.
    pub fn open_calls(&self) -> Vec<ToolCall> {
        self.0.open_calls()
    }

    /// Removes the last turn, for example one that was cancelled. Results of tools are a turn of their own.
    pub fn drop_last(&mut self) -> Option<Arc<ChatTurn>> {
        self.0.drop_last()
    }

    /// Keeps the last `count` turns and removes those before. Results of tools count with the turn that they continue. The
    /// instructions are kept.
    pub fn keep_last(&mut self, count: usize) {
        self.0.keep_last(count);
    }

    /// Writes the model, the instructions and the turns as JSON, for [`Client::import_chat`]. Other settings are not
    /// included.
    pub fn export(&self) -> String {
        self.0.export()
    }

    /// Asks a question: a text, or a [`Message`] with images and other parts. Open tool calls are given up.
    ///
    /// If the question is invalid, or another one is in progress, the reply's first item is the error.
    pub fn ask(&mut self, message: impl Into<Message>) -> Reply {
        Reply::new(self.0.ask(message))
    }

    /// Asks a question with another client, to change settings for this question. See [`Client::with`].
    pub fn ask_by(&mut self, client: &Client, message: impl Into<Message>) -> Reply {
        Reply::new(self.0.ask_by(client.inner(), message))
    }

    /// Sends the results of all tool calls of the last answer. The reply is the model's next answer.
    ///
    /// If a result is missing or belongs to no call, the reply's first item is the error. Calls of the service's own tools,
    /// such as `provideLinks`, need no results.
    pub fn answer_tools(&mut self, results: impl IntoIterator<Item = ToolResult>) -> Reply {
        Reply::new(self.0.answer_tools(results))
    }

    /// Sends the results of tools with another client. See [`answer_tools`](Self::answer_tools) and [`Client::with`].
    pub fn answer_tools_by(&mut self, client: &Client, results: impl IntoIterator<Item = ToolResult>) -> Reply {
        Reply::new(self.0.answer_tools_by(client.inner(), results))
    }
}
