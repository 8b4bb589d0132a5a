#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod builder;
mod call;
mod client;
mod conversation;
mod key;
mod reply;
mod session;
mod settings;
mod trace;
mod transport;

pub use chat_proto::*;

pub use builder::{Build, ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID};
pub use call::Call;
pub use client::Client;
pub use conversation::{Conversation, PendingTurn, Turn};
pub use key::{AsyncKeyFn, KeyFn, KeyFuture, KeySource};
pub use reply::{Reply, Text};
pub use session::Session;
pub use settings::{Defaults, Settings};
pub use transport::{FromSettings, Transport, TransportSettings};
