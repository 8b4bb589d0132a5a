//! The parts of the client, for drivers and transports of your own.
//!
//! - A transport implements [`Transport`](crate::Transport), and [`FromSettings`] if it can be created from settings alone.
//! - A driver without a [`Transport`](crate::Transport) runs a [`Call`] itself. A [`Conversation`] makes the requests of a
//!   session, a [`ChatHistory`] those of a chat.

pub use chat_proto::{ApiKey, Attempt, BoxError, Config, Elapsed, Endpoint, Exchange, Output, Request, TransportError};

pub use crate::builder::Build;
pub use crate::call::Call;
pub use crate::chat_history::ChatHistory;
pub use crate::conversation::Conversation;
pub use crate::key::{AsyncKeyFn, KeyFn, KeyFuture};
pub use crate::local_key::{LocalError, LocalSend};
pub use crate::settings::{Defaults, Settings};
pub use crate::transport::{DRAIN_BYTES, DRAIN_TIME, FromSettings, TransportSettings};
pub use crate::turn::PendingTurn;
