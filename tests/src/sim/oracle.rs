//! What a call should come to: a direct function of its scenario, which asks nothing of the client's core.

use std::time::Duration;

use chat_client::driver::{Config, TransportError};
use chat_client::{Citation, ErrorKind, Event, GaveUp, Limit, Limits, TimeoutKind, Truncation, UnexpectedResponse};

use super::body::What;
use super::scenario::{Attempt, End, Reaction, Response, Scenario};
use super::silence::{Clocks, Timer, Watch, Weight};
use super::transport::ceil;
use crate::naive;

/// How a call or an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer is whole, as far as anybody can tell.
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
    /// None of these: never right here.
    Other,
}

impl Ending {
    /// What a client reported.
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

/// What a client should make of the part of a body that has come, and of its end if that came too: how many events it
/// hands out, and how it ends, if it does.
pub fn judge(response: &Response, limits: &Limits, came: usize, end: Option<End>) -> (usize, Option<Ending>) {
    let body = &response.body;
    if !response.is_success() {
        let full = came >= limits.error_body;
        return (0, (full || end.is_some()).then(|| failure(response, limits, came, full || end == Some(End::Clean))));
    }
    let promised = response.header("content-length").and_then(|value| value.parse::<usize>().ok());
    let short = promised.is_some_and(|promised| came < promised);
    if !response.is_stream() {
        let ending = match end {
            _ if came > limits.json_body.min(limits.answer) => {
                Ending::Limit(if limits.answer < limits.json_body { Limit::Answer } else { Limit::JsonBody })
            }
            None | Some(End::Silence) => return (0, None),
            Some(End::Reset) => Ending::Truncated(Truncation::ConnectionLost),
            Some(End::Clean) if short => Ending::Truncated(Truncation::ContentLength),
            Some(End::Clean) if String::from_utf8_lossy(&body.bytes[..came]).len() > limits.answer => {
                Ending::Limit(Limit::Answer)
            }
            Some(End::Clean) => {
                let whole = body.said.iter().filter(|said| said.whole_at <= came);
                let events: Vec<_> = whole.filter_map(|said| said.what.event()).collect();
                return match () {
                    () if events.is_empty() => (0, Some(Ending::Decode)),
                    () if events.iter().map(|event| held(event)).sum::<usize>() > limits.answer => {
                        (0, Some(Ending::Limit(Limit::Answer)))
                    }
                    () => (events.len(), Some(Ending::Complete)),
                };
            }
        };
        return (0, Some(ending));
    }
    let (mut text, mut cited, mut unknown) = (0, 0, 0);
    for (events, said) in body.said.iter().enumerate() {
        // An event that is too large is over before it is whole. No scenario cuts one where that is in doubt.
        if said.size > limits.event && came + said.size > said.whole_at + limits.event {
            return (events, Some(Ending::Limit(Limit::Event)));
        }
        if said.whole_at > came {
            break;
        }
        match &said.what {
            What::Error => return (events, Some(Ending::Stream)),
            What::Garbage => return (events, Some(Ending::Decode)),
            What::Event(event @ Event::Citations(_)) => cited = held(event),
            What::Event(Event::Other(_)) => unknown += said.carries,
            What::Event(event) => text += held(event),
        }
        if unknown > limits.unknown_events {
            return (events, Some(Ending::Limit(Limit::UnknownEvents)));
        }
        if said
            .what
            .event()
            .is_some_and(|event| !matches!(event, Event::Other(_)) && Weight::of(event) == Weight::Content)
        {
            unknown = 0;
        }
        if text + cited > limits.answer {
            return (events, Some(Ending::Limit(Limit::Answer)));
        }
    }
    let events = body.said.iter().filter(|said| said.whole_at <= came).count();
    let ending = match end {
        None | Some(End::Silence) => None,
        Some(End::Reset) => Some(Ending::Truncated(Truncation::ConnectionLost)),
        Some(End::Clean) if naive::decode(&body.bytes[..came]).incomplete => {
            Some(Ending::Truncated(Truncation::InsideEvent))
        }
        Some(End::Clean) if short => Some(Ending::Truncated(Truncation::ContentLength)),
        Some(End::Clean) if events == 0 && is_foreign(&body.bytes[..came]) => {
            Some(Ending::UnexpectedResponse(UnexpectedResponse::NoEvents))
        }
        Some(End::Clean) => Some(Ending::Complete),
    };
    (events, ending)
}

/// What an event takes in memory of what an answer may.
fn held(event: &Event) -> usize {
    let Event::Citations(cited) = event else { return event.text().map_or(0, str::len) };
    let strings = |citation: &Citation| {
        let record = &citation.record;
        let all = [&citation.hit_url, &record.url, &record.title, &record.description];
        all.into_iter().flatten().map(String::len).sum::<usize>()
    };
    // No scenario has breadcrumbs, or a type that nobody knows.
    cited.iter().map(|citation| size_of::<Citation>() + strings(citation)).sum()
}

/// Whether a stream without an event has lines that are part of none, and no others that mean something.
fn is_foreign(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    let names: Vec<_> =
        text.split(['\n', '\r']).filter_map(|line| line.split(':').next().filter(|_| !line.is_empty())).collect();
    let is_ours = |name: &&str| ["data", "event", "id"].contains(name);
    !names.iter().any(is_ours) && names.iter().any(|name| !["", "retry"].contains(name))
}

/// What a head that is none of a success comes to, with so much of its body, which ended by itself or did not.
fn failure(response: &Response, limits: &Limits, came: usize, ended: bool) -> Ending {
    let length = response.body.bytes.len();
    match response.status {
        200 if response.header("content-encoding").is_some() => {
            Ending::UnexpectedResponse(UnexpectedResponse::ContentEncoding)
        }
        200 => Ending::UnexpectedResponse(UnexpectedResponse::ContentType),
        422 if response.validation && ended && came == length && length <= limits.error_body => Ending::Validation,
        400..=599 => Ending::Api,
        _ => Ending::UnexpectedResponse(UnexpectedResponse::Status),
    }
}

/// Whether an attempt that failed is worth another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    Nothing,
    Another,
    /// Another, if the caller does not mind that the server may have read the request.
    AnotherIfAllowed,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Duration,
    /// When its connection was let go of.
    closed: Duration,
    ending: Ending,
    events: usize,
    worth: Worth,
    /// What the server wants to be waited.
    retry_after: Duration,
}

