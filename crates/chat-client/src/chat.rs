//! A chat with a client.

use std::fmt;
use std::sync::Arc;

use chat_proto::completions::{CompletionInput, Message, Tool};
use chat_proto::{Error, ToolCall};

use crate::chat_history::ChatHistory;
use crate::chat_turn::ChatTurn;
use crate::client::Client;
use crate::reply::Reply;
use crate::tool_result::ToolResult;
use crate::transport::Transport;

/// A chat by chat completions (v1). The client keeps the history and sends it with each question.
///
/// These rules say what is sent again:
///
/// - Of an answer, its role and content. A refusal is the content if there is no text.
/// - Tool calls go together with their results: see [`answer_tools`](Self::answer_tools). An answer without text whose calls
///   have no results is left out.
/// - An answer that was cancelled or failed is kept if text has arrived, and [marked](ChatTurn::is_partial).
///   [`drop_last`](Self::drop_last) removes it. Other failed questions are not kept.
///
/// A chat answers one question at a time: another question is rejected until the reply in progress is finished or dropped.
///
/// ```
/// # use chat_client::{Client, Error, Transport};
/// # async fn chat<T: Transport>(client: Client<T>) -> Result<(), Error> {
/// let mut chat = client.chat("inkeep-qa-expert").with_system("Be brief.");
/// let answer = chat.ask("How do I start?").finish().await?;
/// println!("{}", answer.text);
/// let answer = chat.ask("And then?").finish().await?;
/// println!("{}", answer.text);
/// # Ok(())
/// # }
/// ```
pub struct Chat<T> {
    client: Client<T>,
    history: ChatHistory,
}

impl<T: Transport> Client<T> {
    /// Starts a chat with a model. Nothing is sent yet.
    pub fn chat(&self, model: impl Into<String>) -> Chat<T> {
        Chat { client: self.clone(), history: ChatHistory::new(model, &self.settings().defaults) }
    }

    /// Continues a chat that [`Chat::export`] wrote.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `chat` if it is not such JSON, if a newer version wrote
    /// it, or if results of tools do not follow their calls.
    pub fn import_chat(&self, json: &str) -> Result<Chat<T>, Error> {
        Ok(Chat { client: self.clone(), history: ChatHistory::import(json, &self.settings().defaults)? })
    }
}

impl<T: Transport> Chat<T> {
    fn map(self, change: impl FnOnce(ChatHistory) -> ChatHistory) -> Self {
        Self { history: change(self.history), ..self }
    }

    /// Sets the instructions, in place of the current ones.
    #[must_use]
    pub fn with_system(self, text: impl Into<String>) -> Self {
        self.map(|history| history.with_system(text))
    }

    /// Sets the tools that the model may call.
    #[must_use]
    pub fn with_tools(self, tools: impl Into<Vec<Tool>>) -> Self {
        self.map(|history| history.with_tools(tools))
    }

    /// Sets whether to request streamed answers. The default is the client's setting.
    #[must_use]
    pub fn with_streaming(self, streaming: bool) -> Self {
        self.map(|history| history.with_streaming(streaming))
    }

    /// Changes other settings of all requests, such as the temperature.
    ///
    /// ```
    /// # use chat_client::{Client, Transport};
    /// # fn chat<T: Transport>(client: Client<T>) {
    /// let chat = client.chat("model-1").with_settings(|input| input.with_temperature(0.2).with_stream_usage());
    /// # }
    /// ```
    #[must_use]
    pub fn with_settings(self, change: impl FnOnce(CompletionInput) -> CompletionInput) -> Self {
        self.map(|history| history.with_settings(change))
    }

    /// Sets whether the model's reasoning is sent again, as `reasoning_content`. Default: `false`. Some models need it, others
    /// reject it.
    #[must_use]
    pub fn with_reasoning(self, with_reasoning: bool) -> Self {
        self.map(|history| history.with_reasoning(with_reasoning))
    }

    /// Returns the settings of all requests, such as the model. Its messages are the instructions.
    pub fn input(&self) -> &CompletionInput {
        self.history.input()
    }

