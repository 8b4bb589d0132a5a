//! The suite: which rows there are, how they are run, and what is said of them.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::caller::Blocking;
use super::host::Host;
use super::{Caller, Harness, connections, early, executor, faults, heads, pace, requests, sizes};
use crate::faults::lines;

/// How many rows are under way at once. Most of them wait, so that the slow ones take no longer than the slowest.
const AT_ONCE: usize = 64;

/// After so many failures the rows that are left are not run: each of them may have to wait for what does not come.
const ENOUGH: usize = 50;

/// What is spoken between the transport and the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wire {
    /// HTTP/1.1.
    Http1,
    /// HTTP/1.1 over TLS; it is all that ALPN offers.
    Http1Tls,
    /// HTTP/2 with prior knowledge, to a gateway before a server of HTTP/1.1.
    Http2,
    /// HTTP/2 over TLS to such a gateway; it is all that ALPN offers.
    Http2Tls,
}

impl Wire {
    /// Whether there is TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    /// Whether HTTP/2 is spoken.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http1Tls => "HTTP/1.1 over TLS",
            Self::Http2 => "HTTP/2",
            Self::Http2Tls => "HTTP/2 over TLS",
        })
    }
}

/// The script for one transport on one wire.
#[derive(Clone, Debug)]
#[must_use = "a suite does nothing until it is run"]
pub struct Suite {
    name: String,
    wire: Wire,
    exceptions: Vec<(&'static str, &'static str)>,
}

impl Suite {
    /// All rows, for a transport of this name.
    pub fn new(name: impl Into<String>, wire: Wire) -> Self {
        Self { name: name.into(), wire, exceptions: Vec::new() }
    }

    /// Excepts the rows of a name, for a reason: a difference that can't be mended and is documented. They are run, and it is
    /// a failure of the suite if all of them pass, or if there is none.
    pub fn except(mut self, row: &'static str, reason: &'static str) -> Self {
        self.exceptions.push((row, reason));
        self
    }

    /// Runs all rows and prints their table.
    ///
    /// # Panics
    ///
    /// If a row fails; the message names each that did.
    pub fn run(self, harness: &impl Harness) {
        self.report(harness).check();
    }

    /// Runs the rows that need no executor, and prints their table.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn run_calls(self, caller: &impl Caller) {
        self.report_calls(caller).check();
    }

    /// Runs all rows, and says what came of them.
    ///
    /// # Panics
    ///
    /// If the machine gives no thread for the servers.
    pub fn report(self, harness: &impl Harness) -> Report {
        let host = start();
        let caller = Blocking { harness, host: Arc::clone(&host) };
        let mut rows = pace::rows();
        rows.extend(calls(self.wire));
        rows.extend(executor::rows());
        self.play(&caller, host, rows)
    }

    /// Runs the rows that need no executor, and says what came of them.
    ///
    /// # Panics
    ///
    /// As [`report`](Self::report).
    pub fn report_calls(self, caller: &impl Caller) -> Report {
        let rows = calls(self.wire);
        self.play(caller, start(), rows)
    }

    fn play<C: Caller>(self, caller: &C, host: Arc<Host>, rows: Vec<Row<'_, C>>) -> Report {
        let begun = Instant::now();
        let stage = Stage { caller, wire: self.wire, host };
        let number = rows.len();
        let (alone, together): (VecDeque<_>, VecDeque<_>) =
            rows.into_iter().enumerate().partition(|(_, row)| row.is_alone);
        let mut done = Vec::new();
        for (rows, at_once) in [(together, AT_ONCE), (alone, 1)] {
            self.play_rows(&stage, rows, at_once, &mut done);
        }
        done.sort_by_key(|(at, _)| *at);
        let rows: Vec<Done> = done.into_iter().map(|(_, row)| row).collect();
        Report::new(&self, number, &rows, begun.elapsed())
    }

    fn play_rows<C: Caller>(
        &self,
        stage: &Stage<'_, C>,
        rows: VecDeque<(usize, Row<'_, C>)>,
        at_once: usize,
        done: &mut Vec<(usize, Done)>,
    ) {
        let shared = Mutex::new((rows, done));
        let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
        let next = || {
            let (rows, done) = &mut *lock();
            let failures = done.iter().filter(|(_, row)| self.fails(row)).count();
            if failures < ENOUGH { rows.pop_front() } else { None }
        };
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    while let Some((number, row)) = next() {
                        let row = row.play(stage);
                        lock().1.push((number, row));
                    }
                });
            }
        });
    }

    /// Whether a row fails that is not excepted.
    fn fails(&self, row: &Done) -> bool {
        row.seen.is_err() && self.reason(row).is_none()
    }

    /// Why a row is excepted.
    fn reason(&self, row: &Done) -> Option<&'static str> {
        self.exceptions.iter().find(|(name, _)| *name == row.name).map(|(_, reason)| *reason)
    }
}

fn start() -> Arc<Host> {
    Arc::new(Host::start().expect("there is a thread for the servers"))
}

/// The rows that are calls alone.
fn calls<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let mut rows = requests::rows();
    rows.extend(connections::rows(wire));
    // The slow ones of these come first, and the others pass them by.
    rows.extend(faults::rows(wire));
    // These keep the machine busy: they begin when the clocks of the others run.
    rows.extend(sizes::rows());
    rows.extend(early::rows(wire));
    rows.extend(heads::rows(wire));
    rows
}

