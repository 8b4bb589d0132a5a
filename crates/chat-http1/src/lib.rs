#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod body;
mod connection;
mod engine;
mod error;
mod guard;
mod pool;
#[cfg(feature = "net")]
mod runtime;
#[cfg(feature = "net")]
mod stream;

pub use body::AnswerBody;
#[cfg(feature = "net")]
pub use chat_net::{Origin, Proxy, ProxyError, ProxyServer, Runtime, Scheme, set_options, tls};
pub use engine::{Connect, Engine, Sending};
pub use error::{ConnectError, SendError};
#[cfg(feature = "net")]
pub use futures_rustls::rustls;
#[cfg(feature = "net")]
pub use runtime::Connector;
#[cfg(feature = "net")]
pub use stream::Stream;
