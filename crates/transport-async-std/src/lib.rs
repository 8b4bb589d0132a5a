#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
    Answer, ChatTurn, Citation, Citations, ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID,
    ENV_OPENAI_API_KEY, ENV_OPENAI_BASE_URL, Error, ErrorKind, Event, Fault, FinishReason, Footnotes, GaveUp, Head,
    KeySource, Limit, Limits, LocalKey, Location, OneLine, OtherEvent, Phase, RateLimit, Record, RecordType, Reference,
    RetryAfter, RetryPolicy, ServerError, SessionId, Started, Text, TextDelta, TimeoutKind, Timeouts, ToolCall,
    ToolCallDelta, ToolResult, Transport, Truncation, Turn, UnexpectedResponse, Usage, ValidationError, completions,
    driver, proto, sessions,
};

pub use backend::Backend;
pub use body::AnswerBody;
pub use chat_http1::{Connector, Proxy, ProxyError, rustls, tls};
pub use runtime::AsyncStd;
pub use send_error::SendError;
pub use surf;
pub use transport::AsyncStdTransport;

/// A [`chat_client::Chat`] on async-std and surf.
pub type Chat = chat_client::Chat<AsyncStdTransport>;

/// A [`chat_client::Client`] on async-std and surf.
pub type Client = chat_client::Client<AsyncStdTransport>;

/// A [`chat_client::Reply`] on async-std and surf.
pub type Reply = chat_client::Reply<AsyncStdTransport>;

/// A [`chat_client::Session`] on async-std and surf.
pub type Session = chat_client::Session<AsyncStdTransport>;
