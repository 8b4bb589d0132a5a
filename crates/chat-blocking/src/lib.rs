#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod cancel;
mod client;
mod reply;
mod session;
mod wait;

pub use transport_smol::*;

pub use cancel::Canceller;
pub use client::Client;
pub use reply::{Reply, Text};
pub use session::Session;
