//! A conversation that is stored.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use chat_client::completions::Message;
use chat_client::{Chat, ChatTurn, Client, Error, Session, ToolCall, ToolResult, Transport};

use crate::reply::StoredReply;
use crate::talk::{Talk, title};
use crate::{About, AppendError, ConversationId, Head, Loaded, Store, StoreError, StoredTurn};

/// The number of turns that [`Store::conversation`] loads.
pub const DEFAULT_LAST: usize = 100;

/// A chat or a session whose turns are stored.
///
/// Ask as in a [`Chat`] or a [`Session`]. [`StoredReply::finish`] and [`StoredReply::cancel`] append the turn after its outcome.
/// If a reply is dropped, the next [`save`](Self::save) appends its turn, and so do the next `finish` and `cancel`.
///
/// Turns that could not be appended are kept in order, and each attempt to append a turn begins with them. So the user can go
/// on while the store is not available.
///
/// ```
/// # use chat_client::{Client, Transport};
/// # use chat_store::{AppendError, AskError, Store};
/// # async fn chat<T: Transport, S: Store + Clone>(client: Client<T>, store: S) -> Result<(), Box<dyn std::error::Error>> {
/// let mut conversation = store.start(client.chat("inkeep-qa-expert").with_system("Be brief."));
/// let id = conversation.id();
/// println!("{}", conversation.ask("How do I start?").finish().await?.text);
///
/// // Later, in this process or another one:
/// let mut conversation = store.conversation(&client, id).await?;
/// match conversation.ask("And then?").finish().await {
///     Ok(answer) => println!("{}", answer.text),
///     Err(AskError::NotSaved(not_saved)) if matches!(not_saved.error, AppendError::Conflict(_)) => {
///         for turn in conversation.reload().await? {
///             println!("This answer is not stored, because another process was faster: {}", turn.answer());
///         }
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
pub struct StoredConversation<S, T> {
    store: S,
    id: ConversationId,
    title: String,
    talk: Talk<T>,
    /// The number of turns to load.
    last: usize,
    /// The number of turns in the store.
    len: u64,
    /// The last turns in the store.
    turns: Vec<StoredTurn>,
    /// Turns to append.
    unsaved: VecDeque<StoredTurn>,
    /// The last turn of the chat that is in one of these lists.
    known: Option<Arc<ChatTurn>>,
}

impl<S: Store, T: Transport> StoredConversation<S, T> {
    /// Starts a conversation with a new id. See [`Store::start`].
    pub fn new(store: S, talk: impl Into<Talk<T>>) -> Self {
        Self {
            store,
            id: ConversationId::new(),
            title: String::new(),
            talk: talk.into(),
            last: DEFAULT_LAST,
            len: 0,
            turns: Vec::new(),
            unsaved: VecDeque::new(),
            known: None,
        }
    }

    /// Continues a stored conversation with its last turns. A chat sends only these again. If the first of them would be
    /// results of tools, more turns are loaded, back to the question.
    ///
    /// The model, the instructions, the integration and the session id are stored. Set the tools and all other settings again
    /// with [`with_chat`](Self::with_chat) or [`with_session`](Self::with_session).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is no such conversation. Also the errors of [`Store::load`].
    pub async fn resume(store: S, client: &Client<T>, id: ConversationId, last: usize) -> Result<Self, StoreError> {
        let Loaded { about, len, turns } = load(&store, id, last).await?;
        let talk = Talk::resume(client, &about, &turns)?;
        let known = talk.last();
        Ok(Self { store, id, title: about.title, talk, last, len, turns, unsaved: VecDeque::new(), known })
    }

    /// Returns the id, with which the conversation can be continued once it is stored.
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// Returns the title: the start of the first question. It is empty before that.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the number of turns in the store.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is stored yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the title and the dialect, with the current settings: what the next append stores, and what a list shows.
    pub fn about(&self) -> About {
        self.talk.about(&self.title)
    }

    /// Returns the chat or the session.
    pub fn talk(&self) -> &Talk<T> {
        &self.talk
    }

    /// Changes the settings of the chat, such as its tools. Does nothing to a session.
    ///
    /// The next append stores the model and the instructions. Turns that are removed here are not sent again. They stay in
    /// the store, so a [`resume`](Self::resume) has them.
    #[must_use]
    pub fn with_chat(mut self, change: impl FnOnce(Chat<T>) -> Chat<T>) -> Self {
        self.collect();
        if let Talk::Chat(chat) = self.talk {
            self.talk = Talk::Chat(change(chat));
            self.known = self.talk.last();
        }
        self
    }

    /// Changes the settings of the session. Does nothing to a chat.
    #[must_use]
    pub fn with_session(mut self, change: impl FnOnce(Session<T>) -> Session<T>) -> Self {
        self.collect();
        if let Talk::Session(session) = self.talk {
            self.talk = Talk::Session(change(session));
        }
        self
    }

    /// Returns the last turns in the store, oldest first: those that were loaded, and those that were appended since.
    pub fn turns(&self) -> &[StoredTurn] {
        &self.turns
    }

