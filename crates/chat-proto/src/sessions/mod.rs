//! The v0 dialect, "chat sessions": its types, how its requests are written and its answers read.

pub(crate) mod answer;
pub(crate) mod model;
mod request;
