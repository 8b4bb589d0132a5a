//! The oracle's model of the timeouts: which deadlines apply, and how each read and event changes them.
//!
//! It follows the rules in the documentation of the core, and uses the scripted events of a body instead of decoding
//! it.

use std::time::Duration;

use chat_client::{Event, TimeoutKind, Timeouts};

use super::body::is_ping;
use super::scenario::{Pace, Response, Scenario};
use super::transport::round_up;

/// A deadline that is noticed later than this is extended by this much, once.
const LATE: Duration = Duration::from_secs(1);

/// Class of an event with respect to the content timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EventClass {
    /// A keep-alive.
    Ping,
    /// An event without content. Only the caller's time after it is excluded.
    Empty,
    /// An event with content.
    Content,
}

impl EventClass {
    /// Returns the class of an event.
    pub(super) fn of(event: &Event) -> Self {
        let says = match event {
            Event::Text(chunk) => !chunk.text.is_empty() || chunk.finish_reason.is_some(),
            Event::Reasoning(text) | Event::Refusal(text) => !text.is_empty(),
            Event::Started(_) | Event::Usage(_) | Event::Chunk(_) => false,
            Event::Other(other) if is_ping(&other.event_type) => return Self::Ping,
            Event::Other(other) => !["", "{}", "[]", "null"].contains(&other.data.trim()),
            _ => true,
        };
        if says { Self::Content } else { Self::Empty }
    }
}

/// Current time of a consumer that stays.
pub(super) struct VirtualConsumer<'a> {
    /// The scenario.
    pub(super) scenario: &'a Scenario,
    /// Current time.
    pub(super) now: Duration,
    pauses: usize,
}

impl<'a> VirtualConsumer<'a> {
    /// Creates a consumer at this time.
    pub(super) fn new(scenario: &'a Scenario, now: Duration) -> Self {
        Self { scenario, now, pauses: 0 }
    }

    /// Delivers events. The consumer may pause after each.
    pub(super) fn deliver(&mut self, events: usize) {
        if let Pace::Pausing(pauses) = &self.scenario.consumer.pace {
            for _ in 0..events {
                self.now += pauses[self.pauses % pauses.len()];
                self.pauses += 1;
            }
        }
    }

    /// Waits for input that is available at `due`. Returns `Some(None)` for the input, `Some(Some(_))` for a timeout,
    /// and `None` if neither ever happens.
    pub(super) fn wait(&mut self, due: Option<Duration>, state: &mut TimeoutState) -> Option<Option<TimeoutKind>> {
        loop {
            // Input takes precedence over timers.
            if due.is_some_and(|due| due <= self.now) {
                return Some(None);
            }
            let fires = state.next().map(|at| round_up(at, self.scenario.tick));
            if fires.is_some_and(|at| at <= self.now) {
                if let Some(kind) = state.expire(self.now) {
                    return Some(Some(kind));
                }
                continue;
            }
            self.now = self.scenario.wakes(due.into_iter().chain(fires).min()?);
        }
    }
}

/// Deadlines of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeadlineKind {
    /// Total timeout of the call.
    Total,
    /// Head timeout, or idle timeout of a body.
    Bytes,
    /// Content timeout.
    Content,
}

const DEADLINES: [DeadlineKind; 3] = [DeadlineKind::Total, DeadlineKind::Bytes, DeadlineKind::Content];

#[derive(Clone, Copy, Debug, Default)]
struct Deadline {
    at: Option<Duration>,
    forgiven: Option<Duration>,
    /// Whether this is the second period, granted after late input without effect.
    second: bool,
}

impl Deadline {
    fn end(&self) -> Option<Duration> {
        Some(self.at?.max(self.forgiven.unwrap_or_default()))
    }
}

/// State of the timeouts of an attempt.
#[derive(Debug)]
pub(super) struct TimeoutState {
    timeouts: Timeouts,
    kind: TimeoutKind,
    deadlines: [Deadline; 3],
    /// Deadline of the content timeout without the extension by an unfinished event.
    content: Option<Duration>,
    input: Option<Duration>,
    delivered: Option<EventClass>,
    /// Rest of the one period by which the content deadline may move without content.
    spare: Duration,
    /// The unfinished event: the number of blocks before it, and its largest size so far.
    under_way: Option<(usize, usize)>,
    /// Number of finished blocks at the last read.
    blocks: usize,
    /// Whether the caller has paused after an event without content.
    paused: bool,
    resets: bool,
}

impl TimeoutState {
    /// Creates the timeouts of an attempt that is sent at `sent`.
    pub(super) fn of_attempt(timeouts: &Timeouts, sent: Duration) -> Self {
        let mut state = Self {
            timeouts: *timeouts,
            kind: TimeoutKind::Head,
            deadlines: [Deadline::default(); 3],
            content: None,
            input: None,
            delivered: None,
            spare: timeouts.content.unwrap_or_default(),
            under_way: None,
            blocks: 0,
            paused: false,
            resets: false,
        };
        state.set(DeadlineKind::Total, timeouts.total);
        state.set(DeadlineKind::Bytes, timeouts.head.map(|head| sent + head));
        state
    }

    /// Creates the timeouts of a response whose head is read at `head`.
    pub(super) fn of_body(timeouts: &Timeouts, response: &Response, head: Duration) -> Self {
        let mut state = Self::of_attempt(timeouts, head);
        state.kind = TimeoutKind::Idle;
        state.set(DeadlineKind::Bytes, timeouts.idle.map(|idle| head + idle));
        state.resets = response.is_success();
        state.content = timeouts.content.filter(|_| state.resets).map(|content| head + content);
        state.set(DeadlineKind::Content, state.content);
        state
    }

