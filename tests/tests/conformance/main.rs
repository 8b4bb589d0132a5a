//! The conformance suites of all transports in one process. Most rows wait, so the suites run at once.
//!
//! The suites are in the crates of the transports. Each can also run alone, e.g.
//! `cargo test -p transport-smol --test conformance`.

// Two suites of one crate share its support module.
#![allow(clippy::duplicate_mod)]

#[path = "../../../crates/transport-async-std/tests/foreign.rs"]
mod async_std_foreign;
#[path = "../../../crates/transport-async-std/tests/conformance.rs"]
mod async_std_surf;
// Tests start in the order of their names. This one has a suite that waits for long.
#[path = "../../../crates/transport-hyper/tests/tower.rs"]
mod below_tower;
#[path = "../../../crates/chat-blocking/tests/conformance.rs"]
mod blocking;
#[path = "../../../crates/chat-http1/tests/compio.rs"]
mod http1_on_compio;
#[path = "../../../crates/transport-hyper/tests/conformance.rs"]
mod on_hyper;
mod smol_on_async_std;
#[path = "../../../crates/transport-smol/tests/conformance.rs"]
mod smol_on_executors;
