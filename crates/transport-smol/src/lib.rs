#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod runtime;
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

pub use chat_http1::{Connector, Proxy, ProxyError, SendError, rustls, tls};
pub use runtime::AsyncIo;
pub use transport::{AnswerBody, Sending, Sleep, SmolTransport};

/// A [`chat_client::Chat`] on async-io.
pub type Chat = chat_client::Chat<SmolTransport>;

/// A [`chat_client::Client`] on async-io.
pub type Client = chat_client::Client<SmolTransport>;

/// A [`chat_client::Reply`] on async-io.
pub type Reply = chat_client::Reply<SmolTransport>;

/// A [`chat_client::Session`] on async-io.
pub type Session = chat_client::Session<SmolTransport>;
