#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod body;
mod buffered_body;
mod builder;
mod connector;
mod drain;
mod in_flight;
mod limited_read;
mod pooled_stream;
mod pools;
mod resolver;
mod send_error;
#[cfg(feature = "tower")]
mod tower;
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

pub use body::{AnswerBody, ResponseFuture};
#[cfg(feature = "http2")]
pub use builder::Http2;
pub use builder::HyperTransportBuilder;
pub use chat_net::{Proxy, ProxyError, tls};
pub use rustls;
pub use send_error::SendError;
#[cfg(feature = "tower")]
pub use tower::{ServiceResponseFuture, ServiceTransport};
pub use transport::HyperTransport;

/// A [`chat_client::Chat`] on tokio and hyper.
pub type Chat = chat_client::Chat<HyperTransport>;

/// A [`chat_client::Client`] on tokio and hyper.
pub type Client = chat_client::Client<HyperTransport>;

/// A [`chat_client::Reply`] on tokio and hyper.
pub type Reply = chat_client::Reply<HyperTransport>;

/// A [`chat_client::Session`] on tokio and hyper.
pub type Session = chat_client::Session<HyperTransport>;
