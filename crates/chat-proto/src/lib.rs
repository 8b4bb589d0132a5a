#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod config;
mod content;
mod dialect;
mod endpoint;
mod error;
mod event;
mod exchange;
mod footnotes;
mod limits;
mod receiver;
mod request;
mod retry;
mod session_id;
pub mod sse;
mod time;
mod v0;
mod wire;

pub use config::{Clock, Config, RetryPolicy, Timeouts};
pub use endpoint::{ApiKey, DEFAULT_BASE_URL, Endpoint};
pub use error::{Blame, Cut, Error, ErrorKind, GaveUp, Phase, Source, Unexpected};
pub use event::{Answer, Event, Head, OtherEvent};
pub use exchange::{Exchange, Output, TransportError};
pub use footnotes::{Footnotes, Reference};
pub use limits::{Limit, Limits};
pub use receiver::Receiver;
pub use request::Request;
pub use retry::RetryAfter;
pub use session_id::SessionId;
pub use time::Timestamp;
pub use v0::model::*;
