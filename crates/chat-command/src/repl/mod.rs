//! `chat repl`: questions and answers in a terminal.

mod command;
mod editor;
mod react;
mod save;

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::path::PathBuf;
#[cfg(unix)]
use std::time::Duration;

use chat_client::driver::FromSettings;
use chat_client::proto::DEFAULT_BASE_URL;
use chat_client::{Answer, Client, Error, ErrorKind, OneLine};
use chat_store::{AnyStore, AppendError, Sqlite, StoredTurn, Talk};

use self::command::Input;
use self::editor::{Entered, Prompt};
use self::react::Reaction;
use crate::args::{Options, Transport};
use crate::ask::{outcome_with_notes, printer};
use crate::connect::{configure, key_of, names};
use crate::interrupt::{self, Interrupt};
use crate::message::message;
use crate::print::{USAGE, note, report};
use crate::sessions;
use crate::stored::{self, Conversation};
use crate::terminal::echo;

/// How long an answer may take to be stored after SIGTERM.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(2);

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
    #[cfg(unix)]
    interrupt.stop_on_terminate(GRACE)?;
    if options.connection.json {
        report("--json is for `chat ask`", "`chat sessions show ID --json` prints the turns of a conversation.");
        return Ok(USAGE);
    }
    let started = async {
        let client = configure(Client::<T>::builder(), &options.connection)?.build()?;
        let store = stored::store_or_memory(&mut options.stored).await?;
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
    if options.stored.place.is_memory() {
        return None;
    }
    let file = Sqlite::default_path().ok()?.with_file_name("history");
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(file.parent()?).ok()?;
    Some(file)
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
            if self.interrupt.is_terminated() {
                break interrupt::STATUS;
            }
            self.interrupt.set_idle(true);
            let entered = self.prompt.read();
            self.interrupt.set_idle(false);
            self.interrupt.reset();
            let line = match entered? {
                Entered::Line(line) => line,
                Entered::Interrupt => break interrupt::STATUS,
                Entered::End => break 0,
            };
            match Input::parse(&line) {
                Input::Nothing => {}
                Input::Question(question) => self.ask(&mut conversation, question.to_owned()).await?,
                Input::Wrong(sentence) => note(&sentence),
                Input::Quit => break 0,
                Input::Retry => match self.question.clone() {
                    Some(question) => {
                        print(&format!("> {}\n", OneLine(&question)))?;
                        self.ask(&mut conversation, question).await?;
                    }
                    None => note("There is no question to ask again."),
                },
                Input::Command(command) => match self.command_or_interrupt(command, &mut conversation).await {
                    Ok(Reaction::Say(text)) => print(&text)?,
                    Ok(Reaction::Change(change, done)) => {
                        conversation = conversation.with_chat(change);
                        note(&done);
                    }
                    Ok(Reaction::GoOn(next)) => {
                        self.save_rest(&mut conversation).await;
                        conversation = *next;
                        // /retry can ask the last question again in a new conversation.
                        self.answer = None;
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
        self.question = Some(question.clone());
        print("\n")?;
        echo::mark_paste(true);
        let mut printer = printer(&self.options);
        let reply = conversation.ask(question);
        let (outcome, unsaved) = stored::read(reply, &mut printer, &mut self.interrupt).await?;
        if matches!(&outcome, Err(error) if matches!(error.kind(), ErrorKind::Cancelled)) {
            printer.stopped(&outcome)?;
        } else {
            outcome_with_notes(&self.options, &mut printer, &outcome)?;
            if stored::has_lost_session(&outcome, conversation) {
                note("The server may have forgotten this session. /new starts another one, and /retry asks it.");
            }
        }
        self.answer = outcome.map_or_else(Error::into_partial, Some);
        match unsaved {
            None => {}
            Some(AppendError::Conflict(_)) => self.reload(conversation).await?,
            Some(AppendError::Shorter(_)) => {
                note("Another process has deleted this conversation, so it is not stored any more.");
                note("/save FILE keeps its text, and /new starts another one.");
            }
            Some(error) => note(&format!("The turn is kept, and stored with the next one: {error}")),
        }
        // A blank line before the prompt.
        print("\n")
    }

    /// Takes over the turns of another process after a conflict.
    async fn reload(&mut self, conversation: &mut Conversation<T>) -> io::Result<()> {
        let known = conversation.len();
        let lost = match conversation.reload().await {
            Ok(lost) => sessions::count(lost.len() as u64),
            Err(error) => {
                note(&error.to_string());
                return Ok(());
            }
        };
        let new = usize::try_from(conversation.len().saturating_sub(known)).unwrap_or(usize::MAX);
        note(&format!("Another process has continued this conversation. {lost} of yours, above, could not be stored."));
        note("The other process added:");
        let turns = conversation.turns();
        turns[turns.len().saturating_sub(new)..].iter().try_for_each(|turn| self.print_turn(turn))?;
        note("/retry asks your last question again, after that.");
        Ok(())
    }

    fn greet(&self, conversation: &Conversation<T>) {
        let server = self.options.connection.server.as_deref().unwrap_or(DEFAULT_BASE_URL);
        // A query may have a key, and so may the part before the host.
        let server = server.split(['?', '#']).next().unwrap_or_default();
        let server = match (server.split_once("://"), server.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => server.to_owned(),
        };
        let about = match conversation.talk() {
            Talk::Chat(chat) => format!("model {}", chat.input().model),
            Talk::Session(session) => format!("integration {}", session.integration_id()),
            _ => String::new(),
        };
        let line = format!("chat on {server}, {about}");
        note(&key_of(&self.options.connection).map_or(line.clone(), |key| key.redact(&line).into_owned()));
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
