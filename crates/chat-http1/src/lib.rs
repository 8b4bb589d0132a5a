#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod body;
mod connection;
mod engine;
mod error;
mod io;
mod limited_read;
mod pool;
mod rest;
mod runtime;
mod stream;

pub use body::AnswerBody;
pub use chat_net::{ConnectError, Origin, Proxy, ProxyError, ProxyServer, Runtime, Scheme, set_options, tls};
pub use engine::{Connect, Engine};
pub use error::SendError;
pub use futures_rustls::rustls;
pub use io::Io;
pub use runtime::Connector;
pub use stream::Stream;
