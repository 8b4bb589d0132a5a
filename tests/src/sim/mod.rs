//! A simulator: runs the real client against a scripted network and server, on a virtual clock.
//!
//! [`Scenario::from_seed`] generates a scenario, [`run()`] executes it and returns a [`Transcript`] with times, and
//! [`check()`] compares the transcript with the prediction of the [`oracle`] and with invariants that hold for every
//! call. Nothing sleeps, and a seed always gives the same transcript.

mod body;
mod check;
mod clock;
mod core_driver;
mod generate;
pub mod oracle;
mod rng;
mod run;
mod scenario;
mod timeouts;
mod transcript;
mod transport;

pub use body::{Body, BodyItem, Expected, Writer};
pub use check::{Violation, check};
pub use clock::{Timer, VirtualClock};
pub use core_driver::run_on_core;
pub use rng::Rng;
pub use run::run;
pub use scenario::{Attempt, Consumer, End, Leave, Pace, Piece, Reaction, Response, Scenario};
pub use transcript::{Outcome, Step, Transcript};
pub use transport::{SimBody, SimError, SimSend, SimTransport};
