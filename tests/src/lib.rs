//! What tests, properties and fuzz targets share: a reference to compare with and bodies that take bytes and panic on
//! what is wrong. A property feeds them strategies, a fuzz target is one line that calls one, and a plain test replays
//! committed inputs through the same function.

mod check;
mod exchange;
mod handshake;
mod lines;
pub mod naive;
mod peers;
mod receiver;
mod request;
mod retry_after;
pub mod sim;

pub use check::{Run, check_sse, cut_at, cut_every, decode, decode_with_limit};
pub use exchange::check_exchange;
pub use handshake::{check_proxy_connect, check_proxy_socks};
pub use lines::check_lines;
pub use peers::check_peers;
pub use receiver::check_receiver;
pub use request::check_request;
pub use retry_after::check_retry_after;

/// The code of the README at the root is a test too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And so is that of the page for those who come from the official SDKs.
#[cfg(doctest)]
#[doc = include_str!("../../MIGRATION.md")]
struct Migration;
