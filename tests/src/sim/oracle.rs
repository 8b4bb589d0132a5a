//! The oracle: predicts the outcome of a call from its scenario alone, without code of the core.

use std::time::Duration;

use chat_client::driver::{Config, TransportError};
use chat_client::{Citation, ErrorKind, Event, GaveUp, Limit, Limits, TimeoutKind, Truncation, UnexpectedResponse};

use super::body::{BodyItem, Then};
use super::oracle_completions;
use super::scenario::{Attempt, Dialect, End, Reaction, Response, Scenario};
use super::timeouts::{DeadlineKind, EventClass, TimeoutState, VirtualConsumer};
use super::transport::round_up;
use crate::naive;

/// How a call or an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer is complete, as far as a client can tell.
    Complete,
    /// As [`ErrorKind::Connect`].
    Connect,
    /// As [`ErrorKind::Timeout`].
    Timeout(TimeoutKind),
    /// As [`ErrorKind::Transport`].
    Transport,
    /// As [`ErrorKind::Api`].
    Api,
    /// As [`ErrorKind::Validation`].
    Validation,
    /// As [`ErrorKind::UnexpectedResponse`].
    UnexpectedResponse(UnexpectedResponse),
    /// As [`ErrorKind::Decode`].
    Decode,
    /// As [`ErrorKind::Stream`].
    Stream,
    /// As [`ErrorKind::Truncated`].
    Truncated(Truncation),
    /// As [`ErrorKind::Limit`].
    Limit(Limit),
    /// As [`ErrorKind::Cancelled`].
    Cancelled,
    /// Any other error. It is never expected.
    Other,
}

impl Ending {
    /// Returns the ending that a client reported.
    pub fn of(kind: Option<&ErrorKind>) -> Self {
        match kind {
            None => Self::Complete,
            Some(ErrorKind::Connect) => Self::Connect,
            Some(ErrorKind::Timeout { kind: clock, .. }) => Self::Timeout(*clock),
            Some(ErrorKind::Transport) => Self::Transport,
            Some(ErrorKind::Api { .. }) => Self::Api,
            Some(ErrorKind::Validation { .. }) => Self::Validation,
            Some(ErrorKind::UnexpectedResponse { reason, .. }) => Self::UnexpectedResponse(*reason),
            Some(ErrorKind::Decode { .. }) => Self::Decode,
            Some(ErrorKind::Stream { .. }) => Self::Stream,
            Some(ErrorKind::Truncated(cut)) => Self::Truncated(*cut),
            Some(ErrorKind::Limit { limit, .. }) => Self::Limit(*limit),
            Some(ErrorKind::Cancelled) => Self::Cancelled,
            Some(_) => Self::Other,
        }
    }
}

/// What a client must make of a part of a body.
#[derive(Clone, Debug, Default)]
pub struct Expectation<'a> {
    /// The events that it delivers, in order.
    pub events: Vec<&'a Event>,
    /// The ending, if there is one.
    pub ending: Option<Ending>,
    /// The text of the server that the error must contain, if it is known.
    pub evidence: Option<&'a [u8]>,
}

impl<'a> Expectation<'a> {
    /// Creates the expectation of an ending without events.
    pub(super) fn end(ending: Ending) -> Self {
        Self { ending: Some(ending), ..Self::default() }
    }

    /// Sets the ending.
    pub(super) fn and_then(self, ending: Ending) -> Self {
        Self { ending: Some(ending), ..self }
    }

    /// Sets the ending, which the data of an item causes.
    pub(super) fn and_item(self, ending: Ending, data: &'a str) -> Self {
        Self { evidence: Some(data.as_bytes()), ..self.and_then(ending) }
    }
}

/// Predicts the result of the first `received` bytes of a body, and of its end if `end` is set.
pub fn expected<'a>(scenario: &Scenario, response: &'a Response, received: usize, end: Option<End>) -> Expectation<'a> {
    let limits = &scenario.config.limits;
    if !response.is_success() {
        let full = received >= limits.error_body;
        let ending =
            (full || end.is_some()).then(|| failure(response, limits, received, full || end == Some(End::Clean)));
        return Expectation { ending, ..Expectation::default() };
    }
    match (response.is_stream(), scenario.dialect) {
        (false, dialect) => expected_of_json(dialect, response, limits, received, end),
        (true, Dialect::Sessions) => expected_of_session_stream(response, limits, received, end),
        (true, Dialect::Completions) => oracle_completions::of_stream(response, &scenario.config, received, end),
    }
}

