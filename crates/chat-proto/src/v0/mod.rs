//! The v0 dialect, "chat sessions": how its requests are written and its answers read.
//!
//! A dialect is these files and nothing else. The receiver and the exchange know of no dialect's types but the
//! [`Event`](crate::Event)s that come out.

pub(crate) mod model;
