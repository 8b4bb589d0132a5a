#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod block_on;
mod cancel;
mod chat;
mod client;
mod reply;
mod session;

pub use transport_smol::chat_client;
// The names of `chat_client`. Keep the lists of all transports and of `chat-blocking` equal.
pub use transport_smol::chat_client::{
    Answer, ChatTurn, Citation, Citations, ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID,
    ENV_OPENAI_API_KEY, ENV_OPENAI_BASE_URL, Error, ErrorKind, Event, Fault, FinishReason, Footnotes, GaveUp, Head,
    KeySource, Limit, Limits, Location, OneLine, OtherEvent, Phase, RateLimit, Record, RecordType, Reference,
    RetryAfter, RetryPolicy, ServerError, SessionId, Started, TextDelta, TimeoutKind, Timeouts, ToolCall,
    ToolCallDelta, ToolResult, Truncation, Turn, UnexpectedResponse, Usage, ValidationError, completions, driver,
    proto, sessions,
};
pub use transport_smol::{AsyncIo, Connector, Proxy, ProxyError, SmolTransport, rustls, tls};

pub use cancel::Canceller;
pub use chat::Chat;
pub use client::Client;
pub use reply::{Reply, Text};
pub use session::Session;