/// Predicts the result of a body that a timeout ends after `received` bytes.
pub fn expected_at_timeout<'a>(
    scenario: &Scenario,
    response: &'a Response,
    received: usize,
    kind: TimeoutKind,
) -> Expectation<'a> {
    // A timeout ends a body like a lost connection.
    let expected = expected(scenario, response, received, Some(End::Reset));
    if expected.ending == Some(Ending::Truncated(Truncation::ConnectionLost)) {
        return expected.and_then(Ending::Timeout(kind));
    }
    expected
}

/// Returns whether fewer bytes were received than the server promised.
pub(super) fn is_short(response: &Response, received: usize) -> bool {
    let promised = response.header("content-length").and_then(|value| value.parse::<usize>().ok());
    promised.is_some_and(|promised| received < promised)
}

fn expected_of_json<'a>(
    dialect: Dialect,
    response: &'a Response,
    limits: &Limits,
    received: usize,
    end: Option<End>,
) -> Expectation<'a> {
    let body = &response.body;
    Expectation::end(match end {
        _ if received > limits.json_body.min(limits.answer) => {
            Ending::Limit(if limits.answer < limits.json_body { Limit::Answer } else { Limit::JsonBody })
        }
        None | Some(End::Silence) => return Expectation::default(),
        Some(End::Reset) => Ending::Truncated(Truncation::ConnectionLost),
        Some(End::Clean) if is_short(response, received) => Ending::Truncated(Truncation::ContentLength),
        Some(End::Clean) if String::from_utf8_lossy(&body.bytes[..received]).len() > limits.answer => {
            Ending::Limit(Limit::Answer)
        }
        Some(End::Clean) => {
            let whole = body.items.first().filter(|item| item.complete_at <= received);
            return match (dialect, whole) {
                (_, None) => Expectation::end(Ending::Decode),
                (Dialect::Sessions, Some(item)) => expected_of_session_object(item, limits),
                (Dialect::Completions, Some(item)) => oracle_completions::of_object(item, limits),
            };
        }
    })
}

fn expected_of_session_object<'a>(item: &'a BodyItem, limits: &Limits) -> Expectation<'a> {
    if item.then == Then::Garbage {
        Expectation::end(Ending::Decode)
    } else if item.events.iter().map(answer_size).sum::<usize>() > limits.answer {
        Expectation::end(Ending::Limit(Limit::Answer))
    } else {
        Expectation { events: item.events.iter().collect(), ..Expectation::end(Ending::Complete) }
    }
}

/// Returns whether the first `received` bytes have so much of the item that it exceeds the limit of an event. It fails
/// before it is complete. No scenario cuts one near the limit.
pub(super) fn is_too_large(item: &BodyItem, limits: &Limits, received: usize) -> bool {
    item.data.len() > limits.event && received + item.data.len() > item.complete_at + limits.event
}

fn expected_of_session_stream<'a>(
    response: &'a Response,
    limits: &Limits,
    received: usize,
    end: Option<End>,
) -> Expectation<'a> {
    let body = &response.body;
    let mut so_far = Expectation::default();
    let (mut text, mut cited, mut unknown) = (0, 0, 0);
    for item in &body.items {
        if is_too_large(item, limits, received) {
            return so_far.and_then(Ending::Limit(Limit::Event));
        }
        if item.complete_at > received {
            break;
        }
        match item.then {
            Then::More => {}
            Then::Garbage => return so_far.and_item(Ending::Decode, &item.data),
            _ => return so_far.and_item(Ending::Stream, &item.data),
        }
        for event in &item.events {
            match event {
                Event::Citations(_) => cited = answer_size(event),
                Event::Other(_) => unknown += item.counted_len,
                event => text += answer_size(event),
            }
            if unknown > limits.unknown_events {
                return so_far.and_then(Ending::Limit(Limit::UnknownEvents));
            }
            if !matches!(event, Event::Other(_)) && EventClass::of(event) == EventClass::Content {
                unknown = 0;
            }
            if text + cited > limits.answer {
                return so_far.and_then(Ending::Limit(Limit::Answer));
            }
            so_far.events.push(event);
        }
    }
    let ending = match end {
        None | Some(End::Silence) => return so_far,
        Some(End::Reset) => Ending::Truncated(Truncation::ConnectionLost),
        Some(End::Clean) if naive::decode(&body.bytes[..received]).incomplete => {
            Ending::Truncated(Truncation::InsideEvent)
        }
        Some(End::Clean) if is_short(response, received) => Ending::Truncated(Truncation::ContentLength),
        Some(End::Clean) if so_far.events.is_empty() && is_foreign(&body.bytes[..received]) => {
            Ending::UnexpectedResponse(UnexpectedResponse::NoEvents)
        }
        Some(End::Clean) => Ending::Complete,
    };
    so_far.and_then(ending)
}

