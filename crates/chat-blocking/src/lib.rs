#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

#[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
compile_error!("chat-blocking needs certificate roots: enable `webpki-roots` or `native-roots`");

mod buffer;
mod cancel;
mod client;
mod connection;
mod connector;
mod dial;
mod http1;
mod proxy;
mod reply;
mod socket;
mod tls;

pub use chat_client::{
    Asks, AsyncKeyFn, Build, Call, ClientBuilder, Conversation, Defaults, ENV_API_KEY, ENV_BASE_URL,
    ENV_INTEGRATION_ID, KeyFn, KeyFuture, KeySource, Question, Settings, Step, Turn,
};
pub use chat_proto::*;

pub use cancel::Canceller;
pub use client::Client;
pub use connector::Connector;
pub use proxy::Proxy;
pub use reply::{Reply, Text};
pub use rustls;

/// A [`chat_client::Session`] whose replies block.
pub type Session = chat_client::Session<Client>;
