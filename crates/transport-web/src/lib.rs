#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod abort;
mod body;
mod error;
mod fetch;
mod time;
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

pub use body::AnswerBody;
pub use error::FetchError;
pub use time::Sleep;
pub use transport::{Sending, WebTransport};

/// A [`chat_client::Chat`] on fetch.
pub type Chat = chat_client::Chat<WebTransport>;

/// A [`chat_client::Client`] on fetch.
pub type Client = chat_client::Client<WebTransport>;

/// A [`chat_client::Reply`] on fetch.
pub type Reply = chat_client::Reply<WebTransport>;

/// A [`chat_client::Session`] on fetch.
pub type Session = chat_client::Session<WebTransport>;