/// Size of an event as the answer limit counts it.
pub(super) fn answer_size(event: &Event) -> usize {
    match event {
        Event::Citations(cited) => cited.iter().map(citation_size).sum(),
        event => event.text().map_or(0, str::len),
    }
}

/// Returns the memory of a citation. No scenario has breadcrumbs or an unknown record type.
pub(super) fn citation_size(citation: &Citation) -> usize {
    let record = &citation.record;
    let all = [&citation.hit_url, &citation.label, &record.url, &record.title, &record.description];
    size_of::<Citation>() + all.into_iter().flatten().map(String::len).sum::<usize>()
}

/// Returns whether a stream without an event has unknown lines and no field of an event.
fn is_foreign(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    let names: Vec<_> =
        text.split(['\n', '\r']).filter_map(|line| line.split(':').next().filter(|_| !line.is_empty())).collect();
    let is_ours = |name: &&str| ["data", "event", "id"].contains(name);
    !names.iter().any(is_ours) && names.iter().any(|name| !["", "retry"].contains(name))
}

/// Predicts the ending of a response that is not a success, after `received` bytes of its body. `ended` is whether
/// the body ended regularly.
fn failure(response: &Response, limits: &Limits, received: usize, ended: bool) -> Ending {
    let length = response.body.bytes.len();
    match response.status {
        200 if response.header("content-encoding").is_some() => {
            Ending::UnexpectedResponse(UnexpectedResponse::ContentEncoding)
        }
        200 => Ending::UnexpectedResponse(UnexpectedResponse::ContentType),
        422 if response.validation && ended && received == length && length <= limits.error_body => Ending::Validation,
        400..=599 => Ending::Api,
        _ => Ending::UnexpectedResponse(UnexpectedResponse::Status),
    }
}

/// Whether a failed attempt is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryRule {
    Never,
    Always,
    /// If ambiguous retries are allowed: the server may have read the request.
    IfAllowed,
}

/// Predicted end of an attempt.
#[derive(Clone, Copy, Debug)]
struct AttemptEnd {
    at: Duration,
    /// When its connection is closed.
    closed: Duration,
    ending: Ending,
    events: usize,
    retry_rule: RetryRule,
    /// Delay that the server asks for.
    retry_after: Duration,
}

impl Attempt {
    /// Predicts the end of the attempt if it is sent at `sent`. Returns `None` if it does not end.
    fn predict_end(&self, scenario: &Scenario, sent: Duration) -> Option<AttemptEnd> {
        let mut consumer = VirtualConsumer::new(scenario, sent);
        let mut state = TimeoutState::of_attempt(&scenario.config.timeouts, sent);
        let due = (!matches!(self.reaction, Reaction::Silence)).then_some(sent + self.delay);
        let ended = |consumer: &VirtualConsumer<'_>, ending, retry_rule| {
            let (at, closed) = (consumer.now, consumer.now);
            Some(AttemptEnd { at, closed, ending, events: 0, retry_rule, retry_after: Duration::ZERO })
        };
        if let Some(kind) = consumer.wait(due, &mut state)? {
            let retry_rule = if kind == TimeoutKind::Head { RetryRule::IfAllowed } else { RetryRule::Never };
            return ended(&consumer, Ending::Timeout(kind), retry_rule);
        }
        match &self.reaction {
            Reaction::Answer(response) => response.predict_end(consumer, sent + self.delay),
            Reaction::Fault(error) => {
                let (ending, retry_rule) = match error {
                    TransportError::Connect => (Ending::Connect, RetryRule::Always),
                    TransportError::Permanent => (Ending::Connect, RetryRule::Never),
                    TransportError::ConnectTimeout => (Ending::Timeout(TimeoutKind::Connect), RetryRule::Always),
                    TransportError::Unsent => (Ending::Transport, RetryRule::Always),
                    _ => (Ending::Transport, RetryRule::IfAllowed),
                };
                ended(&consumer, ending, retry_rule)
            }
            Reaction::Silence => None,
        }
    }
}

