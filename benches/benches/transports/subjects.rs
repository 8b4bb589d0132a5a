//! The clients under measurement.

use chat_bench::clients::{Pooled, Stack};

use crate::job::Job;
use crate::measure::{Report, measure};
use crate::runtime::Runtime;
use crate::{clients, limits};

/// The role of a subject in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// hyper that discards the bytes: the limit for the other subjects on its runtime.
    Limit,
    /// Another limit, shown for information.
    Reference,
    /// The usual stack of other crates.
    Stack,
    /// Ours.
    Ours,
}

/// A client on a runtime.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) runtime: Runtime,
    /// Runs a job in this process, with the server at a port.
    pub(crate) run: fn(Job, u16) -> Report,
}

impl Subject {
    /// Whether the client discards the bytes instead of decoding events.
    pub(crate) fn discards(&self) -> bool {
        matches!(self.role, Role::Limit | Role::Reference)
    }

    /// Index of the limit of this subject.
    pub(crate) fn limit(&self) -> usize {
        let runtime = if self.runtime == Runtime::AsyncStd { Runtime::AsyncIo } else { self.runtime };
        position(Role::Limit, runtime)
    }

    /// Index of the stack with the same number of threads.
    pub(crate) fn stack(&self) -> usize {
        let runtime = if self.runtime == Runtime::TokioTwo { Runtime::TokioTwo } else { Runtime::Tokio };
        position(Role::Stack, runtime)
    }
}

fn position(role: Role, runtime: Runtime) -> usize {
    let at = ALL.iter().position(|subject| subject.role == role && subject.runtime == runtime);
    at.expect("each runtime has a limit, and those of tokio a stack")
}

macro_rules! subject {
    ($name:literal, $role:ident, $runtime:ident, $client:expr) => {
        Subject {
            name: $name,
            role: Role::$role,
            runtime: Runtime::$runtime,
            run: |job, port| measure(Runtime::$runtime, job, port, $client),
        }
    };
}

/// All subjects, in the order of the tables.
pub(crate) const ALL: &[Subject] = &[
    subject!("hyper limit, 1 thread", Limit, Tokio, Pooled::new),
    subject!("hyper limit, 2 workers", Limit, TokioTwo, Pooled::new),
    subject!("hyper inline limit, 1 thread", Reference, Tokio, limits::inline_tokio),
    subject!("hyper inline limit, async-io", Limit, AsyncIo, limits::inline_async_io),
    subject!("reqwest stack, 1 thread", Stack, Tokio, Stack::new),
    subject!("reqwest stack, 2 workers", Stack, TokioTwo, Stack::new),
    subject!("transport-hyper, 1 thread", Ours, Tokio, clients::hyper),
    subject!("transport-hyper, 2 workers", Ours, TokioTwo, clients::hyper),
    subject!("transport-smol", Ours, AsyncIo, clients::smol),
    subject!("transport-async-std", Ours, AsyncStd, clients::async_std),
];
