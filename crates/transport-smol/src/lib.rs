#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod runtime;
mod transport;

pub use chat_client::*;

pub use chat_http1::{Connector, Proxy, ProxyError, SendError, rustls, tls};
pub use runtime::AsyncIo;
pub use transport::{AnswerBody, Sending, Sleep, SmolTransport};

/// A [`chat_client::Client`] on async-io.
pub type Client = chat_client::Client<SmolTransport>;

/// A [`chat_client::Reply`] on async-io.
pub type Reply = chat_client::Reply<SmolTransport>;

/// A [`chat_client::Session`] on async-io.
pub type Session = chat_client::Session<SmolTransport>;
