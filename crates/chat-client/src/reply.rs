//! A call under way: the one loop that turns what the core wants into I/O.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chat_proto::{Answer, Cut, Error, ErrorKind, Event, Exchange, Head, Output, Request, Source, Timestamp};
use chat_proto::{Clock, TransportError};
use futures_core::Stream;
use http_body::Body;

use crate::Transport;
use crate::client::Shared;
use crate::session::Asking;

/// How many reads in a row may bring no event before other tasks get their turn.
const READS_A_TURN: u32 = 64;

/// The answer to one question, under way: a [`Stream`] of its events.
///
/// Nothing happens before it is polled. Dropping it cancels the call and closes its connection. An answer in one JSON
/// object comes as events too, so loops need not know which form the server chose. An error is the last item.
#[must_use = "nothing is sent before a reply is polled"]
pub struct Reply<T: Transport> {
    state: State<T>,
    /// The session that waits for this answer.
    asking: Option<Asking>,
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
    /// Other tasks were let go first: the time until the next poll is theirs, not the server's.
    yielded: bool,
    /// The beginning of the exchange on the transport's clock.
    start: Duration,
    /// What the newest attempt's I/O ran into.
    fault: Option<Source>,
}

enum Io<T: Transport> {
    None,
    Sending(Pin<Box<T::Send>>),
    Reading(Pin<Box<T::Body>>),
}

struct Timer<S> {
    deadline: Duration,
    sleep: Pin<Box<S>>,
}

impl<T: Transport> Reply<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, request: Result<Request, Error>, asking: Option<Asking>) -> Self {
        let state = match request {
            Ok(request) => {
                let start = shared.transport.now();
                let exchange = Exchange::new(request, &shared.config, shared.transport.seed());
                let (io, timer, fault) = (Io::None, None, None);
                State::Running(Box::new(Call { shared, exchange, io, timer, yielded: false, start, fault }))
            }
            Err(error) => State::Over(error),
        };
        Self { state, asking }
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
        self.into_outcome()
    }

    /// Ends the call now and closes its connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`] with what had come, unless the call had ended before.
    pub fn cancel(mut self) -> Result<Answer, Error> {
        if let State::Running(call) = &mut self.state {
            call.exchange.cancel();
            self.state = State::Done(call.take_outcome());
        }
        self.into_outcome()
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

    fn into_outcome(self) -> Result<Answer, Error> {
        match self.state {
            State::Done(outcome) => outcome,
            State::Over(error) => Err(error),
            // A call that is not over was ended just before.
            State::Running(_) => Err(Error::cancelled()),
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let outcome = match &mut self.state {
            State::Running(call) => match ready!(call.poll(cx)) {
                Some(event) => {
                    if let Some(asking) = &self.asking {
                        asking.note(&event);
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                None => call.take_outcome(),
            },
            State::Over(error) => Err(error.clone()),
            State::Done(_) => return Poll::Ready(None),
        };
        self.asking = None;
        let error = outcome.as_ref().err().cloned();
        self.state = State::Done(outcome);
        Poll::Ready(error.map(Err))
    }
}

impl<T: Transport> Call<T> {
    /// The next event, or `None` at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.exchange.attempts() == 0 {
            // The call begins now, however long ago the reply was made.
            self.start = self.shared.transport.now();
        }
        if std::mem::take(&mut self.yielded) {
            self.exchange.handle_wait(self.now());
        }
        let mut reads = 0;
        loop {
            match self.exchange.poll_output() {
                Output::Send(request) => self.send(*request),
                Output::Event(event) => return Poll::Ready(Some(event)),
                Output::Done => {
                    self.io = Io::None;
                    return Poll::Ready(None);
                }
                Output::Read => {
                    // What is ready comes before the clock: a caller who was slow must not make the stream look dead.
                    if self.poll_read(cx).is_pending() {
                        self.exchange.handle_wait(self.now());
                        ready!(self.poll_timer(cx));
                    } else if reads == READS_A_TURN {
                        self.exchange.handle_timeout(self.now());
                        self.yielded = true;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    reads += 1;
                }
                Output::Wait => {
                    self.io = Io::None;
                    ready!(self.poll_timer(cx));
                }
            }
        }
    }

    fn send(&mut self, mut request: http::Request<bytes::Bytes>) {
        self.io = Io::None;
        self.fault = None;
        self.shared.key.stamp(&mut request);
        self.io = Io::Sending(Box::pin(self.shared.transport.send(request)));
        // An answer may be ready before any wait for it: from here on the exchange knows that waits are told.
        self.exchange.handle_wait(self.now());
    }

    /// One read: the head, or a piece of the body.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            Io::Sending(sending) => match ready!(sending.as_mut().poll(cx)) {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    self.io = Io::Reading(Box::pin(body));
                    self.exchange.handle_head(head, self.now());
                }
                Err(error) => self.fail(T::classify(&error), error),
            },
            Io::Reading(body) => match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers say nothing here.
                    if let Ok(chunk) = frame.into_data() {
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
        match self.fault.take() {
            Some(fault) => outcome.map_err(|error| if is_io(&error) { error.with_source(fault) } else { error }),
            None => outcome,
        }
    }
}

/// Whether an error of the exchange is one of its I/O.
fn is_io(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Connect
            | ErrorKind::Transport
            | ErrorKind::Timeout { clock: Clock::Connect, .. }
            | ErrorKind::Truncated(Cut::ConnectionLost)
    )
}

impl<T: Transport> Stream for Reply<T> {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

/// The text of a reply, piece by piece. Made by [`Reply::text`].
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
