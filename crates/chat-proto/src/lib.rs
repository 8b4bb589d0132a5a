//! wip
mod session_id;
pub mod sse;
mod v0;
mod wire;
pub use session_id::SessionId;
pub use v0::model::*;
