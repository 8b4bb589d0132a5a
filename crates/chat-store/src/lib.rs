#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod address;
mod any;
mod conversation;
mod error;
mod id;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod reply;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod talk;
mod turn;

pub use any::AnyStore;
pub use conversation::{DEFAULT_LAST, StoredConversation};
pub use error::{AppendError, AskError, NotSaved, StoreError};
pub use id::{ConversationId, TurnId};
pub use memory::Memory;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
pub use record::{About, Dialect, Head, Loaded, Position, Summary};
pub use reply::StoredReply;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use store::Store;
pub use talk::Talk;
/// The crate of the server's configuration and of TLS for [`Postgres`].
#[cfg(feature = "postgres")]
pub use tokio_postgres;
pub use turn::{Content, SessionTurn, StoredTurn};
