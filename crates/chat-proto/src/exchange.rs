//! One logical call, retries and timeouts included: the only place where state changes.
//!
//! See the [crate page](crate) for the diagram and the rules that a driver keeps to.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes};

use crate::dialect::Dialect;
use crate::request::Idempotency;
use crate::retry::{self, RetryClass, RetryContext};
use crate::{
    Answer, Config, Elapsed, Error, ErrorKind, Event, GaveUp, Head, Receiver, Request, TimeoutKind, Timeouts,
    Truncation,
};

/// What the driver is to do next. Exhaustive: it is the driver's contract.
#[derive(Debug)]
pub enum Output {
    /// Drop what is held of the attempt before, and send this. Comes once an attempt.
    Send(Box<http::Request<Bytes>>),
    /// Read: the head of the answer, then its body.
    Read,
    /// Drop what is held of the attempt, and wait until [`poll_timeout`](Exchange::poll_timeout).
    Wait,
    /// An event for the caller. Comes once each.
    Event(Event),
    /// Drop what is held of the attempt: [`outcome`](Exchange::outcome) is there and stays.
    Done,
}

/// What a driver's I/O ran into. Whoever is unsure says [`MaybeSent`](Self::MaybeSent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection came about: name, refusal, TLS.
    Connect,
    /// No connection came about within [`Timeouts::connect`](crate::Timeouts::connect).
    ConnectTimeout,
    /// There is no connection, and there would be none the next time: the server's certificate is refused, or a proxy
    /// refuses whoever asks. The call ends as for [`Connect`](Self::Connect), without another attempt.
    Permanent,
    /// The request was certainly never read by a server: refused by the HTTP layer, handed back unsent.
    Unsent,
    /// The connection failed when the server may have read the request: it was lost, or what came was no HTTP.
    MaybeSent,
    /// The head of an answer was received and rejected: too many headers, conflicting lengths, invalid bytes, a head past
    /// the transport's limit. The call ends as for [`MaybeSent`](Self::MaybeSent), without another attempt.
    BadHead,
    /// The connection was lost, or its framing broken, in the answer's body.
    Body,
}

/// One logical call as a state machine, without a socket or a clock.
///
/// Inputs are `handle_*`, outputs `poll_*`; `now` counts from the exchange's beginning. The example on the
/// [crate page](crate) drives one by hand.
#[derive(Debug)]
pub struct Exchange {
    /// What is sent; gone once the head of a success came, as nothing is sent again.
    http: Option<Box<http::Request<Bytes>>>,
    idempotency: Idempotency,
    dialect: Dialect,
    config: Config,
    chance: u64,
    state: State,
    attempts: u32,
    waited: Duration,
    /// The latest time that was told.
    now: Elapsed,
    deadline: Option<Elapsed>,
    /// The driver says when it begins to wait: see `handle_wait`.
    tells_waits: bool,
    /// What the attempts that failed ended in, the oldest first; the last few of them.
    earlier: Vec<Error>,
}

#[derive(Debug)]
enum State {
    /// The next attempt is due.
    Ready,
    /// The request is with the driver; the head is due.
    Head { deadline: Option<Elapsed> },
    /// The head came.
    Body(Box<Body>),
    /// A retry waits for its time.
    Wait { until: Elapsed },
    /// The end.
    Done(Box<Option<Result<Answer, Error>>>),
}

/// The body of an answer on its way through the receiver.
#[derive(Debug)]
struct Body {
    receiver: Receiver,
    /// What came and was not decoded yet. A chunk is decoded as its events are taken, so nothing else queues.
    pending: VecDeque<Bytes>,
    /// What comes after `pending`.
    end: Option<End>,
    /// When the silence began that `idle` and `content` measure: the last input, or the start of the wait for the next.
    quiet_since: Elapsed,
    waiting: bool,
    /// An event was handed out since the last input: what passes until the next may be the caller's time.
    handed_out: bool,
    /// Since when there was always something to read, and none of it an event that says something.
    busy_since: Option<Elapsed>,
    /// Since when there was always something to read, and all of it empty.
    empty_since: Option<Elapsed>,
    /// Since when others go first.
    yielded: Option<Elapsed>,
    idle: Option<Elapsed>,
    content: Option<Elapsed>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Eof,
    Lost,
    TimedOut(TimeoutKind),
}

