//! One logical call, with its retries and timeouts. All state transitions are in this file.
//!
//! The [crate page](crate) has the diagram and the duties of a driver.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes};

use crate::clocks::{Clocks, Expired};
use crate::config::Reading;
use crate::progress::EventClass;
use crate::request::{Dialect, Idempotency};
use crate::retry::{self, RetryClass, RetryContext};
use crate::{
    Answer, Config, Elapsed, Error, ErrorKind, Event, GaveUp, Head, Receiver, Request, RetryPolicy, TextDelta,
    TimeoutKind, TransportError, Truncation,
};

/// What the driver does next. Exhaustive: it is the driver's contract.
#[derive(Debug)]
pub enum Output {
    /// Drop what is left of the previous attempt and send this request. Returned once per attempt.
    Send(Attempt, Box<http::Request<Bytes>>),
    /// Read from the newest attempt: the response head, then the body.
    Read,
    /// Drop what is left of the attempt and wait until [`poll_timeout`](Exchange::poll_timeout).
    Wait,
    /// An event for the caller. Returned once each, by [`poll_event`](Exchange::poll_event) or here.
    Event(Event),
    /// Drop what is left of the attempt. [`outcome`](Exchange::outcome) is available and final.
    Done,
}

/// The number of an attempt, from 1. Each input names its attempt, so that the inputs of an older attempt are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The attempt of this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One logical call as a state machine, without a socket or a clock.
///
/// Inputs are `handle_*`, outputs `poll_*`. Every `now` counts from the start of the exchange. The example on the
/// [crate page](crate) drives one by hand.
#[derive(Debug)]
pub struct Exchange {
    /// The request. `None` after the head of a success, because nothing is sent again after it.
    repeatable: Option<Box<Repeatable>>,
    dialect: Dialect,
    reading: Reading,
    random: u64,
    state: State,
    attempts: u32,
    clocks: Clocks,
    /// The errors of the last few failed attempts, oldest first.
    earlier: Vec<Error>,
}

/// What another attempt needs.
#[derive(Debug)]
struct Repeatable {
    http: Box<http::Request<Bytes>>,
    idempotency: Idempotency,
    retry: RetryPolicy,
}

#[derive(Debug)]
enum State {
    /// The next attempt is due.
    Ready,
    /// The request was given to the driver. The response head is due.
    Head,
    /// The response head has arrived.
    Body(Box<Body>),
    /// The wait before a retry.
    Wait,
    /// The end.
    Done(Box<Option<Result<Answer, Error>>>),
}

/// The body of a response on its way through the receiver.
#[derive(Debug)]
struct Body {
    receiver: Receiver,
    /// Input that is not decoded yet. A chunk is decoded as its events are taken.
    pending: VecDeque<Bytes>,
    /// The end of the body, after `pending`.
    end: Option<End>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Eof,
    Lost,
    TimedOut(TimeoutKind),
}

impl Exchange {
    /// Starts a call. `seed` is for the jitter of retries: use a number that other clients are unlikely to use.
    pub fn new(request: Request, config: &Config, seed: u64) -> Self {
        Self {
            repeatable: Some(Box::new(Repeatable {
                http: request.http,
                idempotency: request.idempotency,
                retry: config.retry,
            })),
            dialect: request.dialect,
            reading: config.reading(),
            random: seed,
            state: State::Ready,
            attempts: 0,
            clocks: Clocks::new(&config.timeouts),
            earlier: Vec::new(),
        }
    }

    /// The next event that needs no new input. It takes no time, because decoding takes no time.
    ///
    /// Call it until it returns `None`, then call [`poll_output`](Self::poll_output).
    #[inline(always)]
    pub fn poll_event(&mut self) -> Option<Event> {
        let State::Body(body) = &mut self.state else { return None };
        if let Some(delta) = body.next_similar() {
            self.clocks.event(EventClass::of_text(&delta.text));
            return Some(Event::Text(delta));
        }
        if body.is_starved() { None } else { self.decode() }
    }

    /// Merges text that needs no new input into the [`answer`](Self::answer), without returning its events: those that
    /// [`poll_event`](Self::poll_event) would return next, while they have the form of the last one. For a caller that reads
    /// the text from the answer.
    pub fn merge_text(&mut self) {
        let State::Body(body) = &mut self.state else { return };
        while let Some(class) = body.read_front(Receiver::merge_similar) {
            self.clocks.event(class);
        }
    }

