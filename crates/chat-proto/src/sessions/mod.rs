//! The v0 API, "chat sessions": the server keeps the history.
//!
//! To write a request, use [`CreateInput`] or [`ContinueInput`] with [`Request`](crate::Request). The other types are the
//! answers on the wire. Clients get them as [`Event`](crate::Event) and [`Answer`](crate::Answer); servers and tests use
//! them to write answers.

mod error_member;
mod model;
pub(crate) mod reader;
mod request;

pub use model::{
    AssistantMessage, ChatMode, ChatResult, ChatSessionInput, ContinueInput, CreateInput, HttpValidationError, Message,
    MessageChunk, RecordsCited,
};