impl Exchange {
    /// A call that begins now. `seed` feeds the jitter of the retries: any number that other clients do not have too.
    pub fn new(request: Request, config: &Config, seed: u64) -> Self {
        Self {
            http: Some(request.http),
            idempotency: request.idempotency,
            dialect: request.dialect,
            config: config.clone(),
            chance: seed,
            state: State::Ready,
            attempts: 0,
            waited: Duration::ZERO,
            now: Elapsed::START,
            deadline: Elapsed::START.end_of(config.timeouts.total),
            tells_waits: false,
            earlier: Vec::new(),
        }
    }

    /// What to do next. Never blocks; the work is bounded by what was handed in. [`Output::Send`] and [`Output::Event`] come
    /// once, the others again and again until an input changes the state.
    pub fn poll_output(&mut self) -> Output {
        match &self.state {
            State::Ready => self.send(),
            State::Head { .. } => Output::Read,
            State::Body(_) => self.poll_body(),
            State::Wait { .. } => Output::Wait,
            State::Done(_) => Output::Done,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing else comes before; `None` if never.
    pub fn poll_timeout(&self) -> Option<Elapsed> {
        let deadlines = match &self.state {
            State::Ready => [self.deadline, None, None],
            State::Head { deadline } => [self.deadline, *deadline, None],
            State::Body(body) => [self.deadline, body.idle, body.content],
            State::Wait { until } => [self.deadline, Some(*until), None],
            State::Done(_) => [None; 3],
        };
        deadlines.into_iter().flatten().min()
    }

    /// The head of the newest attempt's answer came. Interim answers (1xx) are the transport's.
    pub fn handle_head(&mut self, head: http::response::Parts, now: Elapsed) {
        self.tell(now);
        if !matches!(self.state, State::Head { .. }) {
            return;
        }
        let head = Head::new(head.status, head.headers);
        let receiver = Receiver::of_dialect(self.dialect, head, &self.config.limits);
        if receiver.is_success() {
            self.http = None;
        }
        let timeouts = &self.config.timeouts;
        let content = if receiver.is_stream() { timeouts.content } else { None };
        self.state = State::Body(Box::new(Body {
            pending: VecDeque::new(),
            end: None,
            quiet_since: now,
            waiting: false,
            handed_out: false,
            busy_since: None,
            empty_since: None,
            yielded: None,
            idle: now.end_of(timeouts.idle),
            content: now.end_of(content),
            receiver,
        }));
    }

    /// Some of the newest attempt's body came.
    pub fn handle_data(&mut self, chunk: Bytes, now: Elapsed) {
        self.tell(now);
        let idle = self.config.timeouts.idle;
        let over = self.deadline.is_some_and(|deadline| deadline <= now);
        if let State::Body(body) = &mut self.state
            && body.end.is_none()
        {
            // A stream that always has something ready must not outrun the clock of the whole call.
            body.end = over.then_some(End::TimedOut(TimeoutKind::Total));
            body.resume(now);
            // A read of nothing breaks no silence.
            if chunk.is_empty() {
                body.empty_since.get_or_insert(now);
                return;
            }
            if self.tells_waits && body.handed_out {
                body.grant_pause(now);
            }
            body.quiet_since = now;
            body.waiting = false;
            body.empty_since = None;
            body.busy_since.get_or_insert(now);
            // The body of a failure has this time as a whole.
            if body.receiver.is_success() {
                body.idle = now.end_of(idle);
            }
            body.pending.push_back(chunk);
        }
    }

    /// The driver found nothing ready and begins to wait. The silence is the server's only from now on: what passed since
    /// the last input was the caller's time, and moves the clocks of the silence by as much. What was ready after a pause
    /// is known by it too: without a wait before it, the time since the last event was the caller's.
    ///
    /// For drivers whose caller may be slow; without it those clocks run from the last input.
    pub fn handle_wait(&mut self, now: Elapsed) {
        self.tell(now);
        self.tells_waits = true;
        let idle = self.config.timeouts.idle;
        if let State::Body(body) = &mut self.state
            && !body.waiting
            && body.receiver.is_success()
        {
            body.grant_pause(now);
            body.waiting = true;
            body.quiet_since = now;
            (body.busy_since, body.empty_since, body.yielded) = (None, None, None);
            body.idle = now.end_of(idle);
        }
    }

    /// The driver has read for a while without an event, all that it read is decoded, there may be more, and others go first.
    /// What passes until the next input is theirs. A server that leaves no moment to wait in is given up here: one that has
    /// sent nothing but signs of life for as long as the clock of the content allows, or nothing but empty pieces for as long
    /// as a silence may last.
    pub fn handle_yield(&mut self, now: Elapsed) {
        self.tell(now);
        let passed = |deadline: Option<Elapsed>| deadline.is_some_and(|deadline| deadline <= now);
        let over = passed(self.deadline);
        let State::Body(body) = &mut self.state else { return };
        let Timeouts { idle, content, .. } = self.config.timeouts;
        let lasted = |since: Option<Elapsed>, allowed: Option<Duration>| {
            since.zip(allowed).is_some_and(|(since, allowed)| now.saturating_since(since) >= allowed)
        };
        let clock = match () {
            () if over => TimeoutKind::Total,
            () if lasted(body.empty_since, idle) => TimeoutKind::Idle,
            () if passed(body.content) && body.pending.is_empty() && lasted(body.busy_since, content) => {
                TimeoutKind::Content
            }
            () => {
                body.yielded = Some(now);
                return;
            }
        };
        self.end_body(End::TimedOut(clock), now);
    }

    /// The newest attempt's body ended as its framing says. Before the head it is a loss of the connection.
    pub fn handle_eof(&mut self, now: Elapsed) {
        match &self.state {
            State::Head { .. } => self.handle_error(TransportError::MaybeSent, now),
            _ => self.end_body(End::Eof, now),
        }
    }

    /// The newest attempt's I/O failed. A driver that lost its own future says [`TransportError::MaybeSent`].
    pub fn handle_error(&mut self, error: TransportError, now: Elapsed) {
        self.end_body(End::Lost, now);
        if !matches!(self.state, State::Head { .. }) {
            return;
        }
        let kind = match error {
            TransportError::Connect | TransportError::Permanent => ErrorKind::Connect,
            TransportError::ConnectTimeout => timed_out(&self.config, TimeoutKind::Connect),
            TransportError::Unsent | TransportError::MaybeSent | TransportError::BadHead | TransportError::Body => {
                ErrorKind::Transport
            }
        };
        self.fail(Error::new(kind).with_bad_head(error == TransportError::BadHead), Some(error));
    }

    /// It is `now`. Before [`poll_timeout`](Self::poll_timeout) this has no effect. Whatever is ready to be read is to be
    /// handed in first.
    pub fn handle_timeout(&mut self, now: Elapsed) {
        self.tell(now);
        let passed = |deadline: Option<Elapsed>| deadline.is_some_and(|deadline| deadline <= now);
        let over = passed(self.deadline);
        match &mut self.state {
            State::Done(_) => {}
            State::Body(body) => {
                // What waits to be decoded came in time: only the whole call's clock runs on.
                let quiet = body.pending.is_empty();
                let clock = match () {
                    () if over => TimeoutKind::Total,
                    () if quiet && passed(body.idle) => TimeoutKind::Idle,
                    () if quiet && passed(body.content) => TimeoutKind::Content,
                    () => return,
                };
                self.end_body(End::TimedOut(clock), now);
            }
            _ if over => {
                let error = Error::new(timed_out(&self.config, TimeoutKind::Total));
                self.finish_with(error);
            }
            State::Head { deadline } if passed(*deadline) => {
                let error = Error::new(timed_out(&self.config, TimeoutKind::Head));
                self.fail(error, None);
            }
            State::Wait { until } if *until <= now => self.state = State::Ready,
            State::Ready | State::Head { .. } | State::Wait { .. } => {}
        }
    }

    /// The caller wants no more. What was taken of the answer stays with the error; what is not decoded yet is dropped.
    pub fn cancel(&mut self) {
        match &mut self.state {
            State::Done(_) => {}
            State::Body(body) if body.receiver.is_success() => {
                let error = body.receiver.interrupt(ErrorKind::Cancelled);
                self.finish_with(error);
            }
            State::Body(body) => {
                let head = body.receiver.head().clone();
                self.finish_with(Error::cancelled().with_head(Some(head)));
            }
            _ => self.finish_with(Error::cancelled()),
        }
    }

    /// The driver did not send what [`Output::Send`] gave it, and never will: its caller's key could not be had, say. Ends
    /// the call with `error`; the attempt does not count.
    pub fn refuse(&mut self, error: Error) {
        if matches!(self.state, State::Head { .. }) {
            self.attempts -= 1;
            self.finish_with(error);
        }
    }

    /// The end, once it is there: the whole answer, or the error with what came before it.
    pub fn outcome(&self) -> Option<&Result<Answer, Error>> {
        match &self.state {
            State::Done(outcome) => outcome.as_ref().as_ref(),
            _ => None,
        }
    }

    /// The end, to keep.
    pub fn into_outcome(mut self) -> Option<Result<Answer, Error>> {
        self.take_outcome()
    }

    /// The end, to keep, for an owner who can't give the exchange away: it is there once.
    pub fn take_outcome(&mut self) -> Option<Result<Answer, Error>> {
        match &mut self.state {
            State::Done(outcome) => outcome.take(),
            _ => None,
        }
    }

    /// The answer so far, from the head of a success on: before the end, as it is; after, what the outcome has.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Body(body) => body.receiver.is_success().then(|| body.receiver.answer()),
            State::Done(_) => self.outcome()?.as_ref().map_or_else(Error::partial, Some),
            _ => None,
        }
    }

