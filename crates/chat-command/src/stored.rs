//! Conversations that are stored.

use std::io;

use chat_client::{Answer, Chat, Client, Error, Session, Transport};
use chat_store::{
    AnyStore, AppendError, AskError, ConversationId, Memory, Sqlite, Store, StoreError, StoredConversation,
    StoredReply, Summary, Talk,
};
use http::StatusCode;

use crate::args::{Api, Options, Place, StoredArgs};
use crate::ask::{End, stream};
use crate::interrupt::Interrupt;
use crate::print::{Printer, note};
use crate::request::{complete, integration, model, refuse_other_api};

/// A conversation of the command.
pub(crate) type Conversation<T> = StoredConversation<AnyStore, T>;

/// The minimum length of a part of an id.
const MIN_PART: usize = 8;

/// Why there is no such conversation.
pub(crate) const NOT_THERE: &str = "is not in the store; `chat sessions` lists the conversations";

/// The number of conversations to read from the store at once.
const PAGE: usize = 500;

/// The store of the arguments.
pub(crate) async fn store(place: &Place) -> Result<AnyStore, Error> {
    match place.address() {
        Some(address) => AnyStore::open(address).await.map_err(|error| refuse("--store", &error)),
        None => Ok(AnyStore::new(Sqlite::open_default().await.map_err(|error| refuse("the default store", &error))?)),
    }
}

/// The store of a command that asks nothing, which creates no file.
pub(crate) async fn existing(place: &Place) -> Result<AnyStore, Error> {
    let missing = || Error::invalid_request("--store", "names a file that does not exist");
    match place.address() {
        Some(address) if AnyStore::would_create(address).map_err(|error| refuse("--store", &error))? => Err(missing()),
        None if Sqlite::default_path().is_ok_and(|path| !path.exists()) => Ok(AnyStore::new(Memory::default())),
        _ => store(place).await,
    }
}

/// The store of a question. A new conversation does not need the default store: the answer is more important, and a note
/// says that nothing is stored. The arguments are then those of `--no-store`.
pub(crate) async fn store_or_memory(args: &mut StoredArgs) -> Result<AnyStore, Error> {
    let is_needed = args.last || args.resume.is_some() || args.place.address().is_some();
    match store(&args.place).await {
        Err(error) if !is_needed => {
            note(&format!("Nothing is stored: {error:#}"));
            args.place.no_store = true;
            Ok(AnyStore::new(Memory::default()))
        }
        opened => opened,
    }
}

/// The conversation that the options select, or a new one.
pub(crate) async fn conversation<T: Transport>(
    client: &Client<T>,
    store: &AnyStore,
    options: &Options,
) -> Result<Conversation<T>, Error> {
    let id = match &options.stored.resume {
        Some(part) => Some(find(store, part).await?),
        None if options.stored.last => Some(last(store).await?),
        None => None,
    };
    match id {
        Some(id) => {
            let conversation = resume(client, store, id, options).await?;
            refuse_other_api(options, api(&conversation))?;
            refuse_other_integration(options, &conversation)?;
            Ok(with_flags(conversation, options))
        }
        None => start(client, store, options),
    }
}

/// A session stays with its integration.
fn refuse_other_integration<T: Transport>(options: &Options, conversation: &Conversation<T>) -> Result<(), Error> {
    let given = options.session.integration.as_deref().filter(|_| !options.connection.from_env.integration);
    match (given, conversation.talk()) {
        (Some(given), Talk::Session(session)) if given != session.integration_id() => {
            let reason = format!("is not that of the conversation, which is {:?}", session.integration_id());
            Err(Error::invalid_request("--integration", reason))
        }
        _ => Ok(()),
    }
}

/// A new conversation.
fn start<T: Transport>(client: &Client<T>, store: &AnyStore, options: &Options) -> Result<Conversation<T>, Error> {
    refuse_other_api(options, options.api)?;
    Ok(match options.api {
        Api::Sessions => {
            let mut session = session(client, integration(options)?, options);
            if let Some(id) = &options.session.session {
                session = session.with_id(id.clone());
            }
            store.start(session)
        }
        Api::Completions => store.start(chat(client, options)?),
    })
}

/// A stored conversation with its model and instructions. The other settings are those of the options.
pub(crate) async fn resume<T: Transport>(
    client: &Client<T>,
    store: &AnyStore,
    id: ConversationId,
    options: &Options,
) -> Result<Conversation<T>, Error> {
    let conversation = store.conversation(client, id).await.map_err(|error| refuse("the conversation", &error))?;
    let Talk::Chat(chat) = conversation.talk() else {
        return Ok(conversation.with_session(|session| session.with_streaming(!options.no_stream)));
    };
    let stored = chat.input();
    let mut input = complete(options, &stored.model)?;
    input.messages.clone_from(&stored.messages);
    Ok(conversation.with_chat(|chat| chat.with_settings(|_| input)))
}

/// Replaces the model and the instructions by those that are given as flags.
fn with_flags<T: Transport>(conversation: Conversation<T>, options: &Options) -> Conversation<T> {
    let args = &options.completion;
    let model = args.model.clone().filter(|_| !options.connection.from_env.model);
    conversation.with_chat(|chat| {
        let chat = match model {
            Some(model) => with_model(chat, model),
            None => chat,
        };
        match &args.system {
            Some(system) => chat.with_system(system),
            None => chat,
        }
    })
}

