//! All deadlines of an exchange. The rules are on the crate page, under "Timeouts".

use std::time::Duration;

use crate::elapsed::nanos;
use crate::progress::{EventClass, Progress};
use crate::{Elapsed, ErrorKind, Received, TimeoutKind, Timeouts};

/// A deadline that is noticed more than this late is extended once by this time. The process was stopped or busy, and what the
/// kernel holds must be read first.
const GRACE: Duration = Duration::from_secs(1);

/// The timers, in the order of precedence if several have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Total,
    Retry,
    Head,
    Idle,
    Content,
}

impl Timer {
    const ALL: [Self; 5] = [Self::Total, Self::Retry, Self::Head, Self::Idle, Self::Content];
}

/// The deadline of a timer that is not set.
const NEVER: Elapsed = Elapsed::from_start(Duration::MAX);

/// A deadline for each timer.
#[derive(Debug)]
struct Table {
    deadlines: [Elapsed; Timer::ALL.len()],
    /// The end of the extension of a deadline that was noticed late, or the start.
    extended: [Elapsed; Timer::ALL.len()],
}

impl Table {
    fn new() -> Self {
        Self { deadlines: [NEVER; Timer::ALL.len()], extended: [Elapsed::START; Timer::ALL.len()] }
    }

    #[inline]
    fn set(&mut self, timer: Timer, deadline: Elapsed) {
        self.deadlines[timer as usize] = deadline;
        self.extended[timer as usize] = Elapsed::START;
    }

    fn clear(&mut self, timer: Timer) {
        self.set(timer, NEVER);
    }

    /// The deadline as it was set.
    #[inline]
    fn get(&self, timer: Timer) -> Elapsed {
        self.deadlines[timer as usize]
    }

    /// Moves a deadline by some nanoseconds. A timer that is not set stays unset.
    #[inline]
    fn postpone(&mut self, timer: Timer, nanos: u64) {
        self.deadlines[timer as usize] = self.get(timer).after(nanos);
    }

    /// When the timer expires: its deadline or its extension.
    fn end(&self, timer: Timer) -> Elapsed {
        self.get(timer).max(self.extended[timer as usize])
    }

    /// The earliest deadline.
    fn next(&self) -> Option<Elapsed> {
        Timer::ALL.into_iter().map(|timer| self.end(timer)).min().filter(|end| *end < NEVER)
    }

    /// Whether the timer has expired at `now`. A deadline is the first moment at which it has.
    fn has_expired(&self, timer: Timer, now: Elapsed) -> bool {
        self.end(timer) <= now && self.get(timer) < NEVER
    }

    /// Extends a deadline that is noticed late, once. Returns whether it did.
    fn extend_if_late(&mut self, timer: Timer, now: Elapsed) -> bool {
        let is_late = self.get(timer) + GRACE < now && self.extended[timer as usize] == Elapsed::START;
        if is_late {
            self.extended[timer as usize] = now + GRACE;
        }
        is_late
    }
}

/// What has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The wait before the next attempt is over.
    Retry,
    Timeout(TimeoutKind),
}

/// The timers of one exchange.
///
/// Time counts as the server's, with one exception: the time from an input to the next [`read`](Self::read) is the caller's
/// if an event was returned in between.
#[derive(Debug)]
pub(crate) struct Clocks {
    periods: Periods,
    /// The latest time that an input or a poll was called with.
    now: Elapsed,
    table: Table,
    /// The sum of the waits before retries.
    waited: Duration,
    body: Body,
}

/// The timeouts, in nanoseconds. The largest number means no timeout.
#[derive(Debug)]
struct Periods {
    connect: u64,
    head: u64,
    idle: u64,
    content: u64,
    total: u64,
}

/// The state that each response head resets.
#[derive(Debug)]
struct Body {
    last_input: Elapsed,
    /// No [`Clocks::read`] has followed the last input.
    is_unread: bool,
    /// The highest class of the events since the last input.
    handed_out: Option<EventClass>,
    /// Bytes have arrived since the last content.
    has_bytes: bool,
    /// The body is JSON, and only white space has arrived.
    is_blank: bool,
    /// Each byte resets the idle timeout. `false` for the body of a failure.
    resets_idle: bool,
    /// The idle timeout is in its second period.
    idle_overtime: bool,
    /// The content timeout is in its second period.
    content_overtime: bool,
    /// The deadline of the content timeout without the postponement by an unfinished event.
    content: Elapsed,
    /// How far the content timeout has moved without content, in nanoseconds: by a second period, and by the caller's time
    /// after events without content. At most one period.
    granted: u64,
    /// The caller has paused after an event without content.
    has_paused: bool,
    /// Number of complete events and blocks at the last `read`.
    finished: u64,
    /// Maximum number of bytes so far of the unfinished event.
    longest: usize,
}

