//! The executor: polls the client's reply when it is woken, and advances the virtual clock when it is not.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chat_client::completions::CompletionInput;
use chat_client::sessions::{ContinueInput, CreateInput};
use chat_client::{Client, Error, Event, Reply};
use futures_core::Stream;

use super::scenario::{Dialect, Leave, Pace, Scenario};
use super::transcript::{Outcome, Step, Transcript};
use super::transport::SimTransport;

/// Maximum number of polls of a call. No scenario needs as many.
const MAX_POLLS: u32 = 20_000;

/// A time after every timer.
const LONG_AFTER: Duration = Duration::from_secs(86_400);

/// Runs a scenario on the client to its end.
///
/// # Panics
///
/// If the client cannot be built.
pub fn run(scenario: &Scenario) -> Transcript {
    let transport = SimTransport::new(scenario.clone());
    let mut run = Run::begin(scenario, transport.clone());
    let outcome = run.drive();
    if let Some(outcome) = outcome {
        run.reply = None;
        run.check_freed("after the reply was dropped");
        let mut transcript = transport.take_transcript();
        transcript.outcome = Some(outcome);
        return transcript;
    }
    transport.violation(format!("end: the call does not end within {MAX_POLLS} polls"));
    transport.take_transcript()
}

struct Run<'a> {
    scenario: &'a Scenario,
    transport: SimTransport,
    reply: Option<Reply<SimTransport>>,
    woken: Arc<Woken>,
    /// Whether the last poll returned `Pending`.
    pending: bool,
    /// Number of pauses so far.
    pauses: usize,
    /// The error that the reply returned.
    error: Option<Error>,
    events: u64,
}

impl<'a> Run<'a> {
    fn begin(scenario: &'a Scenario, transport: SimTransport) -> Self {
        let config = &scenario.config;
        let client = Client::<SimTransport>::builder()
            .api_key("key")
            .base_url("https://api.example")
            .timeouts(config.timeouts)
            .retry(config.retry)
            .limits(config.limits)
            .accept_unfinished(config.accept_unfinished)
            .raw_chunks(config.raw_chunks)
            .build_on(transport.clone())
            .expect("a client");
        let reply = if scenario.dialect == Dialect::Completions {
            client.complete(&completion_input(scenario))
        } else if scenario.continues {
            let mut input = ContinueInput::new("int", "Hi");
            input.stream = scenario.stream;
            client.continue_session("s", &input)
        } else {
            let mut input = CreateInput::new("int", "Hi");
            input.stream = scenario.stream;
            client.create(&input)
        };
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        Self { scenario, transport, reply: Some(reply), woken, pending: false, pauses: 0, error: None, events: 0 }
    }

    /// Returns the outcome, or `None` if the call does not end.
    fn drive(&mut self) -> Option<Outcome> {
        for polls in 0..MAX_POLLS {
            if let Some((after, how)) = self.scenario.consumer.leaves
                && polls >= after
            {
                return self.leave(how);
            }
            if !self.wake() {
                return Some(Outcome::Hangs);
            }
            match self.poll() {
                Poll::Ready(Some(Ok(event))) => self.take(event),
                Poll::Ready(Some(Err(error))) => {
                    self.check_freed("after an error");
                    if self.error.replace(error).is_some() {
                        self.transport.violation("end: the reply returned a second error");
                    }
                }
                Poll::Ready(None) => return self.end(),
                Poll::Pending => {}
            }
        }
        None
    }

    /// Waits until the task is woken. Returns false if it is never woken.
    fn wake(&mut self) -> bool {
        if !self.pending {
            return true;
        }
        let clock = self.transport.clock();
        while !self.woken.0.load(Ordering::Relaxed) {
            let Some(at) = clock.next_deadline() else { return false };
            clock.advance_to(self.scenario.wakes(at));
        }
        if let Pace::Late(times) = &self.scenario.consumer.pace {
            self.pause(times);
        }
        true
    }

    fn poll(&mut self) -> Poll<Option<Result<Event, Error>>> {
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.woken));
        let reply = self.reply.as_mut().expect("a call under way");
        let item = Pin::new(reply).poll_next(&mut Context::from_waker(&waker));
        self.pending = item.is_pending();
        item
    }

    fn take(&mut self, event: Event) {
        self.events += 1;
        if self.error.is_some() {
            self.transport.violation("end: the reply returned an event after an error");
        }
        let reply = self.reply.as_ref().expect("a call under way");
        // A JSON answer is available before its events are taken.
        if reply.answer().is_none_or(|answer| answer.events < self.events) {
            self.transport.violation("answer: a delivered event is missing");
        }
        self.transport.record(Step::Event(event));
        if let Pace::Pausing(times) = &self.scenario.consumer.pace {
            self.pause(times);
        }
    }

    /// Pauses for the next of these times.
    fn pause(&mut self, times: &[Duration]) {
        let length = times[self.pauses % times.len()];
        self.pauses += 1;
        if length > Duration::ZERO {
            self.transport.record(Step::Pause(length));
            let clock = self.transport.clock();
            clock.advance_to(clock.now() + length);
        }
    }

    fn leave(&mut self, how: Leave) -> Option<Outcome> {
        self.transport.record(Step::Left);
        let reply = self.reply.take()?;
        Some(match how {
            Leave::Drop => {
                drop(reply);
                Outcome::Dropped
            }
            Leave::Cancel => Outcome::Cancelled(reply.cancel()),
        })
    }

    /// Checks that nothing changes after the end.
    fn end(&mut self) -> Option<Outcome> {
        self.transport.record(Step::Over);
        self.check_freed("at the end");
        let steps = self.transport.steps();
        let end = self.transport.clock().now();
        for _ in 0..2 {
            self.transport.clock().advance_to(end + LONG_AFTER);
            if !matches!(self.poll(), Poll::Ready(None)) {
                self.transport.violation("end: the reply returned an item after its end");
            }
        }
        let finish = pin!(self.reply.take()?.finish());
        let Poll::Ready(outcome) = finish.poll(&mut Context::from_waker(Waker::noop())) else {
            self.transport.violation("end: there is no outcome");
            return None;
        };
        if outcome.as_ref().err().map(Error::kind) != self.error.as_ref().map(Error::kind) {
            self.transport.violation("end: the outcome is not the error that the reply returned");
        }
        if self.transport.steps() != steps {
            self.transport.violation("end: something happened after the end");
        }
        Some(Outcome::Ended(outcome))
    }

    /// Checks that the call holds no connection and no chunk, and no timer once the reply is dropped.
    fn check_freed(&self, when: &str) {
        let connections = self.transport.connections();
        let chunks = self.transport.chunks();
        if connections + chunks > 0 {
            self.transport.violation(format!("freed: {connections} connections and {chunks} chunks are left {when}"));
        }
        if self.reply.is_none() && self.transport.clock().next_deadline().is_some() {
            self.transport.violation(format!("freed: a timer is left {when}"));
        }
    }
}

/// Returns the input of a chat completion.
pub(super) fn completion_input(scenario: &Scenario) -> CompletionInput {
    let mut input = CompletionInput::new("model-1", ["Hi"]);
    input.stream = scenario.stream;
    input
}

/// Waker that records whether the task was woken.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
