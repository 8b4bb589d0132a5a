//! A small executor: it polls a reply when it was woken, and moves the clock when it was not.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chat_client::sessions::{ContinueInput, CreateInput};
use chat_client::{Client, Error, Event, Reply};
use futures_core::Stream;

use super::scenario::{Leave, Pace, Scenario};
use super::transcript::{Outcome, Step, Transcript};
use super::transport::SimTransport;

/// The polls that no scenario needs as many of.
const ENOUGH: u32 = 20_000;

/// Long after everything.
const LATER: Duration = Duration::from_secs(86_400);

/// Runs a call to its end.
///
/// # Panics
///
/// If the client can't be made.
pub fn run(scenario: &Scenario) -> Transcript {
    let transport = SimTransport::new(scenario.clone());
    let mut run = Run::begin(scenario, transport.clone());
    let outcome = run.drive();
    if let Some(outcome) = outcome {
        run.reply = None;
        run.check_freed("after it");
        let mut transcript = transport.take_transcript();
        transcript.outcome = Some(outcome);
        return transcript;
    }
    transport.wrong(format!("end: none after {ENOUGH} polls"));
    transport.take_transcript()
}

struct Run<'a> {
    scenario: &'a Scenario,
    transport: SimTransport,
    reply: Option<Reply<SimTransport>>,
    woken: Arc<Woken>,
    /// The last poll gave nothing.
    pending: bool,
    /// How many pauses were made.
    pauses: usize,
    /// What came as the last item.
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
            .build_on(transport.clone())
            .expect("a client");
        let reply = if scenario.continues {
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

    /// How it comes out; `None` if it does not.
    fn drive(&mut self) -> Option<Outcome> {
        for polls in 0..ENOUGH {
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
                    self.check_freed("with an error");
                    if self.error.replace(error).is_some() {
                        self.transport.wrong("end: a second error");
                    }
                }
                Poll::Ready(None) => return self.end(),
                Poll::Pending => {}
            }
        }
        None
    }

    /// Waits until the task is woken, if it waits; false if it never is.
    fn wake(&mut self) -> bool {
        if !self.pending {
            return true;
        }
        let clock = self.transport.clock();
        while !self.woken.0.load(Ordering::Relaxed) {
            let Some(at) = clock.next_alarm() else { return false };
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
            self.transport.wrong("end: an event after an error");
        }
        let reply = self.reply.as_ref().expect("a call under way");
        // An answer in one JSON object is there before its events are taken.
        if reply.answer().is_none_or(|answer| answer.events < self.events) {
            self.transport.wrong("answer: it lacks what was handed out");
        }
        self.transport.note(Step::Event(event));
        if let Pace::Pausing(times) = &self.scenario.consumer.pace {
            self.pause(times);
        }
    }

    /// Does something else, as long as it is this time's turn.
    fn pause(&mut self, times: &[Duration]) {
        let length = times[self.pauses % times.len()];
        self.pauses += 1;
        if length > Duration::ZERO {
            self.transport.note(Step::Pause(length));
            let clock = self.transport.clock();
            clock.advance_to(clock.now() + length);
        }
    }

    fn leave(&mut self, how: Leave) -> Option<Outcome> {
        self.transport.note(Step::Left);
        let reply = self.reply.take()?;
        Some(match how {
            Leave::Drop => {
                drop(reply);
                Outcome::Dropped
            }
            Leave::Cancel => Outcome::Cancelled(reply.cancel()),
        })
    }

    /// After the end nothing changes, however long one waits.
    fn end(&mut self) -> Option<Outcome> {
        self.transport.note(Step::Over);
        self.check_freed("at the end");
        let steps = self.transport.steps();
        let end = self.transport.clock().now();
        for _ in 0..2 {
            self.transport.clock().advance_to(end + LATER);
            if !matches!(self.poll(), Poll::Ready(None)) {
                self.transport.wrong("end: something came after it");
            }
        }
        let finish = pin!(self.reply.take()?.finish());
        let Poll::Ready(outcome) = finish.poll(&mut Context::from_waker(Waker::noop())) else {
            self.transport.wrong("end: it has no outcome");
            return None;
        };
        if outcome.as_ref().err().map(Error::kind) != self.error.as_ref().map(Error::kind) {
            self.transport.wrong("end: the outcome is not the error that was handed out");
        }
        if self.transport.steps() != steps {
            self.transport.wrong("end: something happened after it");
        }
        Some(Outcome::Ended(outcome))
    }

    /// Nothing is left of a call: no connection, no chunk, and, once the reply is gone, no alarm.
    fn check_freed(&self, when: &str) {
        let connections = self.transport.connections();
        let chunks = self.transport.chunks();
        if connections + chunks > 0 {
            self.transport.wrong(format!("freed: {connections} connections and {chunks} chunks are left {when}"));
        }
        if self.reply.is_none() && self.transport.clock().next_alarm().is_some() {
            self.transport.wrong(format!("freed: an alarm is left {when}"));
        }
    }
}

/// Whether the task was woken.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
