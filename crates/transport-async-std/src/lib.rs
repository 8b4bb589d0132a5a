#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod backend;
mod body;
mod convert;
mod runtime;
mod send_error;
mod transport;

pub use chat_client;
// The names of `chat_client`. Keep the lists of all transports and of `chat-blocking` equal.
pub use chat_client::{
    Answer, Citation, Citations, ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, Error, ErrorKind, Event,
    Fault, FinishReason, Footnotes, GaveUp, Head, KeySource, Limit, Limits, LocalKey, Location, OneLine, OtherEvent,
    Phase, Record, RecordType, Reference, RetryAfter, RetryPolicy, SessionId, Text, TextDelta, TimeoutKind, Timeouts,
    ToolCall, ToolCallDelta, Transport, Truncation, Turn, UnexpectedResponse, Usage, ValidationError, driver, proto,
    sessions,
};

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