impl Body {
    fn new(last_input: Elapsed) -> Self {
        Self {
            last_input,
            is_unread: false,
            handed_out: None,
            has_bytes: false,
            is_blank: false,
            resets_idle: false,
            idle_overtime: false,
            content_overtime: false,
            content: NEVER,
            granted: 0,
            has_paused: false,
            finished: 0,
            longest: 0,
        }
    }
}

impl Clocks {
    /// Creates the timers of a call that starts now.
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let nanos = |timeout: Option<Duration>| timeout.map_or(u64::MAX, nanos);
        let Timeouts { connect, head, idle, content, total } = *timeouts;
        let periods = Periods {
            connect: nanos(connect),
            head: nanos(head),
            idle: nanos(idle),
            content: nanos(content),
            total: nanos(total),
        };
        let mut table = Table::new();
        table.set(Timer::Total, Elapsed::START.after(periods.total));
        Self { periods, now: Elapsed::START, table, waited: Duration::ZERO, body: Body::new(Elapsed::START) }
    }

    /// Sets the time. Time never goes back.
    pub(crate) fn tell(&mut self, now: Elapsed) {
        self.now = self.now.max(now);
    }

    pub(crate) fn now(&self) -> Elapsed {
        self.now
    }

    /// The deadline of the whole call.
    pub(crate) fn total(&self) -> Option<Elapsed> {
        Some(self.table.get(Timer::Total)).filter(|total| *total < NEVER)
    }

    /// The sum of the waits before retries.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Elapsed> {
        self.table.next()
    }

    /// A request is sent.
    pub(crate) fn start_attempt(&mut self) {
        self.clear_attempt();
        self.table.set(Timer::Head, self.now.after(self.periods.head));
    }

    /// A response head arrived. `progress` is that of its empty body.
    pub(crate) fn start_body(&mut self, progress: Progress) {
        self.clear_attempt();
        self.table.set(Timer::Idle, self.now.after(self.periods.idle));
        let mut body = Body { is_unread: true, ..Body::new(self.now) };
        if progress != Progress::Failure {
            body.resets_idle = true;
            body.is_blank = matches!(progress, Progress::Json { .. });
            body.content = self.now.after(self.periods.content);
            self.table.set(Timer::Content, body.content);
        }
        self.body = body;
    }

    /// The attempt failed and the next one follows after `wait`.
    pub(crate) fn start_wait(&mut self, wait: Duration) {
        self.clear_attempt();
        self.waited += wait;
        // A wait has an end, however far away.
        self.table.set(Timer::Retry, (self.now + wait).min(Elapsed::from_millis(u64::MAX / 1_000_000)));
    }

    /// The call is over.
    pub(crate) fn stop(&mut self) {
        self.clear_attempt();
        self.table.clear(Timer::Total);
    }

    /// `len` bytes of the body arrived. Zero is allowed.
    pub(crate) fn input(&mut self, len: usize) {
        self.note_content();
        let body = &mut self.body;
        // An empty read does not end the caller's time.
        if len == 0 && body.is_unread {
            return;
        }
        (body.last_input, body.is_unread, body.handed_out) = (self.now, true, None);
        if len > 0 {
            body.has_bytes = true;
            if body.resets_idle {
                body.idle_overtime = false;
                self.table.set(Timer::Idle, self.now.after(self.periods.idle));
            }
        }
    }

    /// An event was returned. Decoding takes no time, so the event arrived with the last input.
    #[inline]
    pub(crate) fn event(&mut self, class: EventClass) {
        self.body.handed_out = self.body.handed_out.max(Some(class));
    }

    /// Everything that arrived is decoded, and the driver reads on. The first call after an input updates the timeouts for
    /// that input and for the caller's time since. An input that arrived after a deadline and does not reset it starts one
    /// more period. An input after that period is too late.
    pub(crate) fn read(&mut self, progress: Progress) -> Option<TimeoutKind> {
        if !std::mem::take(&mut self.body.is_unread) {
            return None;
        }
        self.note_content();
        let expired = self.settle_idle().or_else(|| self.settle_content(progress));
        self.add_caller_time();
        self.body.handed_out = None;
        expired
    }

    /// The first timer that has expired, if one has.
    pub(crate) fn expired(&mut self) -> Option<Expired> {
        Timer::ALL.into_iter().find(|timer| self.check(*timer)).map(|timer| match timer {
            Timer::Retry => Expired::Retry,
            Timer::Total => Expired::Timeout(TimeoutKind::Total),
            Timer::Head => Expired::Timeout(TimeoutKind::Head),
            Timer::Idle => Expired::Timeout(TimeoutKind::Idle),
            Timer::Content => Expired::Timeout(TimeoutKind::Content),
        })
    }

    /// Whether the total timeout has expired.
    pub(crate) fn is_over(&self) -> bool {
        let total = self.table.get(Timer::Total);
        total <= self.now && total < NEVER
    }

    /// The error of a timeout, with what arrived instead.
    pub(crate) fn timed_out(&self, kind: TimeoutKind) -> ErrorKind {
        let periods = &self.periods;
        let after = Duration::from_nanos(match kind {
            TimeoutKind::Connect => periods.connect,
            TimeoutKind::Head => periods.head,
            TimeoutKind::Idle => periods.idle,
            TimeoutKind::Content => periods.content,
            TimeoutKind::Total => periods.total,
        });
        let body = &self.body;
        let received = match kind {
            TimeoutKind::Idle | TimeoutKind::Content if body.longest > 0 => Received::UnfinishedEvent,
            TimeoutKind::Content if body.has_bytes && body.is_blank => Received::WhiteSpace,
            TimeoutKind::Content if body.has_bytes => Received::KeepAlives,
            _ => Received::Nothing,
        };
        ErrorKind::Timeout { kind, after, received }
    }

    fn clear_attempt(&mut self) {
        for timer in [Timer::Retry, Timer::Head, Timer::Idle, Timer::Content] {
            self.table.clear(timer);
        }
        self.body = Body::new(self.now);
    }

    /// Whether the timer has expired. A deadline that is noticed late is extended first.
    fn check(&mut self, timer: Timer) -> bool {
        if !self.table.has_expired(timer, self.now) {
            return false;
        }
        match timer {
            Timer::Total | Timer::Retry => true,
            Timer::Head => !self.table.extend_if_late(timer, self.now),
            // Until the driver reads on, there is input to decode, and the time may be the caller's.
            Timer::Idle | Timer::Content if self.body.is_unread => false,
            Timer::Idle | Timer::Content => !self.table.extend_if_late(timer, self.now),
        }
    }

    /// Resets the content timeout if the last input had content. The event is complete, so
    /// [`settle_content`](Self::settle_content) sets the timer.
    fn note_content(&mut self) {
        let body = &mut self.body;
        if body.handed_out == Some(EventClass::Content) && body.content < NEVER {
            (body.content_overtime, body.granted, body.has_paused, body.has_bytes) = (false, 0, false, false);
            body.content = body.last_input.after(self.periods.content);
        }
    }

    fn settle_idle(&mut self) -> Option<TimeoutKind> {
        if !self.is_overdue(Timer::Idle) {
            return None;
        }
        if std::mem::replace(&mut self.body.idle_overtime, true) {
            return Some(TimeoutKind::Idle);
        }
        self.table.set(Timer::Idle, self.body.last_input.after(self.periods.idle));
        None
    }

    fn settle_content(&mut self, progress: Progress) -> Option<TimeoutKind> {
        let body = &mut self.body;
        match progress {
            Progress::Failure => return None,
            Progress::Json { has_begun } => {
                if has_begun {
                    (body.is_blank, body.content) = (false, NEVER);
                    self.table.clear(Timer::Content);
                }
            }
            Progress::Stream { finished, unfinished } => {
                let is_same = finished == body.finished && unfinished > 0;
                if !is_same {
                    // The postponement by an unfinished event ends with it.
                    let has_finished = finished != body.finished;
                    (body.finished, body.longest) = (finished, 0);
                    self.table.set(Timer::Content, body.content);
                    if has_finished && let Some(expired) = self.settle_overdue_content() {
                        return Some(expired);
                    }
                }
                if unfinished > self.body.longest {
                    self.postpone_content(unfinished);
                    return None;
                }
            }
        }
        self.settle_overdue_content()
    }

    /// More bytes of an unfinished event arrived.
    fn postpone_content(&mut self, unfinished: usize) {
        let body = &mut self.body;
        body.longest = unfinished;
        if body.content < NEVER {
            self.table.set(Timer::Content, body.last_input.after(self.periods.content));
        }
    }

    fn settle_overdue_content(&mut self) -> Option<TimeoutKind> {
        if !self.is_overdue(Timer::Content) {
            return None;
        }
        let body = &mut self.body;
        let left = self.periods.content - body.granted;
        if std::mem::replace(&mut body.content_overtime, true) || left == 0 {
            return Some(TimeoutKind::Content);
        }
        body.granted = self.periods.content;
        body.content = body.last_input.after(left);
        self.table.set(Timer::Content, body.content);
        None
    }

    /// Whether the last input arrived after this deadline.
    fn is_overdue(&self, timer: Timer) -> bool {
        self.table.get(timer) < self.body.last_input
    }

    /// Adds the caller's time to the deadlines. After the first pause, events without content move the content timeout by at
    /// most the rest of its one extra period. Otherwise a flood of them would not end.
    fn add_caller_time(&mut self) {
        let body = &mut self.body;
        let pause = self.now.nanos_since(body.last_input);
        let content = match body.handed_out {
            None | Some(EventClass::KeepAlive) => return,
            Some(EventClass::Empty) if !std::mem::replace(&mut body.has_paused, true) => pause,
            Some(EventClass::Empty) => {
                let granted = pause.min(self.periods.content - body.granted);
                body.granted += granted;
                granted
            }
            Some(EventClass::Content) => pause,
        };
        body.content = body.content.after(content);
        self.table.postpone(Timer::Content, content);
        self.table.postpone(Timer::Idle, pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Elapsed {
        Elapsed::from_millis(millis)
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_table_knows_the_earliest_deadline_and_what_has_expired() {
        let mut table = Table::new();
        assert_eq!(table.next(), None);
        table.set(Timer::Content, ms(30));
        table.set(Timer::Idle, ms(20));
        table.set(Timer::Head, NEVER);
        assert_eq!((table.next(), table.get(Timer::Content), table.get(Timer::Head)), (Some(ms(20)), ms(30), NEVER));
        assert!(!table.has_expired(Timer::Idle, ms(19)) && table.has_expired(Timer::Idle, ms(20)));
        assert!(!table.has_expired(Timer::Content, ms(20)) && !table.has_expired(Timer::Head, ms(20)));
        table.postpone(Timer::Idle, 15_000_000);
        table.postpone(Timer::Head, 15_000_000);
        assert_eq!((table.next(), table.get(Timer::Idle), table.get(Timer::Head)), (Some(ms(30)), ms(35), NEVER));
        table.clear(Timer::Content);
        assert_eq!(table.next(), Some(ms(35)));
    }

    #[test]
    fn a_late_deadline_is_extended_once_until_it_is_set_again() {
        let mut table = Table::new();
        table.set(Timer::Idle, ms(500));
        assert!(!table.extend_if_late(Timer::Idle, ms(1500)), "one second is not late");
        assert!(!table.extend_if_late(Timer::Content, ms(9000)), "it is not set");
        assert!(table.extend_if_late(Timer::Idle, ms(1501)));
        assert_eq!((table.next(), table.get(Timer::Idle)), (Some(ms(2501)), ms(500)));
        assert!(!table.has_expired(Timer::Idle, ms(2500)) && table.has_expired(Timer::Idle, ms(2501)));
        assert!(!table.extend_if_late(Timer::Idle, ms(9000)));
        // A deadline that moves beyond its extension replaces it.
        table.postpone(Timer::Idle, 3_000_000_000);
        assert_eq!(table.next(), Some(ms(3500)));
        table.set(Timer::Idle, ms(4000));
        assert!(table.extend_if_late(Timer::Idle, ms(6000)));
    }

    #[test]
    fn time_does_not_go_back() {
        let mut clocks = Clocks::new(&Timeouts::default().with_total(millis(100)));
        clocks.tell(ms(90));
        clocks.tell(ms(50));
        assert_eq!((clocks.now(), clocks.is_over()), (ms(90), false));
        clocks.tell(ms(100));
        assert!(clocks.is_over());
        assert_eq!(clocks.expired(), Some(Expired::Timeout(TimeoutKind::Total)));
        let mut clocks = Clocks::new(&Timeouts::default());
        clocks.tell(Elapsed::from_start(Duration::MAX));
        assert!(!clocks.is_over(), "no total timeout");
    }

    #[test]
    fn an_attempt_leaves_no_deadline_behind() {
        let mut clocks = Clocks::new(&Timeouts::default());
        clocks.start_attempt();
        assert_eq!(clocks.next(), Some(ms(120_000)));
        clocks.tell(ms(10));
        clocks.start_body(Progress::Stream { finished: 0, unfinished: 0 });
        assert_eq!(clocks.next(), Some(ms(60_010)));
        clocks.start_wait(millis(500));
        assert_eq!((clocks.next(), clocks.waited()), (Some(ms(510)), millis(500)));
        clocks.tell(ms(510));
        assert_eq!(clocks.expired(), Some(Expired::Retry));
        clocks.start_attempt();
        assert_eq!(clocks.next(), Some(ms(120_510)));
        clocks.start_wait(millis(40));
        assert_eq!(clocks.waited(), millis(540));
        clocks.stop();
        assert_eq!(clocks.next(), None);
    }
}
