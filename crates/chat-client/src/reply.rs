//! A call on a transport: the loop that does the I/O of the core.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{Answer, ApiKey, Attempt, BoxError, Elapsed, Error, Event, Head, Output, Request, TransportError};
use futures_core::Stream;
use http_body::Body;

use crate::call::Call;
use crate::key::{KeyFuture, KeyUnavailable, NextKey, SentKey, check_key};
use crate::shared::Shared;
use crate::transport::Transport;
use crate::turn::PendingTurn;

/// Number of successful reads before the task yields, so that a fast server does not starve other tasks.
const READS_PER_POLL: u32 = 64;

/// The reply to a question: a [`Stream`] of events.
///
/// Nothing is sent until the reply is polled. Dropping the reply cancels the call and closes its connection. An answer that
/// the server sends as one JSON object is also returned as events. An error is the last item.
#[must_use = "nothing is sent until a reply is polled"]
pub struct Reply<T: Transport> {
    call: Call,
    io: Io<T>,
    attempt: Attempt,
    timer: Option<Timer<T::Sleep>>,
    shared: Arc<Shared<T>>,
    /// Time of the first poll, on the transport's clock.
    start: Option<Duration>,
    /// Number of successful reads since the task last yielded.
    reads: u32,
    has_failed: bool,
}

enum Io<T: Transport> {
    None,
    GettingKey(KeyFuture, Box<http::Request<Bytes>>),
    Sending(Pin<Box<T::Send>>),
    Reading(Pin<Box<T::Body>>),
}

struct Timer<S> {
    deadline: Duration,
    sleep: Pin<Box<S>>,
}

