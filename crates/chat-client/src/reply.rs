//! A call under way: the one loop that turns what the core wants into I/O.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{Answer, ApiKey, Error, Event, Exchange, Head, Output, Request, Source};
use chat_proto::{Timestamp, TransportError};
use futures_core::Stream;
use http_body::Body;

use crate::Transport;
use crate::client::Shared;
use crate::conversation::Question;
use crate::key::{self, Asked, KeyFuture};
use crate::trace::Trace;

/// How many reads in a row may bring no event before other tasks get their turn.
const READS_A_TURN: u32 = 64;

/// The answer to one question, under way: a [`Stream`] of its events.
///
/// Nothing happens before it is polled. Dropping it cancels the call and closes its connection. An answer in one JSON
/// object comes as events too, so loops need not know which form the server chose. An error is the last item.
#[must_use = "nothing is sent before a reply is polled"]
pub struct Reply<T: Transport> {
    state: State<T>,
    /// The question of a session that this answers.
    question: Option<Question>,
}

enum State<T: Transport> {
    Running(Box<Call<T>>),
    /// Over, and not told yet.
    Over(Error),
    Done(Result<Answer, Error>),
}

struct Call<T: Transport> {
    shared: Arc<Shared<T>>,
    exchange: Exchange,
    io: Io<T>,
    timer: Option<Timer<T::Sleep>>,
    /// The beginning of the exchange on the transport's clock.
    start: Duration,
    /// What the newest attempt's I/O ran into.
    fault: Option<Source>,
    trace: Trace,
}

enum Io<T: Transport> {
    None,
    /// The key is waited for.
    Keying(KeyFuture, Box<http::Request<Bytes>>),
    Sending(Pin<Box<T::Send>>),
    Reading(Pin<Box<T::Body>>),
}

struct Timer<S> {
    deadline: Duration,
    sleep: Pin<Box<S>>,
}

