//! The script that every transport passes, over real sockets: one call in a transport's own tests.
//!
//! What it runs, on each [`Wire`] that the transport speaks:
//!
//! - both operations, streamed and in JSON, against [`Server`](crate::Server); the requests to the letter;
//! - each fault of [`faults::table`](crate::faults::table), and over TLS an end without `close_notify`;
//! - answers of one byte a write, and of megabytes in one;
//! - a port that nobody listens on;
//! - answers that come while the question is being sent;
//! - heads that are large or not valid, and interim responses without end;
//! - which connections are used again, and which never: not after a drop, not after the server closed them;
//! - calls that are dropped at every await and at random points, thousands of times, and a thousand slow streams at once;
//! - callers that are slow: the server is held back, and no clock counts their time;
//! - a server that never pauses: other tasks get their turns;
//! - seeds, which must differ, so that clients whose calls fail together do not try again together;
//! - at the end of each row, no connection that is still open, and no task where the harness can count them.
//!
//! What must come of each row stands in the row, so that all transports have the same transcript without one of them being
//! the measure. The servers run on a thread of their own, whatever executor is tested. Rows that wait run side by side, on
//! clocks that only a machine that stands still for seconds can upset; no row is tried twice.
//!
//! ```no_run
//! # #[cfg(feature = "memory")]
//! # mod tests {
//! # mod my { pub use chat_mock::memory::MemoryTransport as Transport; }
//! use chat_client::Error;
//! use chat_mock::conformance::{Harness, Setup, Suite, Wire};
//!
//! /// The transport under test, and the executor that it is tested on.
//! struct Mine(tokio::runtime::Runtime);
//!
//! impl Harness for Mine {
//!     type Transport = my::Transport;
//!
//!     fn transport(&self, setup: &Setup) -> Result<my::Transport, Error> {
//!         // Take `setup.transport_settings()`, and trust `setup.ca()` or use `setup.tls()`.
//!         # let _ = setup;
//!         # Ok(my::Transport::new([]))
//!     }
//!
//!     fn block_on<F: Future>(&self, future: F) -> F::Output {
//!         self.0.block_on(future)
//!     }
//! }
//!
//! // #[test]
//! fn conforms() {
//!     let mine = Mine(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
//!     Suite::new("mine", Wire::Http1).run(&mine);
//!     Suite::new("mine", Wire::Http1Tls).except("101 headers", "takes any number of them").run(&mine);
//! }
//! # }
//! ```
//!
//! Call it from a plain `#[test]`, one that is in no runtime. A client whose calls block implements [`Caller`]
//! and goes through [`Suite::run_calls`]: the same rows, but for slow callers, drops at an await, the thousand streams and
//! the seeds.

mod caller;
mod connections;
mod door;
mod early;
mod executor;
mod faults;
mod heads;
mod host;
mod identity;
mod pace;
mod requests;
mod sizes;
mod suite;

pub use caller::{Ask, Caller, Harness, Question, Setup, Transcript};
pub use door::Door;
pub use identity::Identity;
pub use suite::{Report, Suite, Wire};
