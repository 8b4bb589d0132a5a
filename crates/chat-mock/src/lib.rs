//! The server side of the Inkeep chat API, for tests, demos and offline work.
//!
//! Two servers are here, both on real sockets:
//!
//! - [`Server`] speaks the whole contract: create and continue, JSON and server-sent events, sessions with history,
//!   the bearer check, 401, 404, 405, 413 and 422. It answers from Markdown documents ([`Library`]) with sentences it
//!   finds there, word for word, and cites them. No model, no key, no network.
//! - [`ScriptServer`] speaks whatever it is told to, byte by byte: for tests of what a client does when an answer
//!   stalls, breaks off or is no HTTP at all. [`faults`] is a table of scripts for it, with what must come of each.
//!
//! Behind features are a transport without sockets (`memory`), and the script that every transport passes (`conformance`).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use chat_mock::Server;
//!
//! let server = Server::builder().api_key("secret").bind().await?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! // Point a client at `server.url()`.
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//!
//! It understands nothing: it ranks sections by the words they share with the question. `guidance`, `context`, `tags`,
//! `chat_mode` and `integration_id` are checked and otherwise ignored. Sessions live in memory, a bounded number of
//! them.
#![deny(missing_docs)]

mod accept;
mod answer;
mod body;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod faults;
mod key;
mod library;
mod markdown;
#[cfg(feature = "memory")]
pub mod memory;
mod rank;
mod refusal;
mod script;
mod server;
mod service;
mod sessions;
mod validate;

pub use library::{Library, Section};
pub use script::{Received, Reply, ScriptServer, Step};
pub use server::{Builder, Server};

/// The README's code is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