impl<T: Transport> Reply<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, request: Result<Request, Error>, question: Option<Question>) -> Self {
        let state = match request {
            Ok(request) => {
                let start = shared.transport.now();
                let exchange = Exchange::new(request, &shared.settings.config, shared.transport.seed());
                let (io, timer, fault, trace) = (Io::None, None, None, Trace::new());
                State::Running(Box::new(Call { shared, exchange, io, timer, start, fault, trace }))
            }
            Err(error) => State::Over(error),
        };
        Self { state, question }
    }

    /// The next event; `None` after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The text alone, piece by piece as it comes.
    pub fn text(self) -> Text<T> {
        Text(self)
    }

    /// The whole answer, merged from all events, those taken before and those to come.
    ///
    /// # Errors
    ///
    /// What went wrong; what had come is in [`Error::partial`].
    pub async fn finish(mut self) -> Result<Answer, Error> {
        while self.next().await.is_some() {}
        self.take_outcome()
    }

    /// Ends the call now and closes its connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](chat_proto::ErrorKind::Cancelled) with what had come, unless the call had ended before.
    pub fn cancel(mut self) -> Result<Answer, Error> {
        self.end_now();
        self.take_outcome()
    }

    /// The status and headers, once they came.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Running(call) => call.exchange.head(),
            State::Over(error) | State::Done(Err(error)) => error.head(),
            State::Done(Ok(answer)) => Some(&answer.head),
        }
    }

    /// The answer so far: text, citations, session. There from the head of a success on.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Running(call) => call.exchange.answer(),
            State::Over(error) | State::Done(Err(error)) => error.partial(),
            State::Done(Ok(answer)) => Some(answer),
        }
    }

    fn take_outcome(&mut self) -> Result<Answer, Error> {
        match std::mem::replace(&mut self.state, State::Done(Err(Error::cancelled()))) {
            State::Done(outcome) => outcome,
            State::Over(error) => Err(error),
            // A call that is not over was ended just before.
            State::Running(_) => Err(Error::cancelled()),
        }
    }

    /// Cancels a call that is under way.
    fn end_now(&mut self) {
        if let State::Running(call) = &mut self.state {
            call.exchange.cancel();
            let outcome = call.take_outcome();
            self.end(outcome);
        }
    }

    fn end(&mut self, outcome: Result<Answer, Error>) {
        // A question that never went out was not asked.
        let asked = !matches!(&outcome, Err(error) if error.attempts() == 0);
        if let Some(question) = self.question.take().filter(|_| asked) {
            question.end(outcome.clone());
        }
        self.state = State::Done(outcome);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let outcome = match &mut self.state {
            State::Running(call) => match ready!(call.poll(cx)) {
                Some(event) => {
                    if let Some(question) = &self.question {
                        question.note(&event);
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                None => call.take_outcome(),
            },
            State::Over(error) => Err(error.clone()),
            State::Done(_) => return Poll::Ready(None),
        };
        let error = outcome.as_ref().err().cloned();
        self.end(outcome);
        Poll::Ready(error.map(Err))
    }
}

impl<T: Transport> Drop for Reply<T> {
    fn drop(&mut self) {
        // For the history of its session and for the trace; what closes the connection is the drop of the parts.
        if self.question.is_some() || cfg!(feature = "tracing") {
            self.end_now();
        }
    }
}

impl<T: Transport> Call<T> {
    /// The next event, or `None` at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.exchange.attempts() == 0 {
            // The call begins now, however long ago the reply was made.
            self.start = self.shared.transport.now();
        }
        let mut reads = 0;
        loop {
            match self.exchange.poll_output() {
                Output::Send(request) => self.begin(request),
                Output::Event(event) => {
                    let shared = &self.shared;
                    self.trace.event(&event, || shared.transport.now());
                    return Poll::Ready(Some(event));
                }
                Output::Done => {
                    self.io = Io::None;
                    return Poll::Ready(None);
                }
                Output::Read if reads == READS_A_TURN => {
                    self.exchange.handle_yield(self.now());
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Output::Read => {
                    // What is ready comes before the clock: a caller who was slow must not make the stream look dead.
                    if self.poll_read(cx).is_pending() {
                        self.exchange.handle_wait(self.now());
                        ready!(self.poll_timer(cx));
                    }
                    reads += 1;
                }
                Output::Wait => {
                    self.io = Io::None;
                    if let Some(until) = self.exchange.poll_timeout() {
                        self.trace.wait(until.since_start().saturating_sub(self.now().since_start()));
                    }
                    ready!(self.poll_timer(cx));
                }
            }
        }
    }

    /// A new attempt: first its key.
    fn begin(&mut self, request: Box<http::Request<Bytes>>) {
        self.io = Io::None;
        self.fault = None;
        self.trace.attempt(self.exchange.attempts(), &request, self.shared.transport.now());
        match self.shared.settings.key.ask() {
            Asked::Key(key) => self.send(request, key),
            Asked::Future(key) => self.io = Io::Keying(key, request),
        }
        // An answer may be ready before any wait for it: from here on the exchange knows that waits are told.
        self.exchange.handle_wait(self.now());
    }

    fn send(&mut self, mut request: Box<http::Request<Bytes>>, key: Result<ApiKey, Error>) {
        match key {
            Ok(key) => {
                key.stamp(&mut request);
                let transport = &self.shared.transport;
                self.io = Io::Sending(Box::pin(self.trace.within(|| transport.send(*request))));
            }
            Err(error) => {
                self.io = Io::None;
                self.exchange.refuse(error);
            }
        }
    }

    /// One read: the key, the head, or a piece of the body.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            Io::Keying(key, _) => {
                let key = key::take(ready!(key.as_mut().poll(cx)));
                if let Io::Keying(_, request) = std::mem::replace(&mut self.io, Io::None) {
                    self.send(request, key);
                }
            }
            Io::Sending(sending) => match ready!(self.trace.within(|| sending.as_mut().poll(cx))) {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    self.trace.head(head.status, head.version, self.shared.transport.now());
                    self.io = Io::Reading(Box::pin(body));
                    self.exchange.handle_head(head, self.now());
                }
                Err(error) => self.fail(T::classify(&error), error),
            },
            Io::Reading(body) => match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers say nothing here.
                    if let Ok(chunk) = frame.into_data() {
                        self.trace.data(chunk.len());
                        self.exchange.handle_data(chunk, self.now());
                    }
                }
                Some(Err(error)) => self.fail(TransportError::Body, error),
                None => {
                    self.io = Io::None;
                    self.exchange.handle_eof(self.now());
                }
            },
            Io::None => self.exchange.handle_error(TransportError::MaybeSent, self.now()),
        }
        Poll::Ready(())
    }

    fn fail(&mut self, class: TransportError, error: impl Into<Source>) {
        self.io = Io::None;
        self.fault = Some(error.into());
        self.exchange.handle_error(class, self.now());
    }

    /// Ready when a deadline has passed and the exchange was told.
    ///
    /// Deadlines move with every read; the timer does not. It is left to fire for the earlier one and is set anew then, so
    /// that an event costs no timer.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.exchange.poll_timeout() else { return Poll::Pending };
        let deadline = self.start.saturating_add(deadline.since_start());
        loop {
            match &mut self.timer {
                Some(timer) if timer.deadline <= deadline => {
                    ready!(timer.sleep.as_mut().poll(cx));
                    let fired = timer.deadline;
                    self.timer = None;
                    if fired == deadline {
                        self.exchange.handle_timeout(self.now());
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let sleep = Box::pin(self.shared.transport.sleep_until(deadline));
                    self.timer = Some(Timer { deadline, sleep });
                }
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.shared.transport.now().saturating_sub(self.start))
    }

    /// The outcome of an exchange that is done, with the fault of its last attempt as the cause.
    fn take_outcome(&mut self) -> Result<Answer, Error> {
        self.io = Io::None;
        let outcome = self.exchange.take_outcome().unwrap_or_else(|| Err(Error::cancelled()));
        let outcome = match self.fault.take() {
            Some(fault) => outcome.map_err(|error| error.with_fault(fault)),
            None => outcome,
        };
        let outcome = outcome.map_err(|error| error.with_key_origin(self.shared.settings.key.origin()));
        self.trace.end(&outcome, self.exchange.attempts(), self.shared.transport.now());
        outcome
    }
}

impl<T: Transport> Stream for Reply<T> {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

impl<T: Transport> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Over(_) | State::Done(Err(_)) => "failed",
            State::Done(Ok(_)) => "complete",
        };
        f.debug_struct("Reply").field("state", &state).field("answer", &self.answer()).finish_non_exhaustive()
    }
}

/// The text of a reply, piece by piece. Made by [`Reply::text`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is polled"]
pub struct Text<T: Transport>(Reply<T>);

impl<T: Transport> Text<T> {
    /// The next piece; `None` after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|cx| self.poll_text(cx)).await
    }

    /// The reply, for all that is not text.
    pub fn into_reply(self) -> Reply<T> {
        self.0
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<String, Error>>> {
        loop {
            match ready!(self.0.poll_event(cx)) {
                Some(Ok(Event::MessageChunk(chunk))) => return Poll::Ready(Some(Ok(chunk.content_chunk))),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T: Transport> Stream for Text<T> {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_text(cx)
    }
}
