#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
compile_error!("transport-async-std needs certificate roots: enable `webpki-roots` or `native-roots`");

mod backend;
mod body;
mod convert;
mod runtime;
mod send_error;
mod transport;

pub use chat_client::*;

pub use backend::Backend;
pub use body::AnswerBody;
pub use chat_http1::rustls;
pub use send_error::SendError;
pub use surf;
pub use transport::AsyncStdTransport;

/// A [`chat_client::Client`] on async-std and surf.
pub type Client = chat_client::Client<AsyncStdTransport>;

/// A [`chat_client::Reply`] on async-std and surf.
pub type Reply = chat_client::Reply<AsyncStdTransport>;

/// A [`chat_client::Session`] on async-std and surf.
pub type Session = chat_client::Session<Client>;