impl Attempt {
    /// How it ends if it is sent then; `None` if it never does.
    fn ends(&self, scenario: &Scenario, sent: Duration) -> Option<Ended> {
        let mut watch = Watch::new(scenario, sent);
        let mut clocks = Clocks::of_attempt(&scenario.config.timeouts, sent);
        let due = (!matches!(self.reaction, Reaction::Silence)).then_some(sent + self.delay);
        let ended = |watch: &Watch<'_>, ending, worth| {
            let (at, closed) = (watch.now, watch.now);
            Some(Ended { at, closed, ending, events: 0, worth, retry_after: Duration::ZERO })
        };
        if let Some(kind) = watch.wait(due, &mut clocks)? {
            let worth = if kind == TimeoutKind::Head { Worth::AnotherIfAllowed } else { Worth::Nothing };
            return ended(&watch, Ending::Timeout(kind), worth);
        }
        match &self.reaction {
            Reaction::Answer(response) => response.ends(watch, sent + self.delay),
            Reaction::Fault(error) => {
                let (ending, worth) = match error {
                    TransportError::Connect => (Ending::Connect, Worth::Another),
                    TransportError::Permanent => (Ending::Connect, Worth::Nothing),
                    TransportError::ConnectTimeout => (Ending::Timeout(TimeoutKind::Connect), Worth::Another),
                    TransportError::Unsent => (Ending::Transport, Worth::Another),
                    _ => (Ending::Transport, Worth::AnotherIfAllowed),
                };
                ended(&watch, ending, worth)
            }
            Reaction::Silence => None,
        }
    }
}

impl Response {
    /// How it ends if its head is read now, and could be read at `ready`.
    fn ends(&self, mut watch: Watch<'_>, mut ready: Duration) -> Option<Ended> {
        let scenario = watch.scenario;
        let limits = &scenario.config.limits;
        let mut clocks = Clocks::of_body(&scenario.config.timeouts, self, watch.now);
        let (mut came, mut handed) = (0, 0);
        let mut taken: Vec<Duration> = Vec::new();
        let (worth, retry_after) = (self.worth(scenario.continues), self.retry_after.unwrap_or_default());
        let ended = |at, closed, events, ending| Some(Ended { at, closed, ending, events, worth, retry_after });
        let timed_out = |at, came, events, kind| {
            let ending = if self.is_success() { Ending::Timeout(kind) } else { failure(self, limits, came, false) };
            ended(at, at, events, ending)
        };
        for index in 0..=self.pieces.len() {
            if let Some(kind) = clocks.read(self, came, watch.now) {
                return timed_out(watch.now, came, handed, kind);
            }
            let piece = self.pieces.get(index);
            if let Some(window) = self.window
                && index >= window
            {
                ready = ready.max(taken[index - window]);
            }
            ready += piece.map_or(self.end_delay, |piece| piece.delay);
            let comes = piece.is_some() || self.end != End::Silence;
            if let Some(kind) = watch.wait(comes.then_some(ready), &mut clocks)? {
                return timed_out(watch.now, came, handed, kind);
            }
            let now = watch.now;
            taken.push(now);
            let Some(piece) = piece else {
                if self.trailers && self.end == End::Clean {
                    // They count as an empty read.
                    clocks.input(now, 0);
                    let over = clocks.is_over(Timer::Total, now).then_some(TimeoutKind::Total);
                    if let Some(kind) = over.or_else(|| clocks.read(self, came, now)) {
                        return timed_out(now, came, handed, kind);
                    }
                }
                let (events, ending) = judge(self, limits, came, Some(self.end));
                watch.hand_out(events - handed);
                return ended(watch.now, now, events, ending?);
            };
            came += piece.bytes.len();
            clocks.input(now, piece.bytes.len());
            watch.now += self.read_time;
            let (events, ending) = judge(self, limits, came, None);
            for said in self.body.said[handed..events].iter().filter_map(|said| said.what.event()) {
                watch.hand_out(1);
                clocks.event(Weight::of(said));
            }
            handed = events;
            if let Some(ending) = ending {
                return ended(watch.now, watch.now, events, ending);
            }
            // What came at the last moment still counts, and is the last.
            if clocks.is_over(Timer::Total, now) {
                return timed_out(watch.now, came, events, TimeoutKind::Total);
            }
        }
        None
    }

