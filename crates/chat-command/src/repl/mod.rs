//! `chat repl`: questions and answers in a terminal.

mod command;
mod editor;
mod save;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chat_client::driver::FromSettings;
use chat_client::{Answer, Chat, Client, Error, ErrorKind, OneLine};
use chat_store::{AnyStore, AppendError, ConversationId, Sqlite, Store, StoredTurn, Talk};

use self::command::{Command, Input};
use self::editor::{Entered, Prompt};
use crate::args::{Options, Transport};
use crate::ask::{End, outcome_with_notes, printer, stream};
use crate::connect::{configure, names};
use crate::interrupt::{self, Interrupt};
use crate::message::message;
use crate::print::{note, report};
use crate::sessions;
use crate::stored::{self, Conversation};
use crate::terminal::{self, echo};

/// The number of conversations that `/sessions` lists.
const LISTED: usize = 20;

pub(crate) async fn run(options: Options, interrupt: Interrupt) -> io::Result<u8> {
    match options.connection.transport {
        Transport::Hyper => run_on::<transport_hyper::HyperTransport>(options, interrupt).await,
        #[cfg(feature = "async-std")]
        Transport::AsyncStd => run_on::<transport_async_std::AsyncStdTransport>(options, interrupt).await,
        #[cfg(feature = "smol")]
        Transport::Smol => run_on::<transport_smol::SmolTransport>(options, interrupt).await,
        #[cfg(feature = "blocking")]
        Transport::Blocking => {
            let error = Error::invalid_request("--transport blocking", "is for `chat ask`; use another transport");
            printer(&options).outcome(&Err(error))
        }
        #[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
        transport => printer(&options).outcome(&Err(crate::connect::not_included(transport))),
    }
}

async fn run_on<T: FromSettings>(mut options: Options, interrupt: Interrupt) -> io::Result<u8> {
    if options.connection.json {
        let error = Error::invalid_request("--json", "is for `chat ask`; `chat sessions show ID --json` prints turns");
        return printer(&options).outcome(&Err(error));
    }
    let started = async {
        let client = configure(Client::<T>::builder(), &options.connection)?.build()?;
        let store = stored::store(&options.stored.place).await?;
        let conversation = stored::conversation(&client, &store, &options).await?;
        Ok((client, store, conversation))
    };
    let (client, store, conversation) = match started.await {
        Ok(started) => started,
        Err(error) => {
            let status = printer(&options).outcome(&Err(error))?;
            note("`chat demo --interactive` needs no key and no settings. `chat repl --help` lists all settings.");
            return Ok(status);
        }
    };
    let prompt = Prompt::new(history_file(&options))?;
    options.api = stored::api(&conversation);
    Repl { options, interrupt, client, store, prompt, answer: None, question: None }.run(conversation).await
}

/// The file with the questions, beside the default store. A store in memory leaves nothing behind.
fn history_file(options: &Options) -> Option<PathBuf> {
    let place = &options.stored.place;
    let in_memory = place.no_store || place.store.as_deref() == Some("memory:");
    let file = if in_memory { None } else { Sqlite::default_path().ok() }?.with_file_name("history");
    std::fs::create_dir_all(file.parent()?).ok()?;
    Some(file)
}

/// What a command does.
enum Reaction<T> {
    /// Print this text.
    Say(String),
    /// Change the settings of the chat.
    Change(Box<dyn FnOnce(Chat<T>) -> Chat<T>>),
    /// Go on with this conversation.
    GoOn(Box<Conversation<T>>),
}

struct Repl<T> {
    options: Options,
    interrupt: Interrupt,
    client: Client<T>,
    store: AnyStore,
    prompt: Prompt,
    /// The last answer, complete or not.
    answer: Option<Answer>,
    /// The last question.
    question: Option<String>,
}