    #[inline(never)]
    fn decode(&mut self) -> Option<Event> {
        let State::Body(body) = &mut self.state else { return None };
        let error = match body.poll() {
            Poll::Event(event) => {
                self.clocks.event(event.class());
                return Some(event);
            }
            Poll::Starved => return None,
            Poll::Complete => {
                let answer = body.receiver.take_answer();
                self.done(Ok(answer));
                return None;
            }
            Poll::TimedOut(kind) => {
                let kind = self.clocks.timed_out(kind);
                body.receiver.interrupt(kind)
            }
            Poll::Failed(error) => error,
        };
        self.fail(error, None);
        None
    }

    /// What to do next. Never blocks. The work is bounded by the input. [`Output::Send`] and [`Output::Event`] are
    /// returned once. The others are returned again until an input changes the state.
    ///
    /// The time from an input to the first `poll_output` that returns [`Output::Read`] is the caller's if an event was
    /// handed out in between, and the `idle` and `content` timeouts move by as much. All other time is the server's.
    pub fn poll_output(&mut self, now: Elapsed) -> Output {
        self.clocks.tell(now);
        loop {
            if let Some(event) = self.poll_event() {
                return Output::Event(event);
            }
            match &mut self.state {
                State::Ready => return self.send(),
                State::Head => return Output::Read,
                State::Body(body) => match self.clocks.read(body.receiver.progress()) {
                    Some(kind) => body.end = Some(End::TimedOut(kind)),
                    None => return Output::Read,
                },
                State::Wait => return Output::Wait,
                State::Done(_) => return Output::Done,
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if no other input comes first. `None` means never.
    pub fn poll_timeout(&self) -> Option<Elapsed> {
        self.clocks.next()
    }

    /// The response head of an attempt arrived. A second one is ignored. The transport skips interim (1xx) responses.
    pub fn handle_head(&mut self, attempt: Attempt, head: http::response::Parts, now: Elapsed) {
        self.clocks.tell(now);
        if !self.is_newest(attempt) || !matches!(self.state, State::Head) {
            return;
        }
        let head = Head::new(head.status, head.headers);
        let receiver = Receiver::of_dialect(self.dialect, head, &self.reading);
        if receiver.is_success() {
            self.repeatable = None;
        }
        self.clocks.start_body(receiver.progress());
        self.state = State::Body(Box::new(Body { receiver, pending: VecDeque::with_capacity(1), end: None }));
    }

    /// Part of an attempt's body arrived. An empty chunk does not reset the `idle` timeout.
    pub fn handle_data(&mut self, attempt: Attempt, chunk: Bytes, now: Elapsed) {
        self.clocks.tell(now);
        let Some(body) = self.open_body(attempt) else { return };
        let len = chunk.len();
        if len > 0 {
            body.pending.push_back(chunk);
        }
        self.clocks.input(len);
        // A stream that always has input ready must not outrun the total timeout.
        if self.clocks.is_over() {
            self.end_body(attempt, End::TimedOut(TimeoutKind::Total));
        }
    }

    /// An attempt's body ended as its framing says. Before the head, this counts as a lost connection.
    pub fn handle_eof(&mut self, attempt: Attempt, now: Elapsed) {
        self.clocks.tell(now);
        match &self.state {
            State::Head => self.handle_error(attempt, TransportError::MaybeSent, now),
            _ => self.end_body(attempt, End::Eof),
        }
    }

    /// An attempt's I/O failed. A driver that lost its own future reports [`TransportError::MaybeSent`].
    pub fn handle_error(&mut self, attempt: Attempt, error: TransportError, now: Elapsed) {
        self.clocks.tell(now);
        self.end_body(attempt, End::Lost);
        if !self.is_newest(attempt) || !matches!(self.state, State::Head) {
            return;
        }
        let kind = match error {
            TransportError::Connect | TransportError::Permanent => ErrorKind::Connect,
            TransportError::ConnectTimeout => self.clocks.timed_out(TimeoutKind::Connect),
            TransportError::Unsent | TransportError::MaybeSent | TransportError::BadHead | TransportError::Body => {
                ErrorKind::Transport
            }
        };
        self.fail(Error::new(kind).with_bad_head(error == TransportError::BadHead), Some(error));
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. An earlier call has no effect. If input is ready, pass it
    /// first.
    ///
    /// A `head`, `idle` or `content` timeout that is noticed more than 1 s late is extended once by 1 s.
    pub fn handle_timeout(&mut self, now: Elapsed) {
        self.clocks.tell(now);
        let kind = match self.clocks.expired() {
            None => return,
            Some(Expired::Retry) => {
                self.state = State::Ready;
                return;
            }
            Some(Expired::Timeout(kind)) => kind,
        };
        match &mut self.state {
            State::Body(body) => _ = body.end.get_or_insert(End::TimedOut(kind)),
            State::Head if kind == TimeoutKind::Head => self.fail(Error::new(self.clocks.timed_out(kind)), None),
            _ => self.finish_with(Error::new(self.clocks.timed_out(kind))),
        }
    }

    /// The caller cancels the call. The events that were returned stay with the error. Input that is not decoded is dropped.
    ///
    /// A chat completion is complete once its finish reason was returned, so the call ends with the answer: what was returned
    /// of it.
    pub fn cancel(&mut self) {
        match &mut self.state {
            State::Done(_) => {}
            State::Body(body) if self.dialect == Dialect::Completions && body.receiver.has_finished() => {
                let answer = body.receiver.take_answer();
                self.done(Ok(answer));
            }
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

    /// The request of [`Output::Send`] was not sent, e.g. because no API key was available. Ends the call with `error`; the
    /// attempt does not count.
    pub fn refuse(&mut self, attempt: Attempt, error: Error) {
        if self.is_newest(attempt) && matches!(self.state, State::Head) {
            self.attempts -= 1;
            self.finish_with(error);
        }
    }

    /// The outcome, after [`Output::Done`]: the complete answer, or the error with what arrived before it.
    pub fn outcome(&self) -> Option<&Result<Answer, Error>> {
        match &self.state {
            State::Done(outcome) => outcome.as_ref().as_ref(),
            _ => None,
        }
    }

    /// The outcome, by value.
    pub fn into_outcome(mut self) -> Option<Result<Answer, Error>> {
        self.take_outcome()
    }

    /// Takes the outcome, for an owner that cannot give the exchange away. It is returned once.
    pub fn take_outcome(&mut self) -> Option<Result<Answer, Error>> {
        match &mut self.state {
            State::Done(outcome) => outcome.take(),
            _ => None,
        }
    }

    /// The answer so far, after the head of a success. After the end, the answer of the outcome.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Body(body) => body.receiver.is_success().then(|| body.receiver.answer()),
            State::Done(_) => self.outcome()?.as_ref().map_or_else(Error::partial, Some),
            _ => None,
        }
    }

    /// The status and headers of the newest attempt's response, or of the outcome's.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Body(body) => Some(body.receiver.head()),
            State::Done(_) => self.outcome()?.as_ref().map_or_else(Error::head, |answer| Some(&answer.head)),
            _ => None,
        }
    }

    /// Whether input of this attempt still has an effect: it is the newest attempt, and its body has not ended.
    pub fn is_open(&self, attempt: Attempt) -> bool {
        let is_under_way = match &self.state {
            State::Head => true,
            State::Body(body) => body.end.is_none(),
            State::Ready | State::Wait | State::Done(_) => false,
        };
        is_under_way && self.is_newest(attempt)
    }

    /// Number of attempts so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The errors of the [last few](Error::EARLIER) failed attempts, oldest first.
    pub fn earlier(&self) -> &[Error] {
        &self.earlier
    }

    fn send(&mut self) -> Output {
        self.attempts += 1;
        self.state = State::Head;
        self.clocks.start_attempt();
        let repeatable = self.repeatable.as_ref().expect("nothing is sent after the head of a success");
        Output::Send(Attempt(self.attempts), repeatable.http.clone())
    }

    fn is_newest(&self, attempt: Attempt) -> bool {
        attempt.0 == self.attempts
    }

    /// The body that this attempt's input belongs to.
    fn open_body(&mut self, attempt: Attempt) -> Option<&mut Body> {
        match &mut self.state {
            State::Body(body) if attempt.0 == self.attempts && body.end.is_none() => Some(body),
            _ => None,
        }
    }

    fn end_body(&mut self, attempt: Attempt, end: End) {
        if let Some(body) = self.open_body(attempt) {
            body.end = Some(end);
        }
    }

    /// An attempt failed: retry or end.
    fn fail(&mut self, error: Error, fault: Option<TransportError>) {
        self.leave();
        let retry_after = error.head().zip(error.retry_after()).and_then(|(head, after)| after.delay(&head.headers));
        let Some(Repeatable { idempotency, retry, .. }) = self.repeatable.as_deref() else {
            return self.end_with(error, None);
        };
        let verdict = retry::decide(&RetryContext {
            policy: retry,
            class: RetryClass::after(&error, *idempotency, fault),
            attempts: self.attempts,
            waited: self.clocks.waited(),
            retry_after,
            now: self.clocks.now(),
            deadline: self.clocks.total(),
            entropy: retry::draw(&mut self.random),
        });
        match verdict {
            Ok(wait) => {
                self.state = State::Wait;
                self.clocks.start_wait(wait);
                if self.earlier.len() == Error::EARLIER {
                    self.earlier.remove(0);
                }
                self.earlier.push(error.with_attempts(self.attempts, None));
            }
            Err(gave_up) => self.end_with(error, gave_up),
        }
    }

    /// Ends the call without a retry.
    fn finish_with(&mut self, error: Error) {
        self.leave();
        self.end_with(error, None);
    }

    fn end_with(&mut self, error: Error, gave_up: Option<GaveUp>) {
        let earlier = std::mem::take(&mut self.earlier);
        self.done(Err(error.with_attempts(self.attempts, gave_up).with_earlier(earlier)));
    }

    /// Drops the attempt. Its receiver shares the error, which is changed next.
    fn leave(&mut self) {
        self.state = State::Ready;
    }

    fn done(&mut self, outcome: Result<Answer, Error>) {
        self.state = State::Done(Box::new(Some(outcome)));
        self.clocks.stop();
    }
}

enum Poll {
    Event(Event),
    /// Everything that arrived is decoded, and more may come.
    Starved,
    /// The answer is complete.
    Complete,
    TimedOut(TimeoutKind),
    Failed(Error),
}

impl Body {
    /// Whether everything that arrived is decoded, and more may come.
    #[inline]
    fn is_starved(&self) -> bool {
        self.pending.is_empty() && self.end.is_none() && self.receiver.wants_more() && !self.receiver.is_queued()
    }

    /// The fast path of [`poll`](Self::poll). It is not a use of [`read_front`](Self::read_front), because a function that is
    /// passed as an argument is not inlined, and each call copies the event.
    #[inline(always)]
    fn next_similar(&mut self) -> Option<TextDelta> {
        let chunk = self.pending.front_mut()?;
        let mut rest = &chunk[..];
        let delta = self.receiver.next_similar(&mut rest)?;
        let used = chunk.len() - rest.len();
        self.skip(used);
        Some(delta)
    }

    /// Removes bytes from the first chunk.
    #[inline(always)]
    fn skip(&mut self, used: usize) {
        if let Some(chunk) = self.pending.front_mut() {
            chunk.advance(used);
            if chunk.is_empty() {
                self.pending.pop_front();
            }
        }
    }

    /// Reads from the first chunk, and removes what was read.
    #[inline]
    fn read_front<R>(&mut self, read: impl FnOnce(&mut Receiver, &mut &[u8]) -> Option<R>) -> Option<R> {
        let chunk = self.pending.front_mut()?;
        let mut rest = &chunk[..];
        let item = read(&mut self.receiver, &mut rest);
        let used = chunk.len() - rest.len();
        self.skip(used);
        item
    }

    fn poll(&mut self) -> Poll {
        while !self.pending.is_empty() || self.receiver.is_queued() {
            let event = if self.pending.is_empty() {
                self.receiver.next(&mut &[][..])
            } else {
                self.read_front(Receiver::next_any)
            };
            match event {
                Some(Ok(event)) => return Poll::Event(event),
                Some(Err(error)) => return Poll::Failed(error),
                None => {}
            }
        }
        // What was lost or is late is not part of the answer.
        if self.end.is_some() && self.receiver.is_complete() {
            return self.poll_end();
        }
        if matches!(self.end, Some(End::Lost | End::TimedOut(_))) && self.receiver.release() {
            return self.poll();
        }
        match self.end {
            Some(End::Eof) => self.poll_end(),
            Some(End::Lost) => Poll::Failed(self.receiver.interrupt(ErrorKind::Truncated(Truncation::ConnectionLost))),
            Some(End::TimedOut(kind)) => Poll::TimedOut(kind),
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
            None => Poll::Complete,
        }
    }
}