impl Response {
    /// Predicts the end of the response if its head is read now and was available at `ready`.
    fn predict_end(&self, mut consumer: VirtualConsumer<'_>, mut ready: Duration) -> Option<AttemptEnd> {
        let scenario = consumer.scenario;
        let limits = &scenario.config.limits;
        let mut state = TimeoutState::of_body(&scenario.config.timeouts, self, consumer.now);
        let (mut received, mut delivered) = (0, 0);
        let mut taken: Vec<Duration> = Vec::new();
        let retry_after = self.retry_after.unwrap_or_default();
        let ended = |at, closed, received, expected: Expectation<'_>| {
            let retry_rule = self.retry_rule(scenario, usize::min(received, limits.error_body));
            let (ending, events) = (expected.ending?, expected.events.len());
            Some(AttemptEnd { at, closed, ending, events, retry_rule, retry_after })
        };
        let timed_out = |mut consumer: VirtualConsumer<'_>, received, delivered, kind| {
            let expected = expected_at_timeout(scenario, self, received, kind);
            consumer.deliver(expected.events.len() - delivered);
            ended(consumer.now, consumer.now, received, expected)
        };
        for index in 0..=self.pieces.len() {
            if let Some(kind) = state.read(self, received, consumer.now) {
                return timed_out(consumer, received, delivered, kind);
            }
            let piece = self.pieces.get(index);
            if let Some(window) = self.window
                && index >= window
            {
                ready = ready.max(taken[index - window]);
            }
            ready += piece.map_or(self.end_delay, |piece| piece.delay);
            let comes = piece.is_some() || self.end != End::Silence;
            if let Some(kind) = consumer.wait(comes.then_some(ready), &mut state)? {
                return timed_out(consumer, received, delivered, kind);
            }
            let now = consumer.now;
            taken.push(now);
            let Some(piece) = piece else {
                if self.trailers && self.end == End::Clean {
                    // Trailers count as an empty read.
                    state.input(now, 0);
                    let over = state.is_over(DeadlineKind::Total, now).then_some(TimeoutKind::Total);
                    if let Some(kind) = over.or_else(|| state.read(self, received, now)) {
                        return timed_out(consumer, received, delivered, kind);
                    }
                }
                let expected = expected(scenario, self, received, Some(self.end));
                consumer.deliver(expected.events.len() - delivered);
                return ended(consumer.now, now, received, expected);
            };
            received += piece.bytes.len();
            state.input(now, piece.bytes.len());
            consumer.now += self.read_time;
            let expected = expected(scenario, self, received, None);
            for event in &expected.events[delivered..] {
                consumer.deliver(1);
                state.event(EventClass::of(event));
            }
            delivered = expected.events.len();
            if expected.ending.is_some() {
                return ended(consumer.now, consumer.now, received, expected);
            }
            // Input that arrives at the deadline still counts.
            if state.is_over(DeadlineKind::Total, now) {
                return timed_out(consumer, received, delivered, TimeoutKind::Total);
            }
        }
        None
    }

    /// Returns whether the response is followed by a retry if `kept` bytes of its body are known.
    fn retry_rule(&self, scenario: &Scenario, kept: usize) -> RetryRule {
        let is_failure = (400..600).contains(&self.status);
        if self.should_retry == Some(false) || self.quota_at.is_some_and(|at| kept >= at) {
            return RetryRule::Never;
        }
        match self.status {
            425 | 429 | 503 | 529 => RetryRule::Always,
            408 | 500 | 502 | 504 if scenario.continues => RetryRule::IfAllowed,
            408 | 500 | 502 | 504 => RetryRule::Always,
            _ if is_failure && self.should_retry == Some(true) => RetryRule::Always,
            _ => RetryRule::Never,
        }
    }
}

