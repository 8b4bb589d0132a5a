//! The suite: selects the rows and runs them.

mod backpressure;
mod blocking;
mod call_line;
mod cancellation;
mod chunking;
mod command;
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
mod transcript;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use self::blocking::Blocking;
use self::fixture::Servers;
use self::report::Exceptions;
use self::row::{Context, FinishedRow, Row, Schedule};
use self::slots::Slots;

pub use command::{Process, Program, command};
pub use gateway::Gateway;
pub use harness::{Caller, Harness, Operation, Setup, TestCall};
pub use identity::Identity;
pub use report::Report;
pub use transcript::Transcript;
pub use wire::Wire;

/// The default number of rows that run at once. Most of them wait, so that all of them take little longer than the slowest.
const AT_ONCE: usize = 64;

/// The rows that run alone in their suite. Three suites of the process may run one at once.
static ALONE: Slots = Slots::new(3);

/// After this many failures, the remaining rows are skipped. Failing rows may take long, because they wait for something
/// that does not happen.
const MAX_FAILURES: usize = 50;

/// The conformance suite for one transport on one [`Wire`].
#[derive(Clone, Debug)]
#[must_use = "a suite does nothing until it is run"]
pub struct Suite {
    name: String,
    wire: Wire,
    exceptions: Exceptions,
    /// Of the rows for each byte of a response, those whose byte is a multiple of this are run.
    byte_step: usize,
    /// The number of rows that run at once.
    at_once: usize,
}

impl Suite {
    /// Creates a suite of all rows, for a transport of this name.
    pub fn new(name: impl Into<String>, wire: Wire) -> Self {
        Self { name: name.into(), wire, exceptions: Exceptions::default(), byte_step: 1, at_once: AT_ONCE }
    }

    /// Expects the rows of a name to fail, for a reason. Use it for a difference that cannot be fixed and is documented.
    ///
    /// The rows are run. The suite fails if all of them pass, or if there is no such row.
    pub fn except(mut self, row: &'static str, reason: &'static str) -> Self {
        self.exceptions.add(row, reason, false);
        self
    }

    /// Allows the rows of a name to fail, for a reason. Use it for a documented difference that depends on timing, so that
    /// the rows may also pass.
    pub fn except_race(mut self, row: &'static str, reason: &'static str) -> Self {
        self.exceptions.add(row, reason, true);
        self
    }

    /// Runs fewer rows: a fault that has a row for each byte of a response happens at every `step`th byte only. Use it for a
    /// client that takes long to start. There are about a thousand such rows.
    ///
    /// # Panics
    ///
    /// If `step` is 0.
    pub fn every_nth_byte(mut self, step: usize) -> Self {
        assert_ne!(step, 0, "a step is at least one byte");
        self.byte_step = step;
        self
    }

    /// Runs at most this many rows at once. Default: 64. Use a smaller number for a client that takes long to start, so that
    /// it starts before the timeouts of its row.
    ///
    /// # Panics
    ///
    /// If the number is 0.
    pub fn at_once(mut self, rows: usize) -> Self {
        assert_ne!(rows, 0, "rows run one at a time at least");
        self.at_once = rows;
        self
    }

    /// Runs all rows, and prints their table.
    ///
    /// # Panics
    ///
    /// If a row fails. The message lists the rows that failed.
    pub fn run(self, harness: &impl Harness) {
        self.report(harness).check();
    }

    /// Runs the rows that need no executor, and prints their table.
    ///
    /// # Panics
    ///
    /// If a row fails. The message lists the rows that failed.
    pub fn run_calls(self, caller: &impl Caller) {
        self.report_calls(caller).check();
    }

    /// Runs all rows, and returns the results.
    ///
    /// # Panics
    ///
    /// If no thread can be started for the servers.
    pub fn report(self, harness: &impl Harness) -> Report {
        let servers = start_servers();
        let caller = Blocking { harness, servers: Arc::clone(&servers) };
        let mut rows = backpressure::rows();
        rows.extend(call_rows(self.wire));
        rows.extend(cancellation::rows());
        let count_tasks = || harness.tasks();
        let counts: Option<&dyn Fn() -> Option<usize>> =
            if harness.tasks().is_some() { Some(&count_tasks) } else { None };
        self.run_rows(&caller, servers, rows, counts)
    }

    /// Runs the rows that need no executor, and returns the results.
    ///
    /// # Panics
    ///
    /// If no thread can be started for the servers.
    pub fn report_calls(self, caller: &impl Caller) -> Report {
        let rows = call_rows(self.wire);
        self.run_rows(caller, start_servers(), rows, None)
    }

    fn run_rows<C: Caller>(
        self,
        caller: &C,
        servers: Arc<Servers>,
        rows: Vec<Row<'_, C>>,
        count_tasks: Option<&dyn Fn() -> Option<usize>>,
    ) -> Report {
        let start = Instant::now();
        let is_run = |row: &Row<'_, C>| row.byte().is_none_or(|at| at % self.byte_step == 0);
        let rows: Vec<_> = rows.into_iter().filter(is_run).map(|row| row.not_run(caller.not_run())).collect();
        let total = rows.len();
        let (concurrent, alone): (Vec<_>, Vec<_>) =
            rows.into_iter().enumerate().partition(|(_, row)| row.schedule() == Schedule::Concurrent);
        let finished = Mutex::new(Vec::with_capacity(total));
        let mut context = Context { caller, wire: self.wire, servers, idle_tasks: None };
        self.run_concurrently(&context, concurrent, &finished);
        context.idle_tasks = count_tasks.and_then(|count| count());
        for (number, row) in alone {
            if self.has_failed(&finished) {
                break;
            }
            let _slot = ALONE.acquire();
            let row = row.run(&context);
            lock(&finished).push((number, row));
        }
        let mut finished = finished.into_inner().unwrap_or_else(PoisonError::into_inner);
        finished.sort_by_key(|(number, _)| *number);
        let rows: Vec<FinishedRow> = finished.into_iter().map(|(_, row)| row).collect();
        Report::new(&format!("{}, {}", self.name, self.wire), &self.exceptions, total, &rows, start.elapsed())
    }

    fn run_concurrently<'c, C: Caller + 'c>(
        &self,
        context: &Context<'_, C>,
        rows: Vec<(usize, Row<'c, C>)>,
        finished: &Mutex<Vec<(usize, FinishedRow)>>,
    ) {
        let queue = Mutex::new(VecDeque::from(rows));
        let next = || if self.has_failed(finished) { None } else { lock(&queue).pop_front() };
        thread::scope(|scope| {
            for _ in 0..self.at_once {
                scope.spawn(|| {
                    while let Some((number, row)) = next() {
                        let row = row.run(context);
                        lock(finished).push((number, row));
                    }
                });
            }
        });
    }

    /// Returns whether so many rows failed that the others are skipped.
    fn has_failed(&self, finished: &Mutex<Vec<(usize, FinishedRow)>>) -> bool {
        lock(finished).iter().filter(|(_, row)| self.exceptions.is_failure(row)).count() >= MAX_FAILURES
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start_servers() -> Arc<Servers> {
    Arc::new(Servers::start().expect("a thread can be started for the servers"))
}

/// Returns the rows that only make calls.
fn call_rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    // The slow rows come first, so that the others run while they wait.
    let mut rows = connections::rows(wire);
    rows.extend(requests::rows());
    rows.extend(completions::rows());
    rows.extend(fault_cases::rows(wire));
    // These keep the CPU busy, and start when the timeouts of the others run.
    rows.extend(chunking::rows());
    rows.extend(early_response::rows(wire));
    rows.extend(response_head::rows(wire));
    rows
}