    /// Returns the turns that are not appended yet, oldest first.
    pub fn unsaved(&mut self) -> &[StoredTurn] {
        self.collect();
        self.unsaved.make_contiguous()
    }

    /// Returns the tool calls of the last answer that need results. See [`Chat::open_calls`]. A session has none.
    pub fn open_calls(&self) -> Vec<ToolCall> {
        match &self.talk {
            Talk::Chat(chat) => chat.open_calls(),
            Talk::Session(_) => Vec::new(),
        }
    }

    /// Asks a question. See [`Chat::ask`] and [`Session::ask`].
    pub fn ask(&mut self, question: impl Into<String>) -> StoredReply<'_, S, T> {
        self.collect();
        let reply = match &mut self.talk {
            Talk::Chat(chat) => chat.ask(question.into()),
            Talk::Session(session) => session.ask(question),
        };
        StoredReply::new(reply, self)
    }

    /// Asks a question with images and other parts.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest) naming `message` in a session.
    pub fn ask_message(&mut self, message: Message) -> Result<StoredReply<'_, S, T>, Error> {
        self.collect();
        let Talk::Chat(chat) = &mut self.talk else {
            return Err(Error::invalid_request("message", "is for a chat; a session takes text alone"));
        };
        Ok(StoredReply::new(chat.ask(message), self))
    }

    /// Sends the results of all tool calls of the last answer. See [`Chat::answer_tools`]. The calls may be those of a
    /// conversation that was loaded.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest) naming `tool_results` in a session.
    pub fn answer_tools(
        &mut self,
        results: impl IntoIterator<Item = ToolResult>,
    ) -> Result<StoredReply<'_, S, T>, Error> {
        self.collect();
        let Talk::Chat(chat) = &mut self.talk else {
            return Err(Error::invalid_request("tool_results", "are for a chat; a session has no tools"));
        };
        Ok(StoredReply::new(chat.answer_tools(results), self))
    }

    /// Appends the turns that are not appended yet. Does nothing if all are appended.
    ///
    /// If the future is dropped, no turn is lost, and none is appended twice.
    ///
    /// # Errors
    ///
    /// [`AppendError`]. The turns that were not appended are kept.
    pub async fn save(&mut self) -> Result<(), AppendError> {
        self.collect();
        while let Some(turn) = self.unsaved.front() {
            let head = Head::new(self.id, self.about());
            self.store.append(&head, self.len, turn).await?;
            self.len += 1;
            self.turns.extend(self.unsaved.pop_front());
        }
        Ok(())
    }

    /// Loads the turns again, after a conflict. Returns the turns that are not in the store, oldest first, and forgets them.
    ///
    /// The next question continues the turns of the store, with all that other processes have appended. A session continues
    /// with the session id of the store.
    ///
    /// # Errors
    ///
    /// Those of [`resume`](Self::resume). Nothing is changed then.
    pub async fn reload(&mut self) -> Result<Vec<StoredTurn>, StoreError> {
        self.collect();
        let Loaded { about, len, turns } = self.load_new().await?;
        self.talk.reset(&about, &turns)?;
        self.known = self.talk.last();
        (self.title, self.len, self.turns) = (about.title, len, turns);
        // The acknowledgement of an append may have been lost.
        let is_stored = |turn: &StoredTurn| self.turns.iter().any(|stored| stored.id == turn.id);
        Ok(self.unsaved.drain(..).filter(|turn| !is_stored(turn)).collect())
    }

    /// Loads the last turns, and all that were appended since this conversation was loaded or saved.
    async fn load_new(&self) -> Result<Loaded, StoreError> {
        let mut last = self.last;
        loop {
            let loaded = load(&self.store, self.id, last).await?;
            let new = usize::try_from(loaded.len.saturating_sub(self.len)).unwrap_or(usize::MAX);
            if new <= loaded.turns.len() || loaded.turns.len() < last {
                return Ok(loaded);
            }
            last = new;
        }
    }

    /// Moves turns that have ended to the turns to append.
    fn collect(&mut self) {
        self.unsaved.extend(self.talk.take_new(&mut self.known));
        if let (true, Some(first)) = (self.title.is_empty(), self.unsaved.front()) {
            self.title = title(&first.question());
        }
    }
}

/// Loads the last turns, and those before if the first are results of tools.
async fn load<S: Store>(store: &S, id: ConversationId, mut last: usize) -> Result<Loaded, StoreError> {
    loop {
        let loaded = store.load(id, last).await?.ok_or(StoreError::NotFound(id))?;
        let starts_inside = loaded.turns.first().is_some_and(StoredTurn::is_continuation);
        if !starts_inside || loaded.turns.len() < last {
            return Ok(loaded);
        }
        last = last.saturating_mul(2);
    }
}

/// `Debug` output contains no text of the conversation.
impl<S, T> fmt::Debug for StoredConversation<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredConversation")
            .field("id", &self.id)
            .field("talk", &self.talk)
            .field("len", &self.len)
            .field("unsaved", &self.unsaved.len())
            .finish_non_exhaustive()
    }
}