    fn worth(&self, continues: bool) -> Worth {
        match self.status {
            425 | 429 | 503 | 529 => Worth::Another,
            408 | 500 | 502 | 504 if continues => Worth::AnotherIfAllowed,
            408 | 500 | 502 | 504 => Worth::Another,
            _ => Worth::Nothing,
        }
    }
}

/// What a call comes to for a consumer who stays, prompt or with pauses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// How many attempts are made.
    pub attempts: usize,
    /// When the connection of each is let go of.
    pub closes: Vec<Duration>,
    /// How many events are handed out.
    pub events: usize,
    /// The end and its time; `None` if it waits for ever.
    pub end: Option<(Duration, Ending)>,
    /// Why there was no further attempt.
    pub gave_up: Option<GaveUp>,
}

/// What was seen of a call. The jitter is the client's to draw, so that the waits between its attempts are taken as they
/// were, and held to their bounds.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When each attempt was sent.
    pub sends: Vec<Duration>,
    /// Why there was no further attempt.
    pub gave_up: Option<GaveUp>,
}

/// Predicts a call by a consumer who stays, prompt or with pauses.
///
/// # Errors
///
/// What is wrong with a wait that was made, or with the reason for making none.
pub fn predict(scenario: &Scenario, seen: &Seen) -> Result<Prediction, String> {
    let Config { timeouts, retry, .. } = &scenario.config;
    let total = timeouts.total.unwrap_or(Duration::MAX);
    let mut sent = *seen.sends.first().ok_or("nothing was sent")?;
    let mut waited = Duration::ZERO;
    let mut closes = Vec::new();
    for (index, attempt) in scenario.attempts.iter().enumerate() {
        let attempts = index + 1;
        let Some(ended) = attempt.ends(scenario, sent) else {
            return Ok(Prediction { attempts, closes, events: 0, end: None, gave_up: None });
        };
        closes.push(ended.closed);
        let done = |at, ending, gave_up| {
            let (closes, events) = (closes.clone(), ended.events);
            Ok(Prediction { attempts, closes, events, end: Some((at, ending)), gave_up })
        };
        let last = |gave_up| done(ended.at, ended.ending, gave_up);
        match ended.worth {
            Worth::Nothing => return last(None),
            Worth::AnotherIfAllowed if !retry.ambiguous => return last(Some(GaveUp::MayHaveBeenRead)),
            _ if attempts > retry.max_retries as usize => return last(Some(GaveUp::Attempts)),
            Worth::Another | Worth::AnotherIfAllowed => {}
        }
        let least = ended.retry_after;
        let most = least.max(retry.base.saturating_mul(1 << index).min(retry.max_backoff));
        if let Some(next) = seen.sends.get(attempts) {
            let wait = next.checked_sub(ended.at).ok_or("an attempt before the one before it had failed")?;
            // Timers fire late, within their grain. By how much is not seen.
            let meant = wait.saturating_sub(scenario.tick);
            if wait < least || meant > most {
                return Err(format!("a wait of {wait:?}, not between {least:?} and {most:?}"));
            }
            waited += wait;
            if waited > retry.max_total_wait + scenario.tick * attempts as u32 {
                return Err(format!("waits of {waited:?} together"));
            }
            if ended.at + meant >= total {
                return Err("a wait beyond the end of the whole call".to_owned());
            }
            sent = *next;
            continue;
        }
        return match seen.gave_up {
            Some(GaveUp::WaitTooLong { wait }) if wait < least || wait > most => {
                Err(format!("gave up a wait of {wait:?}, not between {least:?} and {most:?}"))
            }
            Some(GaveUp::WaitTooLong { wait }) if waited + wait <= retry.max_total_wait => {
                Err(format!("gave up a wait of {wait:?} after {waited:?} of them"))
            }
            Some(GaveUp::Deadline) if ended.at + most < total => Err("gave up in time".to_owned()),
            Some(GaveUp::WaitTooLong { .. } | GaveUp::Deadline) => last(seen.gave_up),
            // With a grain, the timer of a wait that was to end in time may fire so late that the whole call is over.
            None if scenario.tick > Duration::ZERO
                && ended.at + least < total
                && ceil(ended.at + most, scenario.tick) >= total =>
            {
                let at = ceil(total, scenario.tick);
                Ok(Prediction { events: 0, ..done(at, Ending::Timeout(TimeoutKind::Total), None)? })
            }
            _ => Err(format!("no further attempt after {}", attempts)),
        };
    }
    Err("more attempts than the scenario has".to_owned())
}
