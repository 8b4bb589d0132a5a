#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod buffer;
mod cancel;
mod client;
mod connection;
mod connector;
mod dial;
mod http1;
mod reply;
mod socket;

pub use chat_client::{
    Asks, AsyncKeyFn, Build, Call, ClientBuilder, Conversation, Defaults, ENV_API_KEY, ENV_BASE_URL,
    ENV_INTEGRATION_ID, KeyFn, KeyFuture, KeySource, Question, Settings, Step, Turn,
};
pub use chat_net::{Proxy, ProxyError};
pub use chat_proto::*;

pub use cancel::Canceller;
pub use client::Client;
pub use connector::Connector;
pub use reply::{Reply, Text};
pub use rustls;

/// A [`chat_client::Session`] whose replies block.
pub type Session = chat_client::Session<Client>;
