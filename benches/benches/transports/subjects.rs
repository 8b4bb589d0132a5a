//! Who is measured.

use crate::job::Job;
use crate::measure::{Report, measure};
use crate::runtime::Runtime;
use crate::{clients, limits};

/// What a subject is in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// hyper that throws bytes away, which those on its runtime are held against.
    Limit,
    /// Another limit, to look at.
    Reference,
    /// What one would write without ours.
    Stack,
    /// Ours.
    Ours,
}

/// A client on a runtime.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) runtime: Runtime,
    /// In this very process: does a job that the server at a port knows.
    pub(crate) run: fn(Job, u16) -> Report,
}

impl Subject {
    /// Whether bytes alone are seen, and no events.
    pub(crate) fn throws_away(&self) -> bool {
        matches!(self.role, Role::Limit | Role::Reference)
    }

    /// The number of the limit that this is held against.
    pub(crate) fn limit(&self) -> usize {
        let runtime = if self.runtime == Runtime::AsyncStd { Runtime::AsyncIo } else { self.runtime };
        position(Role::Limit, runtime)
    }

    /// The number of the stack on as many threads.
    pub(crate) fn stack(&self) -> usize {
        let runtime = if self.runtime == Runtime::TokioTwo { Runtime::TokioTwo } else { Runtime::Tokio };
        position(Role::Stack, runtime)
    }
}

fn position(role: Role, runtime: Runtime) -> usize {
    let at = ALL.iter().position(|subject| subject.role == role && subject.runtime == runtime);
    at.expect("each runtime has a limit, and tokio's have a stack")
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

/// In the tables' order.
pub(crate) const ALL: &[Subject] = &[
    subject!("hyper, thrown away, 1 thread", Limit, Tokio, limits::Pooled::new),
    subject!("hyper, thrown away, 2 workers", Limit, TokioTwo, limits::Pooled::new),
    subject!("hyper inline, thrown away, 1 thread", Reference, Tokio, limits::inline_tokio),
    subject!("hyper on async-io, thrown away", Limit, AsyncIo, limits::inline_async_io),
    subject!("reqwest + es-stream, 1 thread", Stack, Tokio, clients::Stack::new),
    subject!("reqwest + es-stream, 2 workers", Stack, TokioTwo, clients::Stack::new),
    subject!("transport-hyper, 1 thread", Ours, Tokio, clients::hyper),
    subject!("transport-hyper, 2 workers", Ours, TokioTwo, clients::hyper),
    subject!("transport-smol", Ours, AsyncIo, clients::smol),
    subject!("transport-async-std", Ours, AsyncStd, clients::async_std),
];
