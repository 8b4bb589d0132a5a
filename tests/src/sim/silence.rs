//! When a call is out of time, for the oracle: whose time passes, and what each read does to the timeouts. Written from the
//! rules on the page of the core, over what a body means to say, not over how it is decoded.

use std::time::Duration;

use chat_client::{Event, TimeoutKind, Timeouts};

use super::body::is_ping;
use super::scenario::{Pace, Response, Scenario};
use super::transport::ceil;

/// A deadline that is noticed later than this is extended by as much, once.
const LATE: Duration = Duration::from_secs(1);

/// What an event is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// A ping: nothing.
    Ping,
    /// The caller's time is the caller's, but there is no content.
    Empty,
    /// Content.
    Content,
}

impl Weight {
    /// The weight of an event.
    pub(super) fn of(event: &Event) -> Self {
        let says = match event {
            Event::Text(chunk) => !chunk.text.is_empty() || chunk.finish_reason.is_some(),
            Event::Other(other) if is_ping(&other.event_type) => return Self::Ping,
            Event::Other(other) => !["", "{}", "[]", "null"].contains(&other.data.trim()),
            _ => true,
        };
        if says { Self::Content } else { Self::Empty }
    }
}

/// The time of a consumer who stays.
pub(super) struct Watch<'a> {
    /// What is to happen.
    pub(super) scenario: &'a Scenario,
    /// The time.
    pub(super) now: Duration,
    pauses: usize,
}

impl<'a> Watch<'a> {
    /// A consumer at this time.
    pub(super) fn new(scenario: &'a Scenario, now: Duration) -> Self {
        Self { scenario, now, pauses: 0 }
    }

    /// Hands events out: after each, the consumer may pause.
    pub(super) fn hand_out(&mut self, events: usize) {
        if let Pace::Pausing(pauses) = &self.scenario.consumer.pace {
            for _ in 0..events {
                self.now += pauses[self.pauses % pauses.len()];
                self.pauses += 1;
            }
        }
    }

    /// Waits for something that can be read at `due`, if ever: gives the timeout that ends the wait, or `None` inside. `None`
    /// outside if nothing ever happens.
    pub(super) fn wait(&mut self, due: Option<Duration>, clocks: &mut Clocks) -> Option<Option<TimeoutKind>> {
        loop {
            // What is ready comes before the timers.
            if due.is_some_and(|due| due <= self.now) {
                return Some(None);
            }
            let fires = clocks.next().map(|at| ceil(at, self.scenario.tick));
            if fires.is_some_and(|at| at <= self.now) {
                if let Some(kind) = clocks.expire(self.now) {
                    return Some(Some(kind));
                }
                continue;
            }
            self.now = self.scenario.wakes(due.into_iter().chain(fires).min()?);
        }
    }
}

/// The timers of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Of the whole call.
    Total,
    /// Of the head, or of the bytes of a body.
    Bytes,
    /// Of the content.
    Content,
}

const TIMERS: [Timer; 3] = [Timer::Total, Timer::Bytes, Timer::Content];

#[derive(Clone, Copy, Debug, Default)]
struct Deadline {
    at: Option<Duration>,
    forgiven: Option<Duration>,
    /// The second period, for input that came too late and changed nothing.
    second: bool,
}

impl Deadline {
    fn end(&self) -> Option<Duration> {
        Some(self.at?.max(self.forgiven.unwrap_or_default()))
    }
}

/// The timeouts of an attempt.
#[derive(Debug)]
pub(super) struct Clocks {
    timeouts: Timeouts,
    kind: TimeoutKind,
    deadlines: [Deadline; 3],
    /// When the content timeout would end if no event were under way.
    content: Option<Duration>,
    input: Option<Duration>,
    handed_out: Option<Weight>,
    /// What is left of the one period by which the content timeout moves without content.
    spare: Duration,
    /// Of the event that is under way: how many blocks ended before it, and how many bytes of it have come at most.
    under_way: Option<(usize, usize)>,
    /// How many blocks had ended at the last read.
    blocks: usize,
    /// The caller has had a pause after an event without content.
    paused: bool,
    resets: bool,
}

impl Clocks {
    /// Of an attempt that is sent then.
    pub(super) fn of_attempt(timeouts: &Timeouts, sent: Duration) -> Self {
        let mut clocks = Self {
            timeouts: *timeouts,
            kind: TimeoutKind::Head,
            deadlines: [Deadline::default(); 3],
            content: None,
            input: None,
            handed_out: None,
            spare: timeouts.content.unwrap_or_default(),
            under_way: None,
            blocks: 0,
            paused: false,
            resets: false,
        };
        clocks.set(Timer::Total, timeouts.total);
        clocks.set(Timer::Bytes, timeouts.head.map(|head| sent + head));
        clocks
    }

    /// Of a response whose head is read then.
    pub(super) fn of_body(timeouts: &Timeouts, response: &Response, head: Duration) -> Self {
        let mut clocks = Self::of_attempt(timeouts, head);
        clocks.kind = TimeoutKind::Idle;
        clocks.set(Timer::Bytes, timeouts.idle.map(|idle| head + idle));
        clocks.resets = response.is_success();
        clocks.content = timeouts.content.filter(|_| clocks.resets).map(|content| head + content);
        clocks.set(Timer::Content, clocks.content);
        clocks
    }

