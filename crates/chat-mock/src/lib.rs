#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod accept;
mod answer;
mod blackhole;
mod body;
#[cfg(feature = "conformance")]
pub mod conformance;
mod events;
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

pub use blackhole::Blackhole;
pub use library::{Library, Section};
pub use script::{Received, Reply, ScriptServer, Step};
pub use server::{Builder, Server};
