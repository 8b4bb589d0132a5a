#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod api_key;
mod blackhole;
mod body;
mod canned;
mod completions;
mod cors;
mod events;
pub mod faults;
#[cfg(feature = "files")]
mod files;
mod json;
#[cfg(feature = "memory")]
pub mod memory;
mod rejection;
mod script;
mod server;
mod service;
mod sessions;
pub mod tcp;
mod validate;

pub use blackhole::Blackhole;
pub use script::{RecordedRequest, ScriptServer, ScriptedReply, Step};
pub use server::{Server, ServerBuilder};
pub use sessions::{History, HistoryEntry};
