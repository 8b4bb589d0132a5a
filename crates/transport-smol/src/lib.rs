#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
compile_error!("transport-smol needs certificate roots: enable `webpki-roots` or `native-roots`");

mod runtime;
mod transport;

pub use chat_client::*;

pub use chat_http1::{AnswerBody, SendError, Sending, rustls};
pub use runtime::AsyncIo;
pub use transport::SmolTransport;

/// A [`chat_client::Client`] on async-io.
pub type Client = chat_client::Client<SmolTransport>;

/// A [`chat_client::Reply`] on async-io.
pub type Reply = chat_client::Reply<SmolTransport>;

/// A [`chat_client::Session`] on async-io.
pub type Session = chat_client::Session<Client>;
