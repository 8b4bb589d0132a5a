#![doc = include_str!("../README.md")]

mod body;
mod connection;
mod engine;
mod error;
mod pool;
#[cfg(feature = "net")]
mod runtime;
#[cfg(feature = "net")]
mod stream;
#[cfg(any(feature = "webpki-roots", feature = "native-roots"))]
mod tls;

pub use body::AnswerBody;
pub use engine::{Connect, Engine, Sending};
pub use error::{ConnectError, SendError};
#[cfg(feature = "net")]
pub use futures_rustls::rustls;
#[cfg(feature = "net")]
pub use runtime::{Connector, Runtime};
#[cfg(feature = "net")]
pub use stream::Stream;
#[cfg(any(feature = "webpki-roots", feature = "native-roots"))]
pub use tls::default_tls;
