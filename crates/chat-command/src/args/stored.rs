//! The options of stored conversations.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};

#[cfg(feature = "terminal")]
use super::Options;
use super::Output;

/// The address of a store that keeps nothing.
const MEMORY: &str = "memory:";

/// Where the conversation is kept, and which one is continued.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of stored conversations")]
pub(crate) struct StoredArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Continue the conversation that was used last
    #[arg(long, conflicts_with_all = ["no_store", "session", "resume", "chat_mode", "guidance", "context", "tags"])]
    pub(crate) last: bool,
    /// Continue the stored conversation with this id, or with a part of an id that only it has
    #[arg(long, value_name = "ID", conflicts_with_all = ["no_store", "session", "chat_mode", "guidance", "context", "tags"])]
    pub(crate) resume: Option<String>,
}

#[cfg(feature = "terminal")]
impl StoredArgs {
    /// Continues the conversation with this id.
    pub(crate) fn resume(self, id: String) -> Self {
        Self { resume: Some(id), ..self }
    }
}

/// The store of conversations.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Store of conversations: a file, `sqlite:FILE`, `memory:`, or `postgres://…` with the feature `postgres` [default: a
    /// file in the user's folder for state]
    #[arg(long, value_name = "URL", env = "CHAT_STORE", hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// Keep no conversation after the end of the program
    #[arg(long)]
    pub(crate) no_store: bool,
}

impl Place {
    /// Whether a store is selected by a flag or a variable.
    #[cfg(feature = "blocking")]
    pub(crate) fn is_given(&self) -> bool {
        self.address().is_some_and(|address| address != MEMORY)
    }

    /// The address of the store, without white space around it. `None` is the default store.
    pub(crate) fn address(&self) -> Option<&str> {
        if self.no_store {
            return Some(MEMORY);
        }
        self.store.as_deref().map(str::trim).filter(|address| !address.is_empty())
    }

    /// Whether nothing is kept.
    pub(crate) fn is_memory(&self) -> bool {
        self.address() == Some(MEMORY)
    }
}

/// `chat sessions`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) command: Option<SessionsCommand>,
    #[command(flatten)]
    pub(crate) list: List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the conversations, those used last first
    List(List),
    /// Print the turns of a conversation
    Show {
        /// The id, or a part of an id that only this conversation has
        id: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
        /// Print the last N turns
        #[arg(long, value_name = "N", default_value_t = 100)]
        turns: usize,
        /// Print one JSON object per turn
        #[arg(long)]
        json: bool,
    },
    /// Continue a conversation in the terminal; the same as `chat repl --resume ID`
    #[cfg(feature = "terminal")]
    Resume {
        /// The id, or a part of an id that only this conversation has
        id: String,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Delete conversations
    Delete {
        /// The ids, or parts of ids that only these conversations have
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Maximum number of conversations
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: NonZeroUsize,
    /// Print one JSON object per conversation
    #[arg(long)]
    pub(crate) json: bool,
}
