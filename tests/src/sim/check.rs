//! The checks of a transcript: invariants that hold for every call, and the prediction of the oracle.

use std::fmt;
use std::time::Duration;

use chat_client::{Answer, Error, ErrorKind, Event, TimeoutKind, Timeouts};

use super::oracle::{self, Ending, Observed, Prediction, expected_result};
use super::scenario::{Consumer, End, Pace, Reaction, Response, Scenario};
use super::timeouts::EventClass;
use super::transcript::{Outcome, Step, Transcript};

/// A violated invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// What happened instead.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

type CheckResult = Result<(), Violation>;

fn ensure(truth: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> CheckResult {
    if truth { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}

/// Checks a transcript.
///
/// # Errors
///
/// The first violated invariant.
pub fn check(scenario: &Scenario, transcript: &Transcript) -> CheckResult {
    ensure(transcript.violations.is_empty(), "the simulator sees no violation", || transcript.violations.join("; "))?;
    let mut checker = Checker::new(scenario);
    for (at, step) in &transcript.steps {
        checker.step(*at, step)?;
    }
    match transcript.outcome.as_ref() {
        Some(Outcome::Ended(result)) => {
            ensure(
                Ending::of(kind(result)) != Ending::Cancelled,
                "a call is cancelled only by its consumer",
                String::new,
            )?;
            checker.check_result(result)?;
        }
        Some(Outcome::Cancelled(result)) => checker.check_result(result)?,
        Some(Outcome::Dropped) => {}
        Some(Outcome::Hangs) => ensure(checker.may_hang(), "a call ends", || "it hangs".to_owned())?,
        None => ensure(false, "a call ends", || "no outcome".to_owned())?,
    }
    match scenario.consumer {
        Consumer { pace: Pace::Prompt, leaves: None } => check_predicted(scenario, transcript),
        Consumer { pace: Pace::Pausing(_), leaves: None } => {
            check_predicted(scenario, transcript)?;
            check_slow(scenario, transcript)
        }
        Consumer { leaves: None, .. } => check_slow(scenario, transcript),
        _ => Ok(()),
    }
}

fn kind(result: &Result<Answer, Error>) -> Option<&ErrorKind> {
    result.as_ref().err().map(Error::kind)
}

/// A call whose consumer stays matches the prediction of the oracle, to the nanosecond.
fn check_predicted(scenario: &Scenario, transcript: &Transcript) -> CheckResult {
    let result = match &transcript.outcome {
        Some(Outcome::Ended(result)) => Some(result),
        _ => None,
    };
    let gave_up = result.and_then(|result| result.as_ref().err()).and_then(Error::gave_up);
    let seen = Observed { sends: transcript.sends(), gave_up };
    let predicted = oracle::predict(scenario, &seen)
        .map_err(|detail| Violation { invariant: "waits are within their bounds", detail })?;
    let mut closes = transcript.closes();
    let hangs = predicted.end.is_none();
    // The connection of a call that hangs is closed by the test.
    closes.truncate(closes.len() - usize::from(hangs && closes.len() > predicted.closes.len()));
    let end = result.map(|result| (transcript.end(), Ending::of(kind(result))));
    // The number of events of a call that hangs is not predicted.
    let events = if hangs { 0 } else { transcript.events().count() };
    let is = Prediction { attempts: seen.sends.len(), closes, events, end, gave_up };
    ensure(is == predicted, "a call is as predicted", || format!("{is:?}, not {predicted:?}"))
}

/// A slow consumer gets the same events as a prompt one, unless the call times out.
fn check_slow(scenario: &Scenario, transcript: &Transcript) -> CheckResult {
    // With a timer granularity, input near a deadline may be in time for one consumer and late for the other.
    if scenario.config.timeouts.total.is_some() || scenario.tick > Duration::ZERO {
        return Ok(());
    }
    let mut twin = scenario.clone();
    twin.consumer = Consumer::default();
    let prompt = super::run(&twin);
    let (Some(Outcome::Ended(prompt_result)), Some(Outcome::Ended(result))) = (&prompt.outcome, &transcript.outcome)
    else {
        return Ok(());
    };
    let ending = Ending::of(kind(prompt_result));
    // After a timeout of the prompt consumer's call, a slow consumer may still see more input.
    let began = prompt_result.as_ref().map_or_else(|error| error.partial().is_some(), |_| true);
    let same_attempts = prompt.sends().len() == transcript.sends().len();
    // Time without an event counts as the server's time, so only the slow consumer's call may time out.
    let timed_out = [ending, Ending::of(kind(result))].iter().any(|ending| matches!(ending, Ending::Timeout(_)));
    if timed_out || !began || !same_attempts {
        return Ok(());
    }
    let same = Ending::of(kind(result)) == ending && prompt.events().eq(transcript.events());
    ensure(same, "a slow consumer loses nothing", || format!("a prompt one's call:\n{prompt}"))
}

/// State of a walk through the steps of a transcript.
struct Checker<'a> {
    scenario: &'a Scenario,
    timeouts: Timeouts,
    at: Duration,
    attempts: usize,
    sent: Duration,
    closed: Duration,
    /// Response of the current attempt, after its head arrived.
    response: Option<&'a Response>,
    /// Number of bytes of its body that were read.
    received: usize,
    end: Option<End>,
    /// Number of its events that were delivered.
    delivered: usize,
    /// When its pieces were read.
    taken: Vec<Duration>,
    /// When the last piece, or the head, became available.
    ready: Duration,
    /// Whether the client waits.
    waits: bool,
    /// Time of the last bytes, or of the head.
    bytes_at: Duration,
    /// Time of the last content, or of the head.
    content_at: Duration,
    over: bool,
}

impl<'a> Checker<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            timeouts: scenario.config.timeouts,
            at: Duration::ZERO,
            attempts: 0,
            sent: Duration::ZERO,
            closed: Duration::ZERO,
            response: None,
            received: 0,
            end: None,
            delivered: 0,
            taken: Vec::new(),
            ready: Duration::ZERO,
            waits: false,
            bytes_at: Duration::ZERO,
            content_at: Duration::ZERO,
            over: false,
        }
    }

    fn step(&mut self, at: Duration, step: &Step) -> CheckResult {
        ensure(!self.over, "nothing happens after the end", || step.to_string())?;
        ensure(at >= self.at, "time does not go backwards", || step.to_string())?;
        self.at = at;
        match step {
            Step::Sent(_) => self.send(),
            Step::Failed(_) | Step::Pause(_) | Step::Left => Ok(()),
            Step::Head(_) => self.head(),
            Step::Bytes { length, ready } => {
                self.input(*ready, *length > 0)?;
                self.taken.push(at);
                self.received += length;
                Ok(())
            }
            Step::End => self.input(at, true).map(|()| self.end = Some(End::Clean)),
            Step::Reset => self.input(at, true).map(|()| self.end = Some(End::Reset)),
            Step::Quiet => {
                self.waits = true;
                self.check_delivered()
            }
            Step::Closed => {
                self.closed = at;
                Ok(())
            }
            Step::Event(event) => self.event(event),
            Step::Over => {
                self.over = true;
                self.check_delivered()
            }
        }
    }

    fn send(&mut self) -> CheckResult {
        let retry = &self.scenario.config.retry;
        ensure(self.attempts <= retry.max_retries as usize, "the number of attempts is limited", || {
            self.attempts.to_string()
        })?;
        ensure(
            !self.response.is_some_and(Response::is_success),
            "a request is not repeated after the head of a success",
            || format!("attempt {}", self.attempts + 1),
        )?;
        if self.attempts > 0 {
            let wanted = self.response.and_then(|response| response.retry_after).unwrap_or_default();
            let wait = self.at - self.closed;
            ensure(wait >= wanted, "no wait is shorter than Retry-After", || format!("{wait:?}, not {wanted:?}"))?;
        }
        let (at, closed, attempts) = (self.at, self.closed, self.attempts + 1);
        *self = Self { at, sent: at, closed, attempts, ..Self::new(self.scenario) };
        Ok(())
    }

    fn head(&mut self) -> CheckResult {
        let attempt = &self.scenario.attempts[self.attempts - 1];
        if let Reaction::Answer(response) = &attempt.reaction {
            self.response = Some(response);
        }
        self.ready = self.sent + attempt.delay;
        let head = self.timeouts.head.map(|head| self.sent + head);
        self.check_fired(self.ready, head)?;
        self.waits = false;
        (self.bytes_at, self.content_at) = (self.at, self.at);
        Ok(())
    }

    /// Input of the body was read. It was available since `ready`.
    fn input(&mut self, ready: Duration, breaks_silence: bool) -> CheckResult {
        ensure(self.end.is_none(), "a body is not read after its end", String::new)?;
        self.check_delivered()?;
        self.ready = ready;
        self.check_fired(ready, None)?;
        self.waits = false;
        if breaks_silence {
            self.bytes_at = self.at;
        }
        Ok(())
    }

    /// Checks that no deadline had expired before the awaited input arrived at `ready`.
    fn check_fired(&self, ready: Duration, head: Option<Duration>) -> CheckResult {
        // A task that is polled late, or a suspended process, sees its timers late.
        let late = matches!(self.scenario.consumer.pace, Pace::Late(_)) || self.scenario.suspended.is_some();
        if late || !self.waits {
            return Ok(());
        }
        let fired = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline + self.scenario.tick < ready);
        ensure(!fired(head), "the client does not wait for the head after the head timeout", || {
            format!("{:?}", self.at)
        })?;
        ensure(!fired(self.timeouts.total), "the client does not wait after the total timeout", || {
            format!("{:?}", self.at)
        })
    }

    fn event(&mut self, event: &Event) -> CheckResult {
        let item = self.response.and_then(|response| response.body.items.get(self.delivered));
        let is_next =
            item.is_some_and(|item| item.complete_at <= self.received && item.expected.event() == Some(event));
        ensure(is_next, "each event is delivered once, in order and unchanged", || format!("{event:?}, not {item:?}"))?;
        let json = self.response.is_some_and(|response| !response.is_stream());
        ensure(!json || self.end == Some(End::Clean), "a JSON answer is read when it is complete", String::new)?;
        self.delivered += 1;
        if EventClass::of(event) == EventClass::Content {
            self.content_at = self.bytes_at;
        }
        Ok(())
    }

    /// Checks that all received events were delivered. Called before each read, before each wait and at the end.
    fn check_delivered(&self) -> CheckResult {
        let Some(response) = self.response else {
            return ensure(self.delivered == 0, "there are no events without a response", || {
                self.delivered.to_string()
            });
        };
        let (events, _) = expected_result(response, &self.scenario.config.limits, self.received, self.end);
        ensure(self.delivered == events, "received events are neither delayed nor lost", || {
            format!("{} of {events} events at {:?}", self.delivered, self.at)
        })
    }

    fn may_hang(&self) -> bool {
        match &self.scenario.attempts[self.attempts - 1].reaction {
            Reaction::Silence => self.timeouts.head.is_none() && self.timeouts.total.is_none(),
            Reaction::Answer(response) => response.end == End::Silence && self.timeouts.total.is_none(),
            Reaction::Fault(_) => false,
        }
    }

    fn check_result(&self, result: &Result<Answer, Error>) -> CheckResult {
        let ending = Ending::of(kind(result));
        let success = self.response.filter(|response| response.is_success());
        let answer = match result {
            Ok(answer) => Some(answer),
            Err(error) => {
                let attempts = error.attempts() as usize;
                ensure(attempts == self.attempts, "attempts are counted", || attempts.to_string())?;
                // No scenario has more attempts than an error keeps. During a wait between attempts, all of them have
                // failed.
                let earlier: Vec<_> = error.earlier().iter().map(|earlier| earlier.attempts() as usize).collect();
                let failed = |count| (1..=count).eq(earlier.iter().copied());
                let in_wait =
                    matches!(ending, Ending::Cancelled | Ending::Timeout(TimeoutKind::Total)) && failed(attempts);
                ensure(
                    in_wait || failed(attempts - 1),
                    "an error contains the errors of the earlier attempts",
                    || format!("{earlier:?}"),
                )?;
                error.partial()
            }
        };
        ensure(
            answer.is_some() == success.is_some(),
            "there is an answer if and only if the head of a success arrived",
            || format!("{answer:?}"),
        )?;
        if let (Some(answer), Some(response)) = (answer, success) {
            self.check_answer(answer, response)?;
        }
        if let Err(error) = result {
            self.check_clock(error)?;
        }
        if ending == Ending::Cancelled {
            return Ok(());
        }
        let limits = &self.scenario.config.limits;
        let judged = self.response.map(|response| expected_result(response, limits, self.received, self.end));
        let expected = match (judged, self.response) {
            (Some((_, Some(expected))), _) => Some(expected),
            // An error response is reported however its body ends.
            (Some(_), Some(response)) if !response.is_success() => {
                expected_result(response, limits, self.received, Some(End::Reset)).1
            }
            _ => None,
        };
        // The total timeout may expire in the wait after a failure.
        let in_wait = success.is_none() && ending == Ending::Timeout(TimeoutKind::Total);
        match expected {
            Some(expected) => {
                ensure(ending == expected || in_wait, "the outcome is the one that the server caused", || {
                    format!("{ending:?}, not {expected:?}")
                })?;
            }
            None if self.response.is_some() => {
                let timed_out =
                    matches!(ending, Ending::Timeout(TimeoutKind::Idle | TimeoutKind::Content | TimeoutKind::Total));
                ensure(timed_out, "an unfinished answer ends only by a timeout", || format!("{ending:?}"))?;
            }
            None => {}
        }
        if let (Ok(answer), Some(response)) = (result, success) {
            // Without framing, a cut between two events cannot be detected.
            let framed = response.header("content-length").or(response.header("transfer-encoding")).is_some();
            let whole = self.received == response.body.bytes.len();
            ensure(whole || !framed, "a complete answer was received completely", || format!("{answer:?}"))?;
        }
        Ok(())
    }

    /// Checks that the answer consists of the delivered events. A JSON answer is available before its events are taken.
    fn check_answer(&self, answer: &Answer, response: &Response) -> CheckResult {
        let count = answer.events as usize;
        let right = if response.is_stream() { count == self.delivered } else { count >= self.delivered };
        let item = response.body.items.get(..count);
        let events = item.unwrap_or_default().iter().filter_map(|item| item.expected.event());
        let mut merged = Answer::default();
        merged.head = answer.head.clone();
        merged.events = answer.events;
        for event in events {
            match event {
                Event::Text(chunk) => {
                    merged.text += &chunk.text;
                    merged.session_id = chunk.session_id.clone().or(merged.session_id);
                    merged.finish_reason = chunk.finish_reason.clone().or(merged.finish_reason);
                }
                Event::Citations(cited) => merged.citations = Some(cited.clone()),
                _ => {}
            }
        }
        ensure(right && item.is_some() && merged == *answer, "the answer is the sum of its events", || {
            format!("{answer:?}, not {merged:?}")
        })?;
        ensure(answer.head.status == response.status, "the answer has the head of the response", || {
            format!("{:?}", answer.head)
        })
    }

    /// Checks that a timeout is correct: the client waited that long without input or without content.
    fn check_clock(&self, error: &Error) -> CheckResult {
        let ErrorKind::Timeout { kind: clock, after, .. } = error.kind() else { return Ok(()) };
        let (given, was) = match clock {
            TimeoutKind::Connect => (self.timeouts.connect, *after),
            TimeoutKind::Head => (self.timeouts.head, self.at - self.sent),
            TimeoutKind::Idle => (self.timeouts.idle, self.at - self.bytes_at),
            TimeoutKind::Content => (self.timeouts.content, self.at - self.content_at),
            TimeoutKind::Total => (self.timeouts.total, self.at),
            _ => (None, Duration::ZERO),
        };
        ensure(given == Some(*after), "a timeout error contains the configured timeout", || error.to_string())?;
        ensure(was >= *after, "a timeout expires only after that much silence of the server", || {
            format!("{error}, not {was:?}")
        })?;
        let attempt = &self.scenario.attempts[self.attempts - 1];
        let next = match (clock, &attempt.reaction) {
            (TimeoutKind::Head, Reaction::Answer(_) | Reaction::Fault(_)) => Some(self.sent + attempt.delay),
            (TimeoutKind::Idle | TimeoutKind::Content, Reaction::Answer(response)) => self.next_ready(response),
            _ => None,
        };
        // Except after two late inputs that did not extend the deadline.
        let flooded = matches!(clock, TimeoutKind::Idle | TimeoutKind::Content) && was > 2 * *after;
        let in_time = flooded || next.is_none_or(|next| next > self.at);
        ensure(in_time, "input takes precedence over a timeout", || format!("{next:?}"))
    }

    /// Returns when the next piece of the body, or its end, can be read.
    fn next_ready(&self, response: &Response) -> Option<Duration> {
        let taken = self.taken.len();
        let room = response.window.and_then(|window| taken.checked_sub(window)).map(|before| self.taken[before]);
        let sent = self.ready.max(room.unwrap_or_default());
        match response.pieces.get(taken) {
            Some(piece) => Some(sent + piece.delay),
            None => (response.end != End::Silence).then_some(sent + response.end_delay),
        }
    }
}
