#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod runtime;
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

pub use chat_http1::{Connector, Proxy, ProxyError, SendError, rustls, tls};
pub use runtime::AsyncIo;
pub use transport::{AnswerBody, Sending, Sleep, SmolTransport};

/// A [`chat_client::Client`] on async-io.
pub type Client = chat_client::Client<SmolTransport>;

/// A [`chat_client::Reply`] on async-io.
pub type Reply = chat_client::Reply<SmolTransport>;

/// A [`chat_client::Session`] on async-io.
pub type Session = chat_client::Session<SmolTransport>;
