#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod program;
#[cfg(feature = "suite")]
mod suite;

#[cfg(feature = "suite")]
pub use suite::{
    Caller, Gateway, Harness, Identity, Operation, Process, Program, Report, Setup, Suite, TestCall, Transcript, Wire,
    command,
};