    /// The status and headers of the newest attempt's answer, or of the outcome's.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Body(body) => Some(body.receiver.head()),
            State::Done(_) => self.outcome()?.as_ref().map_or_else(Error::head, |answer| Some(&answer.head)),
            _ => None,
        }
    }

    /// How many times the request was sent so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What the attempts before have failed of so far, the oldest first: the [last few](Error::EARLIER) of them.
    pub fn earlier(&self) -> &[Error] {
        &self.earlier
    }

    fn send(&mut self) -> Output {
        self.attempts += 1;
        self.state = State::Head { deadline: self.now.end_of(self.config.timeouts.head) };
        Output::Send(self.http.clone().expect("only the head of a success takes the request away"))
    }

    fn poll_body(&mut self) -> Output {
        let State::Body(body) = &mut self.state else { return Output::Done };
        let error = match body.poll() {
            Poll::Event(event) => {
                if body.content.is_some() && event.says_something() {
                    body.content = body.quiet_since.end_of(self.config.timeouts.content);
                    body.busy_since = None;
                }
                body.handed_out = true;
                return Output::Event(event);
            }
            Poll::Starved => return Output::Read,
            Poll::Complete(answer) => {
                self.done(Ok(answer));
                return Output::Done;
            }
            Poll::TimedOut(clock) => {
                let kind = timed_out(&self.config, clock);
                body.receiver.interrupt(kind)
            }
            Poll::Failed(error) => error,
        };
        self.fail(error, None);
        self.poll_output()
    }

    fn end_body(&mut self, end: End, now: Elapsed) {
        self.tell(now);
        if let State::Body(body) = &mut self.state {
            body.end.get_or_insert(end);
        }
    }

    /// An attempt failed: what now?
    fn fail(&mut self, error: Error, fault: Option<TransportError>) {
        self.leave();
        let retry_after = error.head().zip(error.retry_after()).and_then(|(head, after)| after.delay(&head.headers));
        let verdict = retry::decide(&RetryContext {
            policy: &self.config.retry,
            class: RetryClass::after(&error, self.idempotency, fault),
            attempts: self.attempts,
            waited: self.waited,
            retry_after,
            now: self.now,
            deadline: self.deadline,
            entropy: retry::draw(&mut self.chance),
        });
        match verdict {
            Ok(wait) => {
                self.waited += wait;
                self.state = State::Wait { until: self.now + wait };
                if self.earlier.len() == Error::EARLIER {
                    self.earlier.remove(0);
                }
                self.earlier.push(error.with_attempts(self.attempts, None));
            }
            Err(gave_up) => self.end_with(error, gave_up),
        }
    }

    /// The end, whatever the policy says.
    fn finish_with(&mut self, error: Error) {
        self.leave();
        self.end_with(error, None);
    }

    fn end_with(&mut self, error: Error, gave_up: Option<GaveUp>) {
        let earlier = std::mem::take(&mut self.earlier);
        self.done(Err(error.with_attempts(self.attempts, gave_up).with_earlier(earlier)));
    }

    /// Lets go of the attempt: its receiver shares the error, which is still to be written to.
    fn leave(&mut self) {
        self.state = State::Ready;
    }

    fn done(&mut self, outcome: Result<Answer, Error>) {
        self.state = State::Done(Box::new(Some(outcome)));
    }

    fn tell(&mut self, now: Elapsed) {
        self.now = self.now.max(now);
    }
}

