//! What the commands of the terminal do.

use std::path::PathBuf;

use chat_client::driver::FromSettings;
use chat_client::{Answer, Chat, Error, OneLine};
use chat_store::{ConversationId, Store, StoredTurn, Talk};

use super::command::{self, Command};
use super::{LISTED, Repl, save};
use crate::connect::names;
use crate::message::message;
use crate::print::sanitize;
use crate::sessions;
use crate::stored::{self, Conversation};
use crate::terminal;

/// What a command does.
pub(super) enum Reaction<T> {
    /// Print this text.
    Say(String),
    /// Change the settings of the chat, and say so.
    Change(Box<dyn FnOnce(Chat<T>) -> Chat<T>>, String),
    /// Go on with this conversation.
    GoOn(Box<Conversation<T>>),
}

impl<T: FromSettings> Repl<T> {
    /// Runs a command until Ctrl-C.
    pub(super) async fn command_or_interrupt(
        &self,
        command: Command<'_>,
        conversation: &mut Conversation<T>,
    ) -> Result<Reaction<T>, Error> {
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            biased;
            () = interrupt.wait() => Err(Error::cancelled()),
            reaction = self.command(command, conversation) => reaction,
        }
    }

    /// Runs a command.
    async fn command(&self, command: Command<'_>, conversation: &mut Conversation<T>) -> Result<Reaction<T>, Error> {
        let text = match command {
            Command::New => {
                let next = stored::again(&self.client, &self.store, &self.options, conversation)?;
                return Ok(Reaction::GoOn(Box::new(next)));
            }
            Command::Resume(part) => {
                let id = self.other(part, conversation).await?;
                let next = stored::resume(&self.client, &self.store, id, &self.options).await?;
                return Ok(Reaction::GoOn(Box::new(next)));
            }
            Command::Model(Some(name)) => {
                let name = chat("/model", conversation).map(|_| name.to_owned())?;
                let done = format!("The next question goes to {name}.");
                return Ok(Reaction::Change(Box::new(|chat| stored::with_model(chat, name)), done));
            }
            Command::System(Some(text)) => {
                let text = chat("/system", conversation).map(|_| text.to_owned())?;
                let done = "The next question has these instructions.".to_owned();
                return Ok(Reaction::Change(Box::new(|chat| chat.with_system(text)), done));
            }
            Command::Model(None) => {
                let current = OneLine(&chat("/model", conversation)?.input().model).to_string();
                match self.client.list_models().await {
                    Ok(models) => {
                        models.iter().fold(format!("The model is {current}. The server lists:\n"), |list, model| {
                            list + &format!("  {}\n", OneLine(&model.id))
                        })
                    }
                    Err(error) => {
                        let reason = message(&error, &names(&self.options.connection));
                        let reason: String = OneLine(&reason).to_string().chars().take(200).collect();
                        format!("The model is {current}. The server has given no list of models: {reason}\n")
                    }
                }
            }
            Command::System(None) => match &*chat("/system", conversation)?.input().messages {
                [] => "There are no instructions.\n".to_owned(),
                messages => messages.iter().map(|message| sanitize(&message.text()).into_owned() + "\n").collect(),
            },
            Command::Sessions => sessions::table(&stored::list(&self.store, None, LISTED).await?),
            Command::Citations => self.citations(conversation),
            Command::Save(file) => {
                let turns = self.all_turns(conversation).await;
                save::save(&expand(file), &turns)
                    .map_err(|error| Error::invalid_request("/save", format!("could not write {file}: {error}")))?;
                format!("Saved {} in {}.\n", sessions::count(turns.len() as u64), OneLine(file))
            }
            Command::Help => command::help(),
        };
        Ok(Reaction::Say(text))
    }

    /// All turns, stored or not. If the store fails, those in memory.
    async fn all_turns(&self, conversation: &mut Conversation<T>) -> Vec<StoredTurn> {
        let mut turns = match self.store.load(conversation.id(), usize::MAX).await {
            Ok(Some(loaded)) => loaded.turns,
            Ok(None) | Err(_) => conversation.turns().to_vec(),
        };
        turns.extend_from_slice(conversation.unsaved());
        turns
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
}

/// The path of a file name, with the user's folder for `~`.
fn expand(file: &str) -> PathBuf {
    match (file.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(file),
    }
}

/// The chat of a conversation. A session is an error.
fn chat<'a, T: FromSettings>(command: &'static str, conversation: &'a Conversation<T>) -> Result<&'a Chat<T>, Error> {
    match conversation.talk() {
        Talk::Chat(chat) => Ok(chat),
        _ => Err(Error::invalid_request(command, "is for chat completions, and this conversation is a session")),
    }
}
