//! The v1 API, chat completions: the client keeps the history. Many other servers speak it too.
//!
//! To write a request, use [`CompletionInput`] with [`Request::complete`](crate::Request::complete). Answers are read as
//! [`Event`](crate::Event) and [`Answer`](crate::Answer), from a stream or from one JSON object.
//!
//! The types of requests accept what the API may add later: enumerations of strings are open, and fields without a type go
//! into `extra`. Unset fields are omitted.

mod calls;
mod chunk;
mod documents;
mod filters;
mod input;
mod links;
mod message;
mod models;
pub(crate) mod reader;
mod request;
mod service;
mod tool;

pub use documents::{Document, DocumentSource};
pub use input::{CompletionInput, JsonSchema, ReasoningEffort, ResponseFormat, StreamOptions};
pub(crate) use links::read;
pub use message::{Content, ContentPart, File, ImageUrl, InputAudio, Message, MessageToolCall, Role};
pub(crate) use models::read_body as read_models;
pub use models::{BASE_EXPERT, CONTEXT_EXPERT, Model, QA_EXPERT, RAG};
pub use service::{AiAnnotations, AnswerConfidence};
pub use tool::{AllowedTools, CustomTool, FunctionTool, Tool, ToolChoice};