impl<T: Transport> Reply<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, request: Result<Request, Error>, turn: Option<PendingTurn>) -> Self {
        let call = Call::new(request, turn, &shared.settings, shared.transport.seed());
        let attempt = Attempt::new(0);
        Self { call, io: Io::None, attempt, timer: None, shared, start: None, reads: 0, has_failed: false }
    }

    /// Returns the next event, or `None` after the last event or an error.
    ///
    /// This method is cancel safe: if the future is dropped, e.g. in a `select!`, no event is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the next event if it has already arrived. Reads nothing from the connection and never waits.
    ///
    /// `None` does not mean that the reply has ended: call [`next`](Self::next) then. Use it to handle all events of a read
    /// before drawing a screen, for example.
    #[inline]
    pub fn try_next(&mut self) -> Option<Event> {
        self.call.poll_event()
    }

    /// Returns the text by which the answer has grown, or `None` at the end. It joins the texts of all events that have
    /// arrived. Events that are like the one before cost no allocation, unless the feature `tracing` is on. Other events are
    /// in the [`answer`](Self::answer).
    ///
    /// ```
    /// # use chat_client::{Error, Reply, Transport};
    /// # async fn print<T: Transport>(mut reply: Reply<T>) -> Result<(), Error> {
    /// while let Some(text) = reply.next_text().await {
    ///     print!("{}", text?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// This method is cancel safe: if the future is dropped, no text is lost.
    pub async fn next_text(&mut self) -> Option<Result<&str, Error>> {
        match poll_fn(|cx| self.poll_growth(cx)).await? {
            Ok(grown) => self.call.answer().map(|answer| Ok(&answer.text[grown])),
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns the text of the reply, without the other events.
    pub fn text(self) -> Text<T> {
        Text(self)
    }

    /// Waits for the end of the reply and returns the complete answer. It includes events that were returned before.
    ///
    /// # Errors
    ///
    /// The error that ended the call. The partial answer is in [`Error::partial`].
    pub async fn finish(mut self) -> Result<Answer, Error> {
        while self.next().await.is_some() {}
        self.call.take_outcome()
    }

    /// Cancels the call and closes its connection. To get the answer so far, complete or partial:
    ///
    /// ```
    /// # use chat_client::{Answer, Error, Reply, Transport};
    /// # fn stop<T: Transport>(reply: Reply<T>) -> Option<Answer> {
    /// let so_far: Option<Answer> = reply.cancel().map_or_else(Error::into_partial, Some);
    /// # so_far
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](chat_proto::ErrorKind::Cancelled) with the partial answer, unless the call had already ended or, in
    /// a chat completion, the finish reason was read.
    pub fn cancel(mut self) -> Result<Answer, Error> {
        self.call.cancel(self.now());
        self.call.take_outcome()
    }

    /// Returns the status and headers, once they are received.
    pub fn head(&self) -> Option<&Head> {
        self.call.head()
    }

    /// Returns the answer so far. It exists once the head of a successful response is received.
    pub fn answer(&self) -> Option<&Answer> {
        self.call.answer()
    }

    /// Polls until the answer's text grows. Returns what was added, or `None` at the end.
    fn poll_growth(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Range<usize>, Error>>> {
        let before = self.text_len();
        loop {
            self.call.merge_text();
            while self.call.poll_event().is_some() {
                self.call.merge_text();
            }
            if self.text_len() > before {
                return Poll::Ready(Some(Ok(before..self.text_len())));
            }
            match ready!(self.poll_call(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn text_len(&self) -> usize {
        self.answer().map_or(0, |answer| answer.text.len())
    }

    /// Polls for the next event. Returns `None` at the end.
    #[inline(always)]
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        match self.call.poll_event() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => self.poll_call(cx),
        }
    }

    /// Does the I/O until there is an event. Not inlined, so that events that have arrived cost less.
    #[inline(never)]
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            // The clock is read once per chunk. Data that is ready now was received before now.
            let now = self.now();
            match self.call.poll_output(now) {
                Output::Event(event) => return Poll::Ready(Some(Ok(event))),
                Output::Send(attempt, request) => self.start_attempt(attempt, request),
                Output::Read if self.reads == READS_PER_POLL => {
                    self.reads = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Read before checking the timer, so that data received during a pause of the caller is not lost.
                Output::Read => match self.poll_read(cx, now) {
                    Poll::Ready(()) => {
                        self.reads += 1;
                        if let Some(event) = self.call.poll_event() {
                            return Poll::Ready(Some(Ok(event)));
                        }
                    }
                    Poll::Pending => {
                        self.reads = 0;
                        ready!(self.poll_timer(cx));
                    }
                },
                Output::Wait => {
                    self.io = Io::None;
                    ready!(self.poll_timer(cx));
                }
                Output::Done => {
                    self.end_io();
                    let error = self.call.error().filter(|_| !self.has_failed).cloned();
                    self.has_failed |= error.is_some();
                    return Poll::Ready(error.map(Err));
                }
            }
        }
    }

    /// Starts an attempt by getting its key.
    fn start_attempt(&mut self, attempt: Attempt, request: Box<http::Request<Bytes>>) {
        self.io = Io::None;
        self.attempt = attempt;
        self.start.get_or_insert_with(|| self.shared.transport.now());
        match self.shared.settings.key.next_key() {
            NextKey::Ready(key) => self.authorize(request, key),
            NextKey::Pending(key) => self.io = Io::GettingKey(key, request),
            NextKey::None | NextKey::Transport => self.send(*request),
        }
    }

    fn authorize(&mut self, mut request: Box<http::Request<Bytes>>, key: Result<ApiKey, Error>) {
        match key {
            Ok(key) => {
                self.call.redact_key(&key);
                key.authorize(&mut request);
                self.send(*request);
            }
            Err(error) => self.refuse(error),
        }
    }

    fn send(&mut self, request: http::Request<Bytes>) {
        let sending = self.call.in_span(|| self.shared.transport.send(request));
        self.io = Io::Sending(Box::pin(sending));
    }

    /// Polls for the key, the head, or a chunk of the body.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Elapsed) -> Poll<()> {
        match &mut self.io {
            Io::GettingKey(key, _) => {
                let key = check_key(ready!(self.call.in_span(|| key.as_mut().poll(cx))));
                if let Io::GettingKey(_, request) = std::mem::replace(&mut self.io, Io::None) {
                    self.authorize(request, key);
                }
            }
            Io::Sending(sending) => match ready!(self.call.in_span(|| sending.as_mut().poll(cx))) {
                Ok(response) => {
                    let (mut head, body) = response.into_parts();
                    self.io = Io::Reading(Box::pin(body));
                    if let Some(SentKey(key)) = head.extensions.remove() {
                        self.call.redact_key(&key);
                    }
                    self.call.handle_head(self.attempt, head, now);
                }
                Err(error) => {
                    let class = T::classify(&error);
                    match error.into().downcast::<KeyUnavailable>() {
                        Ok(error) => self.refuse(error.0),
                        Err(error) => self.fail(class, error, now),
                    }
                }
            },
            Io::Reading(body) => match ready!(self.call.in_span(|| body.as_mut().poll_frame(cx))) {
                Some(Ok(frame)) => {
                    match frame.into_data() {
                        Ok(chunk) => self.call.handle_data(self.attempt, chunk, now),
                        // Trailers are not used. They count as an empty read.
                        Err(_) => self.call.handle_data(self.attempt, Bytes::new(), now),
                    }
                }
                Some(Err(error)) => self.fail(TransportError::Body, error, now),
                None => {
                    self.io = Io::None;
                    self.call.handle_eof(self.attempt, now);
                }
            },
            Io::None => self.fail(TransportError::MaybeSent, "the transport or the key callback panicked", now),
        }
        Poll::Ready(())
    }

    /// Ends the call: there is no key.
    fn refuse(&mut self, error: Error) {
        self.io = Io::None;
        self.call.refuse(self.attempt, error);
    }

    fn fail(&mut self, class: TransportError, error: impl Into<BoxError>, now: Elapsed) {
        self.io = Io::None;
        self.call.handle_error(self.attempt, class, error, now);
    }

    /// Waits for the next deadline and handles it.
    ///
    /// Every read moves the deadline. The timer is not moved with it, so that an event costs no timer: it fires at the
    /// earlier deadline and is then set again.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.call.poll_timeout() else { return Poll::Pending };
        let deadline = self.start.unwrap_or_default().saturating_add(deadline.since_start());
        loop {
            match &mut self.timer {
                Some(timer) if timer.deadline <= deadline => {
                    ready!(timer.sleep.as_mut().poll(cx));
                    let fired = timer.deadline;
                    self.timer = None;
                    if fired == deadline {
                        self.call.handle_timeout(self.now());
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

    /// Ends the I/O of a call that has ended. If the call is complete before its body has ended, the transport drains the
    /// body.
    fn end_io(&mut self) {
        if let Io::Reading(body) = std::mem::replace(&mut self.io, Io::None)
            && self.call.error().is_none()
        {
            self.shared.transport.drain(body);
        }
    }

    fn now(&self) -> Elapsed {
        now(&self.shared, self.start)
    }
}

/// Returns the time since the start of a call.
fn now<T: Transport>(shared: &Shared<T>, start: Option<Duration>) -> Elapsed {
    start.map_or(Elapsed::START, |start| Elapsed::from_start(shared.transport.now().saturating_sub(start)))
}

impl<T: Transport> Drop for Reply<T> {
    fn drop(&mut self) {
        // Updates the session's history and the trace. Dropping `io` closes the connection.
        let (shared, start) = (&self.shared, self.start);
        self.call.abandon(|| now(shared, start));
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
        f.debug_tuple("Reply").field(&self.call).finish()
    }
}

/// The text of a reply, as a [`Stream`]. Made by [`Reply::text`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is polled"]
pub struct Text<T: Transport>(Reply<T>);

impl<T: Transport> Text<T> {
    /// Returns the next piece of text, or `None` after the last piece or an error.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|cx| self.poll_text(cx)).await
    }

    /// Returns the answer so far. See [`Reply::answer`].
    pub fn answer(&self) -> Option<&Answer> {
        self.0.answer()
    }

    /// Returns the reply, for the other events.
    pub fn into_reply(self) -> Reply<T> {
        self.0
    }

    fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<String, Error>>> {
        loop {
            match ready!(self.0.poll_event(cx)) {
                Some(Ok(Event::Text(chunk))) => return Poll::Ready(Some(Ok(chunk.text))),
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