    fn set(&mut self, timer: Timer, at: Option<Duration>) {
        self.deadlines[timer as usize] = Deadline { at, forgiven: None, second: self.deadlines[timer as usize].second };
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.deadlines.iter().filter_map(Deadline::end).min()
    }

    /// Whether this timer is over.
    pub(super) fn is_over(&self, timer: Timer, now: Duration) -> bool {
        self.deadlines[timer as usize].end().is_some_and(|at| at <= now)
    }

    /// What ends, if anything does, when the timers are looked at.
    pub(super) fn expire(&mut self, now: Duration) -> Option<TimeoutKind> {
        TIMERS.into_iter().find_map(|timer| {
            if !self.is_over(timer, now) {
                return None;
            }
            let deadline = &mut self.deadlines[timer as usize];
            let late =
                timer != Timer::Total && deadline.forgiven.is_none() && deadline.at.is_some_and(|at| at + LATE < now);
            if late {
                deadline.forgiven = Some(now + LATE);
                return None;
            }
            Some(self.kind_of(timer))
        })
    }

    fn kind_of(&self, timer: Timer) -> TimeoutKind {
        match timer {
            Timer::Total => TimeoutKind::Total,
            Timer::Bytes => self.kind,
            Timer::Content => TimeoutKind::Content,
        }
    }

    /// So many bytes of the body are read.
    pub(super) fn input(&mut self, now: Duration, len: usize) {
        self.input = Some(now);
        if len > 0 && self.resets {
            self.deadlines[Timer::Bytes as usize].second = false;
            self.set(Timer::Bytes, self.timeouts.idle.map(|idle| now + idle));
        }
    }

    /// An event is handed out.
    pub(super) fn event(&mut self, weight: Weight) {
        self.handed_out = self.handed_out.max(Some(weight));
    }

    /// The client wants more, after all that came was handed out.
    pub(super) fn read(&mut self, response: &Response, came: usize, now: Duration) -> Option<TimeoutKind> {
        let input = self.input.take()?;
        let handed_out = self.handed_out.take();
        if handed_out == Some(Weight::Content) && self.content.is_some() {
            self.content = self.timeouts.content.map(|content| input + content);
            self.deadlines[Timer::Content as usize].second = false;
            self.set(Timer::Content, self.content);
            self.spare = self.timeouts.content.unwrap_or_default();
            self.paused = false;
        }
        if let Some(kind) = self.settle(Timer::Bytes, self.timeouts.idle, input) {
            return Some(kind);
        }
        if let Some(kind) = self.settle_content(response, came, input) {
            return Some(kind);
        }
        // The caller's time.
        let pause = now - input;
        let content = match handed_out {
            None | Some(Weight::Ping) => return None,
            Some(Weight::Content) => pause,
            Some(Weight::Empty) if !self.paused => pause,
            Some(Weight::Empty) => pause.min(self.spare),
        };
        if handed_out == Some(Weight::Empty) && std::mem::replace(&mut self.paused, true) {
            self.spare -= content;
        }
        let later = |at: Option<Duration>, by| at.map(|at| at + by);
        self.content = later(self.content, content);
        let [_, bytes, text] = &mut self.deadlines;
        (bytes.at, text.at) = (later(bytes.at, pause), later(text.at, content));
        None
    }

    fn settle_content(&mut self, response: &Response, came: usize, input: Duration) -> Option<TimeoutKind> {
        if !self.resets {
            return None;
        }
        if !response.is_stream() {
            if !response.body.bytes[..came].iter().all(u8::is_ascii_whitespace) {
                self.content = None;
                self.set(Timer::Content, None);
            }
            return self.settle(Timer::Content, self.timeouts.content, input);
        }
        let ended = response.body.blocks.iter().filter(|end| **end <= came).count();
        let size = response.body.unfinished(came);
        let has_ended = std::mem::replace(&mut self.blocks, ended) != ended;
        let most = match self.under_way {
            Some((before, most)) if before == ended && size > 0 => most,
            _ => {
                // Nothing of an event that was under way counts any more.
                self.under_way = None;
                self.set(Timer::Content, self.content);
                if has_ended && let Some(kind) = self.settle(Timer::Content, self.timeouts.content, input) {
                    return Some(kind);
                }
                0
            }
        };
        if size > most {
            self.under_way = Some((ended, size));
            if self.content.is_some() {
                self.set(Timer::Content, self.timeouts.content.map(|content| input + content));
            }
            return None;
        }
        self.settle(Timer::Content, self.timeouts.content, input)
    }

    /// Input that came after a deadline and changed nothing: one more period, or the end.
    fn settle(&mut self, timer: Timer, period: Option<Duration>, input: Duration) -> Option<TimeoutKind> {
        if self.deadlines[timer as usize].at.is_none_or(|at| at >= input) {
            return None;
        }
        let second = std::mem::replace(&mut self.deadlines[timer as usize].second, true);
        let mut at = period.map(|period| input + period);
        if timer == Timer::Content {
            at = Some(input + std::mem::take(&mut self.spare));
            self.content = at;
        }
        if second || at == Some(input) {
            return Some(self.kind_of(timer));
        }
        self.set(timer, at);
        None
    }
}