    /// Sets the turns, oldest first, in place of the current ones. Use it to continue a chat whose turns were saved one by one.
    ///
    /// ```
    /// # use chat_client::{Chat, ChatTurn, Client, Error, Transport};
    /// # fn restore<T: Transport>(client: &Client<T>, saved: &[String]) -> Result<Chat<T>, Box<dyn std::error::Error>> {
    /// let turns: Vec<ChatTurn> = saved.iter().map(|json| serde_json::from_str(json)).collect::<Result<_, _>>()?;
    /// let mut chat = client.chat("model-1").with_system("Be brief.");
    /// chat.set_turns(turns.into_iter().map(Into::into))?;
    /// # Ok(chat)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `chat` if results of tools do not follow their calls.
    /// The turns are not changed then.
    pub fn set_turns(&mut self, turns: impl IntoIterator<Item = Arc<ChatTurn>>) -> Result<(), Error> {
        self.history.set_turns(turns)
    }

    /// Returns the turns that are sent again, oldest first. The list is not copied: later turns do not change it.
    pub fn turns(&self) -> Arc<Vec<Arc<ChatTurn>>> {
        self.history.turns()
    }

    /// Returns the tool calls of the last answer that need results, each with an id.
    pub fn open_calls(&self) -> Vec<ToolCall> {
        self.history.open_calls()
    }

    /// Removes the last turn, for example one that was cancelled. Results of tools are a turn of their own.
    pub fn drop_last(&mut self) -> Option<Arc<ChatTurn>> {
        self.history.drop_last()
    }

    /// Keeps the last `count` turns and removes those before. Results of tools count with the turn that they continue. The
    /// instructions are kept.
    pub fn keep_last(&mut self, count: usize) {
        self.history.keep_last(count);
    }

    /// Writes the model, the instructions and the turns as JSON, for [`Client::import_chat`]. Other settings are not
    /// included.
    pub fn export(&self) -> String {
        self.history.export()
    }

    /// Asks a question: a text, or a [`Message`] with images and other parts. Open tool calls are given up.
    ///
    /// If the question is invalid, or another one is in progress, the reply's first item is the error.
    pub fn ask(&mut self, message: impl Into<Message>) -> Reply<T> {
        self.client.start(self.history.ask(&self.client.settings().endpoint, message))
    }

    /// Asks a question with another client, to change settings for this question. See [`Client::with`].
    pub fn ask_by(&mut self, client: &Client<T>, message: impl Into<Message>) -> Reply<T> {
        client.start(self.history.ask(&client.settings().endpoint, message))
    }

    /// Sends the results of all tool calls of the last answer. The reply is the model's next answer.
    ///
    /// ```
    /// # use chat_client::{Client, Error, ToolResult, Transport};
    /// # async fn chat<T: Transport>(client: Client<T>) -> Result<(), Error> {
    /// let mut chat = client.chat("model-1");
    /// let mut answer = chat.ask("What is the weather in Basel?").finish().await?;
    /// while !chat.open_calls().is_empty() {
    ///     let results: Vec<_> = chat.open_calls().iter().map(|call| ToolResult::new(call, "12 °C, rain")).collect();
    ///     answer = chat.answer_tools(results).finish().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If a result is missing or belongs to no call, the reply's first item is the error. Calls of the service's own tools,
    /// such as `provideLinks`, need no results.
    pub fn answer_tools(&mut self, results: impl IntoIterator<Item = ToolResult>) -> Reply<T> {
        self.client.start(self.history.answer_tools(&self.client.settings().endpoint, results))
    }

    /// Sends the results of tools with another client. See [`answer_tools`](Self::answer_tools) and [`Client::with`].
    pub fn answer_tools_by(&mut self, client: &Client<T>, results: impl IntoIterator<Item = ToolResult>) -> Reply<T> {
        client.start(self.history.answer_tools(&client.settings().endpoint, results))
    }
}

impl<T> fmt::Debug for Chat<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("client", &self.client).field("history", &self.history).finish()
    }
}