/// Predicted result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Number of attempts.
    pub attempts: usize,
    /// When the connection of each attempt is closed.
    pub closes: Vec<Duration>,
    /// Number of events that are delivered.
    pub events: usize,
    /// Time and kind of the end. `None` if the call waits forever.
    pub end: Option<(Duration, Ending)>,
    /// Why there is no further attempt.
    pub gave_up: Option<GaveUp>,
}

/// Observed properties of a call that cannot be predicted. The client draws the jitter of its waits, so the oracle
/// takes the observed waits and checks their bounds.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// When each attempt was sent.
    pub sends: Vec<Duration>,
    /// Why there is no further attempt.
    pub gave_up: Option<GaveUp>,
}

/// Predicts a call. The consumer must not leave and must not be late.
///
/// # Errors
///
/// A wait, or the reason for not waiting, is out of bounds.
pub fn predict(scenario: &Scenario, seen: &Observed) -> Result<Prediction, String> {
    let Config { timeouts, retry, .. } = &scenario.config;
    let total = timeouts.total.unwrap_or(Duration::MAX);
    let mut sent = *seen.sends.first().ok_or("nothing was sent")?;
    let mut waited = Duration::ZERO;
    let mut closes = Vec::new();
    for (index, attempt) in scenario.attempts.iter().enumerate() {
        let attempts = index + 1;
        let Some(ended) = attempt.predict_end(scenario, sent) else {
            return Ok(Prediction { attempts, closes, events: 0, end: None, gave_up: None });
        };
        closes.push(ended.closed);
        let done = |at, ending, gave_up| {
            let (closes, events) = (closes.clone(), ended.events);
            Ok(Prediction { attempts, closes, events, end: Some((at, ending)), gave_up })
        };
        let last = |gave_up| done(ended.at, ended.ending, gave_up);
        match ended.retry_rule {
            RetryRule::Never => return last(None),
            RetryRule::IfAllowed if !retry.ambiguous => return last(Some(GaveUp::MayHaveBeenRead)),
            _ if attempts > retry.max_retries as usize => return last(Some(GaveUp::Attempts)),
            RetryRule::Always | RetryRule::IfAllowed => {}
        }
        let least = ended.retry_after;
        let most = least.max(retry.base.saturating_mul(1 << index).min(retry.max_backoff));
        if let Some(next) = seen.sends.get(attempts) {
            let wait = next.checked_sub(ended.at).ok_or("an attempt was sent before the previous one had failed")?;
            // Timers fire up to one tick late.
            let meant = wait.saturating_sub(scenario.tick);
            if wait < least || meant > most {
                return Err(format!("a wait of {wait:?} is not between {least:?} and {most:?}"));
            }
            waited += wait;
            if waited > retry.max_total_wait + scenario.tick * attempts as u32 {
                return Err(format!("the waits add up to {waited:?}"));
            }
            if ended.at + meant >= total {
                return Err("a wait predict_end after the total timeout".to_owned());
            }
            sent = *next;
            continue;
        }
        return match seen.gave_up {
            Some(GaveUp::WaitTooLong { wait }) if wait < least || wait > most => {
                Err(format!("the wait that was given up, {wait:?}, is not between {least:?} and {most:?}"))
            }
            Some(GaveUp::WaitTooLong { wait }) if waited + wait <= retry.max_total_wait => {
                Err(format!("a wait of {wait:?} was given up after waits of {waited:?}"))
            }
            Some(GaveUp::Deadline) if ended.at + most < total => Err("gave up although there was time".to_owned()),
            Some(GaveUp::WaitTooLong { .. } | GaveUp::Deadline) => last(seen.gave_up),
            // The timer of a wait may fire so late, within one tick, that the total timeout has expired.
            None if scenario.tick > Duration::ZERO
                && ended.at + least < total
                && round_up(ended.at + most, scenario.tick) >= total =>
            {
                let at = round_up(total, scenario.tick);
                Ok(Prediction { events: 0, ..done(at, Ending::Timeout(TimeoutKind::Total), None)? })
            }
            _ => Err(format!("there is no attempt after attempt {attempts}")),
        };
    }
    Err("more attempts than the scenario has".to_owned())
}
