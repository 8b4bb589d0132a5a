#![doc = include_str!("../README.md")]

mod client;
mod reply;
mod session;
mod transport;

pub use chat_proto::*;

pub use client::{Client, ClientBuilder, ENV_API_KEY, ENV_BASE_URL};
pub use reply::{Reply, Text};
pub use session::Session;
pub use transport::{FromSettings, Transport, TransportSettings};
