//! What must be true of every call, whatever happens to it.

use std::fmt;
use std::time::Duration;

use chat_client::{Answer, Error, ErrorKind, Event, TimeoutKind, Timeouts};

use super::oracle::{self, Ending, Prediction, Seen, judge};
use super::scenario::{Consumer, End, Pace, Reaction, Response, Scenario};
use super::silence::Weight;
use super::transcript::{Outcome, Step, Transcript};

/// Something that must be true and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What must be true.
    pub invariant: &'static str,
    /// What is true instead.
    pub detail: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

type Held = Result<(), Broken>;

fn hold(truth: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Held {
    if truth { Ok(()) } else { Err(Broken { invariant, detail: detail() }) }
}

/// Holds a call to all of it.
///
/// # Errors
///
/// The first thing that is not so.
pub fn check(scenario: &Scenario, transcript: &Transcript) -> Held {
    hold(transcript.wrong.is_empty(), "nothing goes wrong on the way", || transcript.wrong.join("; "))?;
    let mut walk = Walk::new(scenario);
    for (at, step) in &transcript.steps {
        walk.step(*at, step)?;
    }
    match transcript.outcome.as_ref() {
        Some(Outcome::Ended(result)) => {
            hold(Ending::of(kind(result)) != Ending::Cancelled, "only a cancel cancels", String::new)?;
            walk.check_result(result)?;
        }
        Some(Outcome::Cancelled(result)) => walk.check_result(result)?,
        Some(Outcome::Dropped) => {}
        Some(Outcome::Hangs) => hold(walk.may_hang(), "a call ends", || "it hangs".to_owned())?,
        None => hold(false, "a call ends", || "no outcome".to_owned())?,
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

/// The call of a consumer who stays is what the oracle says, to the nanosecond.
fn check_predicted(scenario: &Scenario, transcript: &Transcript) -> Held {
    let result = match &transcript.outcome {
        Some(Outcome::Ended(result)) => Some(result),
        _ => None,
    };
    let gave_up = result.and_then(|result| result.as_ref().err()).and_then(Error::gave_up);
    let seen = Seen { sends: transcript.sends(), gave_up };
    let predicted = oracle::predict(scenario, &seen)
        .map_err(|detail| Broken { invariant: "waits are within their bounds", detail })?;
    let mut closes = transcript.closes();
    let hangs = predicted.end.is_none();
    // A call that hangs was let go of by the test.
    closes.truncate(closes.len() - usize::from(hangs && closes.len() > predicted.closes.len()));
    let end = result.map(|result| (transcript.end(), Ending::of(kind(result))));
    // How much a call that hangs hands out is not predicted.
    let events = if hangs { 0 } else { transcript.events().count() };
    let is = Prediction { attempts: seen.sends.len(), closes, events, end, gave_up };
    hold(is == predicted, "a call is as predicted", || format!("{is:?}, not {predicted:?}"))
}

/// A slow consumer gets what a prompt one gets, unless it times out.
fn check_slow(scenario: &Scenario, transcript: &Transcript) -> Held {
    // With a grain, what comes just after its time may come in time for one and not for the other.
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
    // Where a clock ended something for a prompt consumer, more may be there by the time that a slow one looks.
    let began = prompt_result.as_ref().map_or_else(|error| error.partial().is_some(), |_| true);
    let same_attempts = prompt.sends().len() == transcript.sends().len();
    // The time of a consumer without an event is the server's: a slow one may see a timeout that a prompt one does not.
    let timed_out = [ending, Ending::of(kind(result))].iter().any(|ending| matches!(ending, Ending::Timeout(_)));
    if timed_out || !began || !same_attempts {
        return Ok(());
    }
    let same = Ending::of(kind(result)) == ending && prompt.events().eq(transcript.events());
    hold(same, "a slow consumer loses nothing", || format!("a prompt one's call:\n{prompt}"))
}

/// A walk through a transcript.
struct Walk<'a> {
    scenario: &'a Scenario,
    timeouts: Timeouts,
    at: Duration,
    attempts: usize,
    sent: Duration,
    closed: Duration,
    /// The newest attempt's answer, once its head came.
    response: Option<&'a Response>,
    /// How much of its body came.
    came: usize,
    end: Option<End>,
    /// How many of its events were handed out.
    handed: usize,
    /// When its pieces were taken.
    taken: Vec<Duration>,
    /// When the last of them could be taken, the head at first.
    ready: Duration,
    /// The client waits.
    waits: bool,
    /// When bytes or the head came last.
    bytes_at: Duration,
    /// When content or the head came last.
    content_at: Duration,
    over: bool,
}

impl<'a> Walk<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            timeouts: scenario.config.timeouts,
            at: Duration::ZERO,
            attempts: 0,
            sent: Duration::ZERO,
            closed: Duration::ZERO,
            response: None,
            came: 0,
            end: None,
            handed: 0,
            taken: Vec::new(),
            ready: Duration::ZERO,
            waits: false,
            bytes_at: Duration::ZERO,
            content_at: Duration::ZERO,
            over: false,
        }
    }

    fn step(&mut self, at: Duration, step: &Step) -> Held {
        hold(!self.over, "after the end nothing changes", || step.to_string())?;
        hold(at >= self.at, "time goes on", || step.to_string())?;
        self.at = at;
        match step {
            Step::Sent(_) => self.send(),
            Step::Failed(_) | Step::Pause(_) | Step::Left => Ok(()),
            Step::Head(_) => self.head(),
            Step::Bytes { length, ready } => {
                self.input(*ready, *length > 0)?;
                self.taken.push(at);
                self.came += length;
                Ok(())
            }
            Step::End => self.input(at, true).map(|()| self.end = Some(End::Clean)),
            Step::Reset => self.input(at, true).map(|()| self.end = Some(End::Reset)),
            Step::Quiet => {
                self.waits = true;
                self.check_handed()
            }
            Step::Closed => {
                self.closed = at;
                Ok(())
            }
            Step::Event(event) => self.event(event),
            Step::Over => {
                self.over = true;
                self.check_handed()
            }
        }
    }

    fn send(&mut self) -> Held {
        let retry = &self.scenario.config.retry;
        hold(self.attempts <= retry.max_retries as usize, "attempts are capped", || self.attempts.to_string())?;
        hold(!self.response.is_some_and(Response::is_success), "nothing is sent again after a success's head", || {
            format!("attempt {}", self.attempts + 1)
        })?;
        if self.attempts > 0 {
            let wanted = self.response.and_then(|response| response.retry_after).unwrap_or_default();
            let wait = self.at - self.closed;
            hold(wait >= wanted, "no wait is shorter than Retry-After", || format!("{wait:?}, not {wanted:?}"))?;
        }
        let (at, closed, attempts) = (self.at, self.closed, self.attempts + 1);
        *self = Self { at, sent: at, closed, attempts, ..Self::new(self.scenario) };
        Ok(())
    }

    fn head(&mut self) -> Held {
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

    /// Something of the body was taken that could be since `ready`.
    fn input(&mut self, ready: Duration, breaks_silence: bool) -> Held {
        hold(self.end.is_none(), "a body is not read after its end", String::new)?;
        self.check_handed()?;
        self.ready = ready;
        self.check_fired(ready, None)?;
        self.waits = false;
        if breaks_silence {
            self.bytes_at = self.at;
        }
        Ok(())
    }

    /// The client waited for something that came then: no clock was over before.
    fn check_fired(&self, ready: Duration, head: Option<Duration>) -> Held {
        // A task that is polled late, or a process that was stopped, does not see its timers in time.
        let late = matches!(self.scenario.consumer.pace, Pace::Late(_)) || self.scenario.suspended.is_some();
        if late || !self.waits {
            return Ok(());
        }
        let fired = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline + self.scenario.tick < ready);
        hold(!fired(head), "the head is not waited for beyond its time", || format!("{:?}", self.at))?;
        hold(!fired(self.timeouts.total), "a call is not waited for beyond its end", || format!("{:?}", self.at))
    }

    fn event(&mut self, event: &Event) -> Held {
        let said = self.response.and_then(|response| response.body.said.get(self.handed));
        let is_next = said.is_some_and(|said| said.whole_at <= self.came && said.what.event() == Some(event));
        hold(is_next, "each event comes once, in order, as it was said", || format!("{event:?}, not {said:?}"))?;
        let json = self.response.is_some_and(|response| !response.is_stream());
        hold(!json || self.end == Some(End::Clean), "a JSON answer is read when it is whole", String::new)?;
        self.handed += 1;
        if Weight::of(event) == Weight::Content {
            self.content_at = self.bytes_at;
        }
        Ok(())
    }

    /// Everything that came was handed out: before more is read, before a wait, and at the end.
    fn check_handed(&self) -> Held {
        let Some(response) = self.response else {
            return hold(self.handed == 0, "no answer, no events", || self.handed.to_string());
        };
        let (events, _) = judge(response, &self.scenario.config.limits, self.came, self.end);
        hold(self.handed == events, "nothing that came is held back or lost", || {
            format!("{} of {events} events at {:?}", self.handed, self.at)
        })
    }

    fn may_hang(&self) -> bool {
        match &self.scenario.attempts[self.attempts - 1].reaction {
            Reaction::Silence => self.timeouts.head.is_none() && self.timeouts.total.is_none(),
            Reaction::Answer(response) => response.end == End::Silence && self.timeouts.total.is_none(),
            Reaction::Fault(_) => false,
        }
    }

    fn check_result(&self, result: &Result<Answer, Error>) -> Held {
        let ending = Ending::of(kind(result));
        let success = self.response.filter(|response| response.is_success());
        let answer = match result {
            Ok(answer) => Some(answer),
            Err(error) => {
                let attempts = error.attempts() as usize;
                hold(attempts == self.attempts, "attempts are counted", || attempts.to_string())?;
                // No scenario has more attempts than are kept. In a wait for another, all that were made had failed.
                let earlier: Vec<_> = error.earlier().iter().map(|earlier| earlier.attempts() as usize).collect();
                let failed = |count| (1..=count).eq(earlier.iter().copied());
                let in_wait =
                    matches!(ending, Ending::Cancelled | Ending::Timeout(TimeoutKind::Total)) && failed(attempts);
                hold(in_wait || failed(attempts - 1), "an error tells those of the attempts before", || {
                    format!("{earlier:?}")
                })?;
                error.partial()
            }
        };
        hold(answer.is_some() == success.is_some(), "there is an answer if a success's head came", || {
            format!("{answer:?}")
        })?;
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
        let judged = self.response.map(|response| judge(response, limits, self.came, self.end));
        let expected = match (judged, self.response) {
            (Some((_, Some(expected))), _) => Some(expected),
            // Whatever ends the body of a failure, the failure is told.
            (Some(_), Some(response)) if !response.is_success() => {
                judge(response, limits, self.came, Some(End::Reset)).1
            }
            _ => None,
        };
        // In the wait after a failure the whole call may end.
        let in_wait = success.is_none() && ending == Ending::Timeout(TimeoutKind::Total);
        match expected {
            Some(expected) => hold(ending == expected || in_wait, "the end is what the server made it", || {
                format!("{ending:?}, not {expected:?}")
            })?,
            None if self.response.is_some() => {
                let timed_out =
                    matches!(ending, Ending::Timeout(TimeoutKind::Idle | TimeoutKind::Content | TimeoutKind::Total));
                hold(timed_out, "an answer that did not end is not ended", || format!("{ending:?}"))?;
            }
            None => {}
        }
        if let (Ok(answer), Some(response)) = (result, success) {
            // Only a close without a reason to finish is taken as it is: nobody can tell.
            let framed = response.header("content-length").or(response.header("transfer-encoding")).is_some();
            let whole = self.came == response.body.bytes.len();
            hold(whole || !framed, "whole means that all of it came", || format!("{answer:?}"))?;
        }
        Ok(())
    }

    /// An answer is what was handed out. One that came in a JSON object is there before its events are taken.
    fn check_answer(&self, answer: &Answer, response: &Response) -> Held {
        let count = answer.events as usize;
        let right = if response.is_stream() { count == self.handed } else { count >= self.handed };
        let said = response.body.said.get(..count);
        let events = said.unwrap_or_default().iter().filter_map(|said| said.what.event());
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
        hold(right && said.is_some() && merged == *answer, "the answer is what its events say", || {
            format!("{answer:?}, not {merged:?}")
        })?;
        hold(answer.head.status == response.status, "the answer has its head", || format!("{:?}", answer.head))
    }

    /// A timeout is true: so long nothing came, or nothing that says something, while the client waited.
    fn check_clock(&self, error: &Error) -> Held {
        let ErrorKind::Timeout { kind: clock, after, .. } = error.kind() else { return Ok(()) };
        let (given, was) = match clock {
            TimeoutKind::Connect => (self.timeouts.connect, *after),
            TimeoutKind::Head => (self.timeouts.head, self.at - self.sent),
            TimeoutKind::Idle => (self.timeouts.idle, self.at - self.bytes_at),
            TimeoutKind::Content => (self.timeouts.content, self.at - self.content_at),
            TimeoutKind::Total => (self.timeouts.total, self.at),
            _ => (None, Duration::ZERO),
        };
        hold(given == Some(*after), "a timeout says how long it was", || error.to_string())?;
        hold(was >= *after, "a clock measures the server's silence", || format!("{error}, not {was:?}"))?;
        let attempt = &self.scenario.attempts[self.attempts - 1];
        let next = match (clock, &attempt.reaction) {
            (TimeoutKind::Head, Reaction::Answer(_) | Reaction::Fault(_)) => Some(self.sent + attempt.delay),
            (TimeoutKind::Idle | TimeoutKind::Content, Reaction::Answer(response)) => self.next_ready(response),
            _ => None,
        };
        // But for input that came late twice and changed nothing.
        let flooded = matches!(clock, TimeoutKind::Idle | TimeoutKind::Content) && was > 2 * *after;
        let in_time = flooded || next.is_none_or(|next| next > self.at);
        hold(in_time, "what is ready comes before the clock", || format!("{next:?}"))
    }

    /// When the next piece of the body, or its end, can be taken.
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
