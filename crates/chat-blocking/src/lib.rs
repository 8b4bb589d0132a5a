#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod block_on;
mod cancel;
mod client;
mod reply;
mod session;

pub use transport_smol::chat_client;
// The names of `chat_client`. Keep the lists of all transports and of `chat-blocking` equal.
pub use transport_smol::chat_client::{
    Answer, Citation, Citations, ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, Error, ErrorKind, Event,
    Fault, FinishReason, Footnotes, GaveUp, Head, KeySource, Limit, Limits, Location, OneLine, OtherEvent, Phase,
    Record, RecordType, Reference, RetryAfter, RetryPolicy, SessionId, TextDelta, TimeoutKind, Timeouts, ToolCall,
    ToolCallDelta, Truncation, Turn, UnexpectedResponse, Usage, ValidationError, driver, proto, sessions,
};
pub use transport_smol::{AsyncIo, Connector, Proxy, ProxyError, SmolTransport, rustls, tls};

pub use cancel::Canceller;
pub use client::Client;
pub use reply::{Reply, Text};
pub use session::Session;
