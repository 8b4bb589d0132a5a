//! Calls in simulation: a virtual clock, a network and a server that do what a scenario says, and the real client.
//!
//! [`Scenario::from_seed`] draws what is to happen, [`run()`] lets it happen and gives a [`Transcript`] with times, [`check()`]
//! holds the transcript to the [`oracle`] and to what must be true of every call. Nothing here sleeps, and the same seed
//! always gives the same transcript.

mod body;
mod by_hand;
mod check;
mod clock;
mod generate;
pub mod oracle;
mod rng;
mod run;
mod scenario;
mod silence;
mod transcript;
mod transport;

pub use body::{Body, Said, What, Writer};
pub use by_hand::run_by_hand;
pub use check::{Broken, check};
pub use clock::{Alarm, VirtualClock};
pub use rng::Rng;
pub use run::run;
pub use scenario::{Attempt, Consumer, End, Leave, Pace, Piece, Reaction, Response, Scenario};
pub use transcript::{Outcome, Step, Transcript};
pub use transport::{SimBody, SimError, SimSend, SimTransport};
