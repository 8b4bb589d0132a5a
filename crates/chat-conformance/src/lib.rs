#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod backpressure;
mod blocking;
mod cancellation;
mod chunking;
mod completions;
mod connections;
mod early_response;
mod early_server;
mod fast_server;
mod fault_cases;
mod fixture;
mod gateway;
mod harness;
mod identity;
mod report;
mod requests;
mod response_head;
mod row;
mod sent;
mod slots;
mod suite;
mod wire;

pub use gateway::Gateway;
pub use harness::{Caller, Harness, Operation, Setup, TestCall, Transcript};
pub use identity::Identity;
pub use report::Report;
pub use suite::Suite;
pub use wire::Wire;