/// The chat with another model.
pub(crate) fn with_model<T: Transport>(chat: Chat<T>, model: String) -> Chat<T> {
    chat.with_settings(|mut input| {
        input.model = model;
        input
    })
}

/// A new conversation with the settings of this one.
#[cfg(feature = "terminal")]
pub(crate) fn again<T: Transport>(
    client: &Client<T>,
    store: &AnyStore,
    options: &Options,
    conversation: &Conversation<T>,
) -> Result<Conversation<T>, Error> {
    Ok(match conversation.talk() {
        Talk::Chat(chat) => store.start(client.chat("").with_settings(|_| chat.input().clone())),
        Talk::Session(current) => store.start(session(client, current.integration_id(), options)),
        _ => start(client, store, options)?,
    })
}

fn session<T: Transport>(client: &Client<T>, integration: &str, options: &Options) -> Session<T> {
    let args = &options.session;
    let mut session = client.session(integration).with_streaming(!options.no_stream);
    if let Some(mode) = &args.chat_mode {
        session = session.with_chat_mode(mode.as_str());
    }
    if let Some(guidance) = &args.guidance {
        session = session.with_guidance(guidance);
    }
    if let Some(context) = &args.context {
        session = session.with_context(context);
    }
    if args.tags.is_empty() { session } else { session.with_tags(&args.tags) }
}

fn chat<T: Transport>(client: &Client<T>, options: &Options) -> Result<Chat<T>, Error> {
    let model = model(options)?;
    let input = complete(options, model)?;
    Ok(client.chat(model).with_settings(|_| input))
}

/// The API of a conversation.
pub(crate) fn api<T: Transport>(conversation: &Conversation<T>) -> Api {
    match conversation.talk() {
        Talk::Session(_) => Api::Sessions,
        _ => Api::Completions,
    }
}

/// Whether a call has failed because the server does not know the session any more.
pub(crate) fn has_lost_session<T: Transport>(outcome: &Result<Answer, Error>, conversation: &Conversation<T>) -> bool {
    let is_unknown = matches!(outcome, Err(error) if error.status() == Some(StatusCode::NOT_FOUND));
    is_unknown && matches!(conversation.talk(), Talk::Session(session) if session.id().is_some())
}

/// Finds the conversation whose id has this part.
pub(crate) async fn find(store: &AnyStore, part: &str) -> Result<ConversationId, Error> {
    let part = part.trim().to_ascii_lowercase();
    if let Ok(id) = part.parse() {
        return Ok(id);
    }
    let none = |reason| Error::invalid_request(format!("the conversation {part:?}"), reason);
    if part.len() < MIN_PART {
        return Err(none("is too short; write the 8 characters that `chat sessions` prints"));
    }
    let (mut found, mut after) = (None, None);
    loop {
        let page = list(store, after, PAGE).await?;
        for summary in page.iter().filter(|summary| summary.id.to_string().contains(&part)) {
            if found.replace(summary.id).is_some() {
                return Err(none("may be several; write more of its id"));
            }
        }
        match page.last() {
            Some(summary) if page.len() == PAGE => after = Some(summary.position()),
            _ => return found.ok_or_else(|| none(NOT_THERE)),
        }
    }
}

/// The conversation that was used last.
pub(crate) async fn last(store: &AnyStore) -> Result<ConversationId, Error> {
    let first = list(store, None, 1).await?.pop();
    let none = || Error::invalid_request("--last", "has nothing to continue: the store has no conversation");
    first.map(|summary| summary.id).ok_or_else(none)
}

pub(crate) async fn list(
    store: &AnyStore,
    after: Option<chat_store::Position>,
    limit: usize,
) -> Result<Vec<Summary>, Error> {
    store.list(after, limit).await.map_err(|error| refuse("the store", &error))
}

/// Why a turn is not stored, for the user of `chat ask`.
pub(crate) fn not_stored(error: &AppendError) -> String {
    match error {
        AppendError::Conflict(_) => {
            "The question and its answer are not stored, because another process has continued this \
            conversation meanwhile. Ask again with --last to go on after that."
                .to_owned()
        }
        AppendError::Shorter(_) => {
            "The question and its answer are not stored, because another process has deleted this conversation."
                .to_owned()
        }
        other => format!("The question and its answer are not stored: {other}"),
    }
}

/// The error of a call that a store prevents.
pub(crate) fn refuse(what: &'static str, error: &StoreError) -> Error {
    Error::invalid_request(what, format!("cannot be used: {error}"))
}

/// Prints a reply and stores its turn. Returns the outcome of the call, and why its turn is not stored.
pub(crate) async fn read<T: Transport>(
    mut reply: StoredReply<'_, AnyStore, T>,
    printer: &mut Printer,
    interrupt: &mut Interrupt,
) -> io::Result<(Result<Answer, Error>, Option<AppendError>)> {
    let streamed = stream(&mut reply, printer, interrupt).await;
    let ended = match streamed {
        Ok(End::Complete) => reply.finish().await,
        // What has arrived is stored, also if the output is closed.
        Ok(End::Interrupted) | Err(_) => reply.cancel().await,
    };
    streamed.map(|_| split(ended))
}

fn split(ended: Result<Answer, AskError>) -> (Result<Answer, Error>, Option<AppendError>) {
    match ended {
        Ok(answer) => (Ok(answer), None),
        Err(AskError::NotSaved(not_saved)) => (not_saved.outcome, Some(not_saved.error)),
        Err(AskError::Call(error)) => (Err(error), None),
        Err(other) => (Err(Error::invalid_request("the store", other.to_string())), None),
    }
}
