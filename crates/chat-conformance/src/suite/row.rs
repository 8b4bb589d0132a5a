//! A row of the suite: a name and a check.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fixture::Servers;
use super::wire::Wire;

/// What a row needs to run.
pub(crate) struct Context<'a, C> {
    pub(crate) caller: &'a C,
    pub(crate) wire: Wire,
    pub(crate) servers: Arc<Servers>,
    /// The number of tasks on the executor when no row runs, if it can count them.
    pub(crate) idle_tasks: Option<usize>,
}

/// What was observed, or what is wrong about it.
pub(crate) type RowResult = Result<String, String>;

type Check<'c, C> = Box<dyn FnOnce(&Context<'_, C>) -> RowResult + Send + 'c>;

/// When a row runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// With many others. The row mostly waits, or is short.
    Concurrent,
    /// After the concurrent rows, and alone. The row keeps the CPU busy, or counts the tasks of the executor.
    Alone,
}

/// A check and its name.
pub(crate) struct Row<'c, C> {
    name: &'static str,
    /// The byte that distinguishes rows of the same name.
    at: Option<usize>,
    schedule: Schedule,
    check: Check<'c, C>,
}

impl<'c, C> Row<'c, C> {
    pub(crate) fn new(name: &'static str, check: impl FnOnce(&Context<'_, C>) -> RowResult + Send + 'c) -> Self {
        Self::at_byte(name, None, check)
    }

    pub(crate) fn at_byte(
        name: &'static str,
        at: Option<usize>,
        check: impl FnOnce(&Context<'_, C>) -> RowResult + Send + 'c,
    ) -> Self {
        Self { name, at, schedule: Schedule::Concurrent, check: Box::new(check) }
    }

    pub(crate) fn scheduled(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Replaces the check of a row that the client cannot run.
    pub(crate) fn not_run(self, all: &[(&'static str, &'static str)]) -> Self {
        match all.iter().find(|(name, _)| *name == self.name) {
            Some(&(_, reason)) => Self { check: Box::new(move |_| Ok(format!("not run: {reason}"))), ..self },
            None => self,
        }
    }

    /// Returns the byte that distinguishes rows of the same name.
    pub(crate) fn byte(&self) -> Option<usize> {
        self.at
    }

    pub(crate) fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Runs the check. A panic fails the row, so that the report names it.
    pub(crate) fn run(self, context: &Context<'_, C>) -> FinishedRow {
        let Self { name, at, check, .. } = self;
        let start = Instant::now();
        let result =
            catch_unwind(AssertUnwindSafe(|| check(context))).unwrap_or_else(|panic| match panic.is::<Unsupported>() {
                true => Ok("not run: the client does not support the operation".to_owned()),
                false => Err(panic_message(&*panic)),
            });
        FinishedRow { name, at, result, took: start.elapsed() }
    }
}

/// A panic with this value ends a row whose operation the client does not support.
pub(crate) struct Unsupported;

/// A row that was run.
pub(crate) struct FinishedRow {
    pub(crate) name: &'static str,
    pub(crate) at: Option<usize>,
    pub(crate) result: RowResult,
    pub(crate) took: Duration,
}

/// The name, and what was observed or what is wrong.
impl fmt::Display for FinishedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.at.map_or(Ok(()), |at| write!(f, ", byte {at}"))?;
        write!(f, ": {}", self.result.as_ref().unwrap_or_else(|error| error))
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}

/// Returns the text of an error with those of its sources.
pub(crate) fn describe(error: impl Error) -> String {
    format!("{error}{}", causes(error.source()))
}

/// Returns the text of an error and of its sources, each after a colon.
pub(crate) fn causes<'a>(error: Option<&'a (impl Error + ?Sized + 'a)>) -> String {
    let mut text = String::new();
    if let Some(error) = error {
        text += &format!(": {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
    }
    text
}