/// What a row has to do with.
pub(super) struct Stage<'a, C> {
    pub(super) caller: &'a C,
    pub(super) wire: Wire,
    pub(super) host: Arc<Host>,
}

/// What was seen, or what is wrong about it.
pub(super) type Seen = Result<String, String>;

type Act<'c, C> = Box<dyn FnOnce(&Stage<'_, C>) -> Seen + Send + 'c>;

/// One thing to show.
pub(super) struct Row<'c, C> {
    name: &'static str,
    /// A byte, where rows differ in that alone.
    at: Option<usize>,
    /// Runs while no other row does.
    is_alone: bool,
    act: Act<'c, C>,
}

impl<'c, C> Row<'c, C> {
    pub(super) fn new(name: &'static str, act: impl FnOnce(&Stage<'_, C>) -> Seen + Send + 'c) -> Self {
        Self::of_byte(name, None, act)
    }

    pub(super) fn of_byte(
        name: &'static str,
        at: Option<usize>,
        act: impl FnOnce(&Stage<'_, C>) -> Seen + Send + 'c,
    ) -> Self {
        Self { name, at, is_alone: false, act: Box::new(act) }
    }

    pub(super) fn alone(self) -> Self {
        Self { is_alone: true, ..self }
    }

    fn play(self, stage: &Stage<'_, C>) -> Done {
        let Self { name, at, act, .. } = self;
        // A panic is a failure of its row, which has to be named.
        let seen = catch_unwind(AssertUnwindSafe(|| act(stage))).unwrap_or_else(|panic| Err(message(&*panic)));
        Done { name, at, seen }
    }
}

/// A row that was run.
struct Done {
    name: &'static str,
    at: Option<usize>,
    seen: Seen,
}

/// The row's name, and what was seen or what is wrong.
impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.at.map_or(Ok(()), |at| write!(f, ", byte {at}"))?;
        write!(f, ": {}", self.seen.as_ref().unwrap_or_else(|wrong| wrong))
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

/// What came of a suite: its [`Display`](fmt::Display) is the table.
#[derive(Clone, Debug)]
#[must_use = "a report says what failed"]
pub struct Report {
    table: String,
    failures: Vec<String>,
}

impl Report {
    fn new(suite: &Suite, number: usize, rows: &[Done], took: Duration) -> Self {
        let mut failures = Vec::new();
        // Of rows that were not run nobody knows whether they pass, nor which there are.
        let exceptions = if rows.len() == number { &suite.exceptions[..] } else { &[] };
        for (exception, reason) in exceptions {
            let mut excepted = rows.iter().filter(|row| row.name == *exception).peekable();
            if excepted.peek().is_none() {
                failures.push(format!("{exception}: excepted ({reason}), and there is no such row"));
            } else if excepted.all(|row| row.seen.is_ok()) {
                failures.push(format!("{exception}: excepted ({reason}), and passes"));
            }
        }
        failures.extend(rows.iter().filter(|row| suite.fails(row)).map(ToString::to_string));
        if rows.len() < number {
            failures.push(format!("rows not run, after so many failures: {}", number - rows.len()));
        }
        let texts = rows.iter().map(|row| match (&row.seen, suite.reason(row)) {
            (Ok(seen), _) => seen.clone(),
            (Err(wrong), Some(reason)) => format!("EXCEPTED ({reason}): {wrong}"),
            (Err(wrong), None) => format!("FAILED: {wrong}"),
        });
        let texts: Vec<String> = texts.collect();
        let table = lines(rows.iter().zip(&texts).map(|(row, text)| (row.name, row.at, text.as_str())));
        let Suite { name, wire, .. } = suite;
        let table = format!("{name}, {wire}: {} rows in {:.1} s\n{table}", rows.len(), took.as_secs_f32());
        Self { table, failures }
    }

    /// The rows that failed, each with what is wrong.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    fn check(&self) {
        println!("{self}");
        assert!(self.failures.is_empty(), "{} failures:\n{}", self.failures.len(), self.failures.join("\n"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, seen: Result<&str, &str>) -> Done {
        Done { name, at: None, seen: seen.map(str::to_owned).map_err(str::to_owned) }
    }

    #[test]
    fn an_exception_has_to_fail() {
        let suite = Suite::new("t", Wire::Http1)
            .except("fails", "a reason")
            .except("passes", "a reason")
            .except("nowhere", "a reason");
        let rows = [row("fails", Err("no")), row("passes", Ok("yes")), row("other", Err("no"))];
        assert_eq!(
            Report::new(&suite, 3, &rows, Duration::ZERO).failures(),
            [
                "passes: excepted (a reason), and passes",
                "nowhere: excepted (a reason), and there is no such row",
                "other: no"
            ]
        );
    }

    #[test]
    fn of_a_row_that_was_not_run_nothing_is_said() {
        let suite = Suite::new("t", Wire::Http1).except("later", "a reason");
        let report = Report::new(&suite, 2, &[row("other", Err("no"))], Duration::ZERO);
        assert_eq!(report.failures(), ["other: no", "rows not run, after so many failures: 1"]);
    }
}