impl<T: FromSettings> Repl<T> {
    async fn run(mut self, mut conversation: Conversation<T>) -> io::Result<u8> {
        let _silence = echo::Silence::start();
        self.greet(&conversation);
        self.recall(&conversation)?;
        let status = loop {
            let line = match self.prompt.read()? {
                Entered::Line(line) => line,
                Entered::Interrupt => break interrupt::STATUS,
                Entered::End => break 0,
            };
            match Input::parse(&line) {
                Input::Nothing => {}
                Input::Question(question) => self.ask(&mut conversation, question.to_owned()).await?,
                Input::Wrong(sentence) => note(&sentence),
                Input::Command(Command::Quit) => break 0,
                Input::Command(Command::Retry) => match self.question.clone() {
                    Some(question) => {
                        print(&format!("> {}\n", OneLine(&question)))?;
                        self.ask(&mut conversation, question).await?;
                    }
                    None => note("There is no question to ask again."),
                },
                Input::Command(command) => match self.command(command, &conversation).await {
                    Ok(Reaction::Say(text)) => print(&text)?,
                    Ok(Reaction::Change(change)) => conversation = conversation.with_chat(change),
                    Ok(Reaction::GoOn(next)) => {
                        self.save_rest(&mut conversation).await;
                        conversation = *next;
                        (self.answer, self.question) = (None, None);
                        self.options.api = stored::api(&conversation);
                        self.greet(&conversation);
                        self.recall(&conversation)?;
                    }
                    Err(error) => note(&message(&error, &names(&self.options.connection))),
                },
            }
        };
        self.save_rest(&mut conversation).await;
        Ok(status)
    }

    /// Asks a question, and prints its answer while it arrives. Ctrl-C stops the answer.
    async fn ask(&mut self, conversation: &mut Conversation<T>, question: String) -> io::Result<()> {
        self.interrupt.reset();
        self.question = Some(question.clone());
        print("\n")?;
        let mut printer = printer(&self.options);
        let mut reply = conversation.ask(question);
        let ended = match stream(&mut reply, &mut printer, &mut self.interrupt).await? {
            End::Interrupted => reply.cancel().await,
            End::Complete => reply.finish().await,
        };
        let (outcome, unsaved) = stored::split(ended);
        if matches!(&outcome, Err(error) if matches!(error.kind(), ErrorKind::Cancelled)) {
            printer.stopped(&outcome)?;
        } else {
            outcome_with_notes(&self.options, &mut printer, &outcome)?;
        }
        self.answer = outcome.map_or_else(Error::into_partial, Some);
        match unsaved {
            None => {}
            Some(AppendError::Conflict(other)) => self.reload(conversation, &other).await?,
            Some(error) => note(&format!("The turn is kept, and stored with the next one: {error}")),
        }
        // A blank line before the prompt.
        print("\n")
    }

    /// Takes over the turns of another process after a conflict.
    async fn reload(&mut self, conversation: &mut Conversation<T>, other: &StoredTurn) -> io::Result<()> {
        note(
            "Another process has continued this conversation, so the question and answer above are not stored. It said:",
        );
        self.print_turn(other)?;
        match conversation.reload().await {
            Ok(_) => note("/retry asks your question again, after that."),
            Err(error) => note(&error.to_string()),
        }
        Ok(())
    }