    fn set(&mut self, which: DeadlineKind, at: Option<Duration>) {
        self.deadlines[which as usize] = Deadline { at, forgiven: None, second: self.deadlines[which as usize].second };
    }

    /// Returns the next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.deadlines.iter().filter_map(Deadline::end).min()
    }

    /// Returns whether this deadline has expired.
    pub(super) fn is_over(&self, which: DeadlineKind, now: Duration) -> bool {
        self.deadlines[which as usize].end().is_some_and(|at| at <= now)
    }

    /// Checks the deadlines. Returns the timeout that ends the attempt, if any.
    pub(super) fn expire(&mut self, now: Duration) -> Option<TimeoutKind> {
        DEADLINES.into_iter().find_map(|which| {
            if !self.is_over(which, now) {
                return None;
            }
            let deadline = &mut self.deadlines[which as usize];
            let late = which != DeadlineKind::Total
                && deadline.forgiven.is_none()
                && deadline.at.is_some_and(|at| at + LATE < now);
            if late {
                deadline.forgiven = Some(now + LATE);
                return None;
            }
            Some(self.kind_of(which))
        })
    }

    fn kind_of(&self, which: DeadlineKind) -> TimeoutKind {
        match which {
            DeadlineKind::Total => TimeoutKind::Total,
            DeadlineKind::Bytes => self.kind,
            DeadlineKind::Content => TimeoutKind::Content,
        }
    }

    /// `len` bytes of the body are read.
    pub(super) fn input(&mut self, now: Duration, len: usize) {
        self.input = Some(now);
        if len > 0 && self.resets {
            self.deadlines[DeadlineKind::Bytes as usize].second = false;
            self.set(DeadlineKind::Bytes, self.timeouts.idle.map(|idle| now + idle));
        }
    }

    /// An event is delivered.
    pub(super) fn event(&mut self, weight: EventClass) {
        self.delivered = self.delivered.max(Some(weight));
    }

    /// The client reads again, after all received events were delivered.
    pub(super) fn read(&mut self, response: &Response, received: usize, now: Duration) -> Option<TimeoutKind> {
        let input = self.input.take()?;
        let delivered = self.delivered.take();
        if delivered == Some(EventClass::Content) && self.content.is_some() {
            self.content = self.timeouts.content.map(|content| input + content);
            self.deadlines[DeadlineKind::Content as usize].second = false;
            self.set(DeadlineKind::Content, self.content);
            self.spare = self.timeouts.content.unwrap_or_default();
            self.paused = false;
        }
        if let Some(kind) = self.settle(DeadlineKind::Bytes, self.timeouts.idle, input) {
            return Some(kind);
        }
        if let Some(kind) = self.settle_content(response, received, input) {
            return Some(kind);
        }
        // The time of the caller is excluded.
        let pause = now - input;
        let content = match delivered {
            None | Some(EventClass::Ping) => return None,
            Some(EventClass::Content) => pause,
            Some(EventClass::Empty) if !self.paused => pause,
            Some(EventClass::Empty) => pause.min(self.spare),
        };
        if delivered == Some(EventClass::Empty) && std::mem::replace(&mut self.paused, true) {
            self.spare -= content;
        }
        let later = |at: Option<Duration>, by| at.map(|at| at + by);
        self.content = later(self.content, content);
        let [_, bytes, text] = &mut self.deadlines;
        (bytes.at, text.at) = (later(bytes.at, pause), later(text.at, content));
        None
    }

    fn settle_content(&mut self, response: &Response, received: usize, input: Duration) -> Option<TimeoutKind> {
        if !self.resets {
            return None;
        }
        if !response.is_stream() {
            if !response.body.bytes[..received].iter().all(u8::is_ascii_whitespace) {
                self.content = None;
                self.set(DeadlineKind::Content, None);
            }
            return self.settle(DeadlineKind::Content, self.timeouts.content, input);
        }
        let ended = response.body.blocks.iter().filter(|end| **end <= received).count();
        let size = response.body.unfinished(received);
        let has_ended = std::mem::replace(&mut self.blocks, ended) != ended;
        let most = match self.under_way {
            Some((before, most)) if before == ended && size > 0 => most,
            _ => {
                // The unfinished event has ended, so its extension is over.
                self.under_way = None;
                self.set(DeadlineKind::Content, self.content);
                if has_ended && let Some(kind) = self.settle(DeadlineKind::Content, self.timeouts.content, input) {
                    return Some(kind);
                }
                0
            }
        };
        if size > most {
            self.under_way = Some((ended, size));
            if self.content.is_some() {
                self.set(DeadlineKind::Content, self.timeouts.content.map(|content| input + content));
            }
            return None;
        }
        self.settle(DeadlineKind::Content, self.timeouts.content, input)
    }

    /// Handles late input without effect: the deadline is extended by one period, once.
    fn settle(&mut self, which: DeadlineKind, period: Option<Duration>, input: Duration) -> Option<TimeoutKind> {
        if self.deadlines[which as usize].at.is_none_or(|at| at >= input) {
            return None;
        }
        let second = std::mem::replace(&mut self.deadlines[which as usize].second, true);
        let mut at = period.map(|period| input + period);
        if which == DeadlineKind::Content {
            at = Some(input + std::mem::take(&mut self.spare));
            self.content = at;
        }
        if second || at == Some(input) {
            return Some(self.kind_of(which));
        }
        self.set(which, at);
        None
    }
}
