#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod builder;
mod call;
mod chat;
mod chat_history;
mod chat_turn;
mod client;
mod conversation;
pub mod driver;
mod key;
mod local_key;
mod reply;
mod sent_keys;
mod session;
mod settings;
mod shared;
mod tool_result;
mod trace;
mod transport;
mod turn;

pub use chat_proto as proto;

// The transports and `chat-blocking` export the same names. Keep their lists equal.
pub use chat_proto::{
    Answer, Citation, Citations, Error, ErrorKind, Event, Fault, FinishReason, Footnotes, GaveUp, Head, Limit, Limits,
    Location, OneLine, OtherEvent, Phase, RateLimit, Record, RecordType, Reference, RetryAfter, RetryPolicy,
    ServerError, SessionId, Started, TextDelta, TimeoutKind, Timeouts, ToolCall, ToolCallDelta, Truncation,
    UnexpectedResponse, Usage, ValidationError, completions, sessions,
};

pub use builder::ClientBuilder;
pub use chat::Chat;
pub use chat_turn::ChatTurn;
pub use client::Client;
pub use key::KeySource;
pub use local_key::LocalKey;
pub use reply::{Reply, Text};
pub use session::Session;
pub use settings::{ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, ENV_OPENAI_API_KEY, ENV_OPENAI_BASE_URL};
pub use tool_result::ToolResult;
pub use transport::Transport;
pub use turn::Turn;