    /// Runs a command.
    async fn command(&self, command: Command<'_>, conversation: &Conversation<T>) -> Result<Reaction<T>, Error> {
        let chat = |command| match conversation.talk() {
            Talk::Chat(chat) => Ok(chat),
            _ => Err(Error::invalid_request(command, "is for chat completions; the server of a session decides")),
        };
        let text = match command {
            Command::New => {
                let next = stored::again(&self.client, &self.store, &self.options, conversation);
                return Ok(Reaction::GoOn(Box::new(next)));
            }
            Command::Resume(part) => {
                let id = self.other(part, conversation).await?;
                let next = stored::resume(&self.client, &self.store, id, &self.options).await?;
                return Ok(Reaction::GoOn(Box::new(next)));
            }
            Command::Model(Some(name)) => {
                let name = chat("/model").map(|_| name.to_owned())?;
                return Ok(Reaction::Change(Box::new(|chat| {
                    chat.with_settings(|mut input| {
                        input.model = name;
                        input
                    })
                })));
            }
            Command::System(Some(text)) => {
                let text = chat("/system").map(|_| text.to_owned())?;
                return Ok(Reaction::Change(Box::new(|chat| chat.with_system(text))));
            }
            Command::Model(None) => {
                let current = format!("The model is {}. The server has:\n", OneLine(&chat("/model")?.input().model));
                let models = self.client.list_models().await?;
                models.iter().fold(current, |list, model| list + &format!("  {}\n", OneLine(&model.id)))
            }
            Command::System(None) => match &*chat("/system")?.input().messages {
                [] => "There are no instructions.\n".to_owned(),
                messages => messages.iter().map(|message| message.text() + "\n").collect(),
            },
            Command::Sessions => sessions::table(&stored::list(&self.store, None, LISTED).await?),
            Command::Citations => self.citations(conversation),
            Command::Save(file) => {
                let loaded = self.store.load(conversation.id(), usize::MAX).await;
                let loaded = loaded.map_err(|error| stored::refuse("the store", &error))?;
                let turns = loaded.map(|loaded| loaded.turns).unwrap_or_default();
                save::save(Path::new(file), &turns)
                    .map_err(|error| Error::invalid_request("/save", format!("could not write {file}: {error}")))?;
                format!("Saved {} in {}.\n", sessions::count(turns.len() as u64), OneLine(file))
            }
            Command::Help => command::help(),
            Command::Retry | Command::Quit => unreachable!("they are no reactions"),
        };
        Ok(Reaction::Say(text))
    }

    /// The id of `/resume`: by default that of the newest conversation that is not this one.
    async fn other(&self, part: Option<&str>, current: &Conversation<T>) -> Result<ConversationId, Error> {
        if let Some(part) = part {
            return stored::find(&self.store, part).await;
        }
        let newest = stored::list(&self.store, None, 2).await?;
        let other = newest.into_iter().find(|summary| summary.id != current.id());
        let none = || Error::invalid_request("/resume", "has nothing to continue: the store has no other conversation");
        other.map(|summary| summary.id).ok_or_else(none)
    }

    fn citations(&self, conversation: &Conversation<T>) -> String {
        let of_stored = conversation.turns().last().map(StoredTurn::citations).unwrap_or_default();
        let citations = self.answer.as_ref().map_or(of_stored, Answer::citations);
        if citations.is_empty() {
            return "The last answer has no sources.\n".to_owned();
        }
        terminal::sources(citations, self.options.output)
    }

    fn greet(&self, conversation: &Conversation<T>) {
        let server = self.options.connection.server.as_deref().unwrap_or(chat_client::proto::DEFAULT_BASE_URL);
        let about = match conversation.talk() {
            Talk::Chat(chat) => format!("model {}", chat.input().model),
            Talk::Session(session) => format!("integration {}", session.integration_id()),
            _ => String::new(),
        };
        note(&format!("chat on {server}, {about}"));
        note("/help lists the commands.");
    }

    /// Prints the last turn of a conversation that is continued.
    fn recall(&mut self, conversation: &Conversation<T>) -> io::Result<()> {
        let Some(last) = conversation.turns().last() else { return Ok(()) };
        self.question = Some(last.question()).filter(|question| !question.is_empty());
        note(&format!("This conversation has {}. The last turn:", sessions::count(conversation.len())));
        self.print_turn(last)
    }

    fn print_turn(&self, turn: &StoredTurn) -> io::Result<()> {
        print(&(sessions::turn(turn, self.options.output) + "\n"))
    }

    /// Stores the turns that could not be stored before.
    async fn save_rest(&self, conversation: &mut Conversation<T>) {
        if let Err(error) = conversation.save().await {
            let count = sessions::count(conversation.unsaved().len() as u64);
            report(&format!("{count} could not be stored: {error}"), "The text is above.");
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}
