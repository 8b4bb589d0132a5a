#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod clocks;
mod config;
mod content;
mod dialect;
mod elapsed;
mod endpoint;
mod error;
mod event;
mod exchange;
mod footnotes;
mod limits;
mod receiver;
mod request;
mod retry;
mod serde_ext;
mod session_id;
mod sessions;
mod surrogates;

pub use chat_sse as sse;

pub use config::{Config, RetryPolicy, TimeoutKind, Timeouts};
pub use elapsed::Elapsed;
pub use endpoint::{ApiKey, DEFAULT_BASE_URL, Endpoint};
pub use error::{BoxError, Error, ErrorKind, Fault, GaveUp, Phase, Received, Truncation, UnexpectedResponse};
pub use event::{Answer, Event, Head, OtherEvent};
pub use exchange::{Attempt, Exchange, Output, TransportError};
pub use footnotes::{Footnotes, OneLine, Reference};
pub use limits::{Limit, Limits};
pub use receiver::Receiver;
pub use request::Request;
pub use retry::RetryAfter;
pub use session_id::SessionId;
pub use sessions::model::*;
