//! The checks of a transcript: invariants that hold for every call, and the prediction of the oracle.

use std::fmt;
use std::time::Duration;

use chat_client::{Answer, Error, ErrorKind, Event, TimeoutKind, Timeouts, ToolCall};

use super::body::Then;
use super::oracle::{self, Ending, Expectation, Observed, Prediction, expected, expected_at_timeout};
use super::scenario::{Consumer, Dialect, End, Pace, Reaction, Response, Scenario};
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
            checker.check_result(result, false)?;
        }
        Some(Outcome::Cancelled(result)) => checker.check_result(result, true)?,
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
    let timed_out = [ending, Ending::of(kind(result))].iter().any(|ending| matches!(ending, Ending::Timeout(_)))
        || [&prompt, transcript].iter().any(|transcript| is_complete_by_timeout(scenario, transcript));
    if timed_out || !began || !same_attempts {
        return Ok(());
    }
    let same = Ending::of(kind(result)) == ending && prompt.events().eq(transcript.events());
    ensure(same, "a slow consumer loses nothing", || format!("a prompt one's call:\n{prompt}"))
}

/// Returns whether a timeout ended the call after the finish reason, so that the answer is complete.
fn is_complete_by_timeout(scenario: &Scenario, transcript: &Transcript) -> bool {
    let mut checker = Checker::new(scenario);
    let passes = transcript.steps.iter().all(|(at, step)| checker.step(*at, step).is_ok());
    passes && checker.response.is_some() && checker.expect(checker.end).ending.is_none()
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
    /// What the client must make of the input so far. `None` until it is needed.
    expected: Option<Expectation<'a>>,
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
    /// When a timeout made the client deliver what it held back.
    timed_out_at: Option<Duration>,
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
            expected: None,
            delivered: 0,
            taken: Vec::new(),
            ready: Duration::ZERO,
            waits: false,
            bytes_at: Duration::ZERO,
            content_at: Duration::ZERO,
            timed_out_at: None,
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
                self.check_delivered()?;
                self.check_goes_on()
            }
            Step::Closed => {
                self.closed = at;
                Ok(())
            }
            Step::Event(event) => self.event(event),
            Step::Over => {
                self.over = true;
                if self.response.is_some() && self.expectation().ending.is_none() {
                    // A timeout ends the body. What the client held back comes last.
                    self.expected = Some(self.expect(Some(End::Reset)));
                }
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
        self.check_goes_on()?;
        self.expected = None;
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

    /// Returns what the client must make of the input so far. There must be a response.
    fn expectation(&mut self) -> &Expectation<'a> {
        let expected = self.expected.take().unwrap_or_else(|| self.expect(self.end));
        self.expected.insert(expected)
    }

    /// Returns what the client must make of the input so far if the body ends like this.
    fn expect(&self, end: Option<End>) -> Expectation<'a> {
        let response = self.response.expect("a response");
        expected(self.scenario, response, self.received, end)
    }

    fn event(&mut self, event: &Event) -> CheckResult {
        let delivered = self.delivered;
        let mut next = self.response.and_then(|_| self.expectation().events.get(delivered).copied());
        let was_held = next.is_none() && self.response.is_some();
        if was_held {
            // What the client held back comes when a timeout ends the body.
            next = self.expect(Some(End::Reset)).events.get(delivered).copied();
            self.timed_out_at.get_or_insert(self.at);
        }
        ensure(next == Some(event), "each event is delivered once, in order and unchanged", || {
            format!("{event:?}, not {next:?}")
        })?;
        let json = self.response.is_some_and(|response| !response.is_stream());
        ensure(!json || self.end == Some(End::Clean), "a JSON answer is read when it is complete", String::new)?;
        self.delivered += 1;
        if EventClass::of(event) == EventClass::Content && !was_held {
            self.content_at = self.bytes_at;
        }
        Ok(())
    }

    /// Checks that all received events were delivered. Called before each read, before each wait and at the end.
    fn check_delivered(&mut self) -> CheckResult {
        if self.response.is_none() {
            return ensure(self.delivered == 0, "there are no events without a response", || {
                self.delivered.to_string()
            });
        }
        let events = self.expectation().events.len();
        ensure(self.delivered == events, "received events are neither delayed nor lost", || {
            format!("{} of {events} events at {:?}", self.delivered, self.at)
        })
    }

    /// Checks that the input so far does not end the call.
    fn check_goes_on(&mut self) -> CheckResult {
        let ending = self.response.and_then(|_| self.expectation().ending);
        ensure(ending.is_none(), "a call ends as soon as its ending is known", || format!("{ending:?}"))
    }

    fn may_hang(&self) -> bool {
        match &self.scenario.attempts[self.attempts - 1].reaction {
            Reaction::Silence => self.timeouts.head.is_none() && self.timeouts.total.is_none(),
            Reaction::Answer(response) => response.end == End::Silence && self.timeouts.total.is_none(),
            Reaction::Fault(_) => false,
        }
    }

    fn check_result(&mut self, result: &Result<Answer, Error>, was_cancelled: bool) -> CheckResult {
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
        // A completion is complete once its finish reason was delivered.
        let is_finished = self.scenario.dialect == Dialect::Completions
            && result.as_ref().is_ok_and(|answer| answer.finish_reason.is_some());
        if ending == Ending::Cancelled || was_cancelled && is_finished {
            return Ok(());
        }
        self.check_ending(ending, result.as_ref().err())?;
        match (result, success) {
            (Ok(answer), Some(response)) => self.check_complete(answer, response),
            _ => Ok(()),
        }
    }

    /// Checks that the server caused this ending, or a timeout.
    fn check_ending(&self, ending: Ending, error: Option<&Error>) -> CheckResult {
        let Some(response) = self.response else { return Ok(()) };
        let mut caused = self.expect(self.end);
        if !response.is_success() {
            // An error response is reported however its body ends.
            caused = self.expect(Some(self.end.unwrap_or(End::Reset)));
        }
        // The total timeout may expire in the wait after a failure.
        let in_wait = !response.is_success() && ending == Ending::Timeout(TimeoutKind::Total);
        let Some(cause) = caused.ending else {
            let kinds = [TimeoutKind::Idle, TimeoutKind::Content, TimeoutKind::Total];
            let late = |kind| expected_at_timeout(self.scenario, response, self.received, kind).ending == Some(ending);
            return ensure(kinds.into_iter().any(late), "an unfinished answer ends only by a timeout", || {
                format!("{ending:?}")
            });
        };
        ensure(ending == cause || in_wait, "the outcome is the one that the server caused", || {
            format!("{ending:?}, not {cause:?}")
        })?;
        let body = error.and_then(Error::body).map(str::as_bytes);
        ensure(in_wait || caused.evidence.is_none() || caused.evidence == body, "an error has its text", || {
            format!("{error:?}, not {caused:?}")
        })
    }

    /// Checks that an answer is complete as far as a client can tell.
    fn check_complete(&self, answer: &Answer, response: &Response) -> CheckResult {
        let whole = self.received == response.body.bytes.len();
        // Without framing, a cut between two events cannot be detected.
        let framed = response.header("content-length").or(response.header("transfer-encoding")).is_some();
        let said = match self.scenario.dialect {
            Dialect::Sessions => false,
            Dialect::Completions => response
                .body
                .items
                .iter()
                .any(|item| item.complete_at <= self.received && (item.completes || item.then == Then::Done)),
        };
        ensure(whole || said || !framed, "a complete answer was received completely", || format!("{answer:?}"))?;
        let accepts = self.scenario.dialect == Dialect::Sessions || self.scenario.config.accept_unfinished;
        ensure(said || accepts || !response.is_stream(), "a complete answer says so", || format!("{answer:?}"))
    }

    /// Checks that the answer consists of the delivered events. A JSON answer is available before its events are taken.
    fn check_answer(&self, answer: &Answer, response: &Response) -> CheckResult {
        let count = answer.events as usize;
        let right = if response.is_stream() { count == self.delivered } else { count >= self.delivered };
        let all = match self.expect(self.end) {
            expected if expected.events.len() < count => self.expect(Some(End::Reset)),
            expected => expected,
        };
        let events = all.events.get(..count);
        let merged = merge(answer, events.unwrap_or_default());
        ensure(right && events.is_some() && merged == *answer, "the answer is the sum of its events", || {
            format!("{answer:?}, not {merged:?}")
        })?;
        let started: Vec<_> = all
            .events
            .iter()
            .take(count)
            .filter_map(|event| match event {
                Event::Started(started) => Some(started),
                _ => None,
            })
            .collect();
        let id = started.iter().find_map(|started| started.id.as_deref());
        let model = started.iter().find_map(|started| started.model.as_deref());
        ensure((answer.id(), answer.model()) == (id, model), "the answer has the first id and model", || {
            format!("{answer:?}, not {id:?} and {model:?}")
        })?;
        ensure(answer.head.status == response.status, "the answer has the head of the response", || {
            format!("{:?}", answer.head)
        })
    }

    /// Checks that a timeout is correct: the client waited that long without input or without content.
    fn check_clock(&self, error: &Error) -> CheckResult {
        let ErrorKind::Timeout { kind: clock, after, .. } = error.kind() else { return Ok(()) };
        let at = self.timed_out_at.unwrap_or(self.at);
        let (given, was) = match clock {
            TimeoutKind::Connect => (self.timeouts.connect, *after),
            TimeoutKind::Head => (self.timeouts.head, at - self.sent),
            TimeoutKind::Idle => (self.timeouts.idle, at - self.bytes_at),
            TimeoutKind::Content => (self.timeouts.content, at - self.content_at),
            TimeoutKind::Total => (self.timeouts.total, at),
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
        let in_time = flooded || next.is_none_or(|next| next > at);
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

/// Merges events into an answer. Its head, id, model and number of events are those of `given`.
fn merge(given: &Answer, events: &[&Event]) -> Answer {
    let mut merged = given.clone();
    (merged.text, merged.tool_calls) = (String::new(), Vec::new());
    (merged.citations, merged.reasoning, merged.refusal, merged.usage) = (None, None, None, None);
    (merged.finish_reason, merged.session_id) = (None, None);
    for event in events {
        match event {
            Event::Text(chunk) => {
                merged.text += &chunk.text;
                merged.session_id = chunk.session_id.clone().or(merged.session_id);
                merged.finish_reason = chunk.finish_reason.clone().or(merged.finish_reason);
            }
            Event::Citations(cited) => merged.citations = Some(cited.clone()),
            Event::Reasoning(text) => *merged.reasoning.get_or_insert_default() += text,
            Event::Refusal(text) => *merged.refusal.get_or_insert_default() += text,
            Event::Usage(usage) => merged.usage = Some(usage.clone()),
            Event::ToolCall(piece) => {
                if piece.index == merged.tool_calls.len() {
                    merged.tool_calls.push(ToolCall::default());
                }
                let call = &mut merged.tool_calls[piece.index];
                call.server_index = piece.server_index;
                call.is_custom |= piece.is_custom;
                call.id = call.id.take().or(piece.id.clone());
                call.name += piece.name.as_deref().unwrap_or_default();
                call.arguments += &piece.arguments;
            }
            _ => {}
        }
    }
    // Calls without an index come last.
    merged.tool_calls.sort_by_key(|call| (call.server_index.is_none(), call.server_index));
    merged
}
