#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod answer;
mod api_key;
mod citation;
mod clocks;
pub mod completions;
mod config;
mod content;
mod dialect;
mod elapsed;
mod endpoint;
mod error;
mod event;
mod exchange;
mod footnotes;
mod head;
mod limits;
pub mod lines;
mod one_line;
mod progress;
mod receiver;
mod redact;
mod redactor;
mod request;
mod retry;
mod retry_after;
mod serde_ext;
mod server_error;
mod session_id;
pub mod sessions;
mod setters;
mod surrogates;
mod template;
mod transport_error;
mod validation;

pub use chat_sse as sse;

pub use answer::Answer;
pub use api_key::ApiKey;
pub use citation::{Citation, Citations, Record, RecordType};
pub use config::{Config, RetryPolicy, TimeoutKind, Timeouts};
pub use elapsed::Elapsed;
pub use endpoint::{DEFAULT_BASE_URL, Endpoint};
pub use error::{BoxError, Error, ErrorKind, Fault, GaveUp, Phase, Received, Truncation, UnexpectedResponse};
pub use event::{Event, FinishReason, OtherEvent, Started, TextDelta, ToolCall, ToolCallDelta, Usage};
pub use exchange::{Attempt, Exchange, Output};
pub use footnotes::{Footnotes, Reference};
pub use head::{Head, RateLimit};
pub use limits::{Limit, Limits};
pub use one_line::OneLine;
pub use receiver::Receiver;
pub use redactor::Redactor;
pub use request::Request;
pub use retry_after::RetryAfter;
pub use server_error::ServerError;
pub use session_id::SessionId;
pub use transport_error::TransportError;
pub use validation::{Location, ValidationError};