enum Poll {
    Event(Event),
    /// Everything that came is decoded, and there is more to come.
    Starved,
    Complete(Answer),
    TimedOut(TimeoutKind),
    Failed(Error),
}

impl Body {
    /// What passed since the last input was the caller's time, not the server's.
    fn grant_pause(&mut self, now: Elapsed) {
        let pause = now.saturating_since(self.quiet_since);
        self.content = self.content.map(|deadline| deadline + pause);
        self.handed_out = false;
    }

    /// What passed since others went first was theirs.
    fn resume(&mut self, now: Elapsed) {
        if let Some(yielded) = self.yielded.take() {
            let pause = now.saturating_since(yielded);
            self.content = self.content.map(|deadline| deadline + pause);
            self.busy_since = self.busy_since.map(|since| since + pause);
            self.empty_since = self.empty_since.map(|since| since + pause);
        }
    }

    fn poll(&mut self) -> Poll {
        while let Some(chunk) = self.pending.front_mut() {
            let mut rest = &chunk[..];
            let event = self.receiver.next(&mut rest);
            let used = chunk.len() - rest.len();
            chunk.advance(used);
            if chunk.is_empty() {
                self.pending.pop_front();
            }
            match event {
                Some(Ok(event)) => return Poll::Event(event),
                Some(Err(error)) => return Poll::Failed(error),
                None => {}
            }
        }
        match self.end {
            Some(End::Eof) => self.poll_end(),
            Some(End::Lost) => Poll::Failed(self.receiver.interrupt(ErrorKind::Truncated(Truncation::ConnectionLost))),
            Some(End::TimedOut(clock)) => Poll::TimedOut(clock),
            None if self.receiver.wants_more() => Poll::Starved,
            None => self.poll_end(),
        }
    }

    fn poll_end(&mut self) -> Poll {
        if let Err(error) = self.receiver.end() {
            return Poll::Failed(error);
        }
        match self.receiver.next(&mut &[][..]) {
            Some(Ok(event)) => Poll::Event(event),
            Some(Err(error)) => Poll::Failed(error),
            None => Poll::Complete(self.receiver.take_answer()),
        }
    }
}

fn timed_out(config: &Config, clock: TimeoutKind) -> ErrorKind {
    let timeouts = &config.timeouts;
    let after = match clock {
        TimeoutKind::Connect => timeouts.connect,
        TimeoutKind::Head => timeouts.head,
        TimeoutKind::Idle => timeouts.idle,
        TimeoutKind::Content => timeouts.content,
        TimeoutKind::Total => timeouts.total,
    };
    ErrorKind::Timeout { kind: clock, after: after.unwrap_or_default() }
}
