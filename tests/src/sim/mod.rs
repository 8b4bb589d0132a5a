//! A simulator: runs the real client against a scripted network and server, on a virtual clock.
//!
//! [`Scenario::from_seed`] generates a scenario of sessions or of chat completions, [`run()`] executes it and returns a [`Transcript`] with times, and
//! [`check()`] compares the transcript with the prediction of the [`oracle`] and with invariants that hold for every
//! call. Nothing sleeps, and a seed always gives the same transcript.

mod body;
mod check;
mod clock;
mod completion;
mod core_driver;
mod generate;
mod generate_completions;
pub mod oracle;
mod oracle_completions;
mod rng;
mod run;
mod scenario;
mod talk;
mod timeouts;
mod transcript;
mod transport;

pub use body::{Body, BodyItem, Held, Then, Writer};
pub use check::{Violation, check};
pub use clock::{Timer, VirtualClock};
pub use core_driver::run_on_core;
pub use rng::Rng;
pub use run::run;
pub use scenario::{Attempt, Consumer, Dialect, End, Leave, Pace, Piece, Reaction, Response, Scenario};
pub use transcript::{Outcome, Step, Transcript};
pub use transport::{SimBody, SimError, SimSend, SimTransport};
