#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod backend;
mod body;
mod convert;
mod runtime;
mod send_error;
mod transport;

pub use chat_client::*;

pub use backend::Backend;
pub use body::AnswerBody;
pub use chat_http1::{Connector, Proxy, ProxyError, rustls, tls};
pub use runtime::AsyncStd;
pub use send_error::SendError;
pub use surf;
pub use transport::AsyncStdTransport;

/// A [`chat_client::Client`] on async-std and surf.
pub type Client = chat_client::Client<AsyncStdTransport>;

/// A [`chat_client::Reply`] on async-std and surf.
pub type Reply = chat_client::Reply<AsyncStdTransport>;

/// A [`chat_client::Session`] on async-std and surf.
pub type Session = chat_client::Session<AsyncStdTransport>;
