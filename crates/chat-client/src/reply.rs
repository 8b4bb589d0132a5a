//! A call on a transport: the loop that does the I/O that the core asks for.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{Answer, ApiKey, Attempt, BoxError, Elapsed, Error, Event, Head, Output, Request, TransportError};
use futures_core::Stream;
use http_body::Body;

use crate::client::Shared;
use crate::conversation::PendingTurn;
use crate::key::{self, Asked, KeyFuture};
use crate::{Call, Transport};

/// How many reads in a row may succeed before other tasks get their turn, so that a server that floods the client starves
/// nobody.
const READS_PER_TURN: u32 = 64;

/// The answer to one question, under way: a [`Stream`] of its events.
///
/// Nothing happens before it is polled. Dropping it cancels the call and closes its connection. An answer in one JSON
/// object comes as events too, so loops need not know which form the server chose. An error is the last item.
#[must_use = "nothing is sent before a reply is polled"]
pub struct Reply<T: Transport> {
    call: Call,
    io: Io<T>,
    attempt: Attempt,
    timer: Option<Timer<T::Sleep>>,
    shared: Arc<Shared<T>>,
    /// When the call started, on the transport's clock: at the first poll.
    start: Option<Duration>,
    /// Reads that succeeded since the task last gave way.
    reads: u32,
    has_failed: bool,
}

enum Io<T: Transport> {
    None,
    /// Waits for the key.
    Keying(KeyFuture, Box<http::Request<Bytes>>),
    Sending(Pin<Box<T::Send>>),
    Reading(Pin<Box<T::Body>>),
}

struct Timer<S> {
    deadline: Duration,
    sleep: Pin<Box<S>>,
}

impl<T: Transport> Reply<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, request: Result<Request, Error>, question: Option<PendingTurn>) -> Self {
        let call = Call::new(request, question, &shared.settings, shared.transport.seed());
        let attempt = Attempt::new(0);
        Self { call, io: Io::None, attempt, timer: None, shared, start: None, reads: 0, has_failed: false }
    }

    /// The next event; `None` after the last one, or after an error. Nothing is lost if the future is dropped, as by a
    /// `select!`: the next call goes on where it was.
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
        self.call.take_outcome()
    }

    /// Ends the call now and closes its connection. For what had come, whole or not:
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
    /// [`ErrorKind::Cancelled`](chat_proto::ErrorKind::Cancelled) with what had come, unless the call had ended before.
    pub fn cancel(mut self) -> Result<Answer, Error> {
        self.call.cancel(self.now());
        self.call.take_outcome()
    }

    /// The status and headers, once they came.
    pub fn head(&self) -> Option<&Head> {
        self.call.head()
    }

    /// The answer so far: text, citations, session. There from the head of a success on.
    pub fn answer(&self) -> Option<&Answer> {
        self.call.answer()
    }

    /// The next event, or `None` at the end.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            if let Some(event) = self.call.poll_event() {
                return Poll::Ready(Some(Ok(event)));
            }
            // The clock is read once per chunk: here. What is ready now has come by now.
            let now = self.now();
            match self.call.poll_output(now) {
                Output::Event(event) => return Poll::Ready(Some(Ok(event))),
                Output::Send(attempt, request) => self.begin(attempt, request),
                Output::Read if self.reads == READS_PER_TURN => {
                    self.reads = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Reading comes before the timer: after a pause of the caller or of the process, what is ready counts.
                Output::Read => match self.poll_read(cx, now) {
                    Poll::Ready(()) => self.reads += 1,
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
                    self.io = Io::None;
                    let error = self.call.error().filter(|_| !self.has_failed).cloned();
                    self.has_failed |= error.is_some();
                    return Poll::Ready(error.map(Err));
                }
            }
        }
    }

    /// A new attempt. It starts with its key.
    fn begin(&mut self, attempt: Attempt, request: Box<http::Request<Bytes>>) {
        self.io = Io::None;
        self.attempt = attempt;
        self.start.get_or_insert_with(|| self.shared.transport.now());
        match self.shared.settings.key.ask() {
            Asked::Key(key) => self.send(request, key),
            Asked::Future(key) => self.io = Io::Keying(key, request),
        }
    }

    fn send(&mut self, mut request: Box<http::Request<Bytes>>, key: Result<ApiKey, Error>) {
        match key {
            Ok(key) => {
                self.call.hide(&key);
                key.authorize(&mut request);
                let sending = self.call.within(|| self.shared.transport.send(*request));
                self.io = Io::Sending(Box::pin(sending));
            }
            Err(error) => {
                self.io = Io::None;
                self.call.refuse(self.attempt, error);
            }
        }
    }

    /// One read: the key, the head, or a piece of the body.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Elapsed) -> Poll<()> {
        match &mut self.io {
            Io::Keying(key, _) => {
                let key = key::take(ready!(self.call.within(|| key.as_mut().poll(cx))));
                if let Io::Keying(_, request) = std::mem::replace(&mut self.io, Io::None) {
                    self.send(request, key);
                }
            }
            Io::Sending(sending) => match ready!(self.call.within(|| sending.as_mut().poll(cx))) {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    self.io = Io::Reading(Box::pin(body));
                    self.call.handle_head(self.attempt, head, now);
                }
                Err(error) => self.fail(T::classify(&error), error, now),
            },
            Io::Reading(body) => match ready!(self.call.within(|| body.as_mut().poll_frame(cx))) {
                Some(Ok(frame)) => {
                    match frame.into_data() {
                        Ok(chunk) => self.call.handle_data(self.attempt, chunk, now),
                        // Trailers carry nothing that is used: they count as an empty read.
                        Err(_) => self.call.handle_data(self.attempt, Bytes::new(), now),
                    }
                }
                Some(Err(error)) => self.fail(TransportError::Body, error, now),
                None => {
                    self.io = Io::None;
                    self.call.handle_eof(self.attempt, now);
                }
            },
            Io::None => self.fail(TransportError::MaybeSent, "the transport or the key's callback panicked", now),
        }
        Poll::Ready(())
    }

    fn fail(&mut self, class: TransportError, error: impl Into<BoxError>, now: Elapsed) {
        self.io = Io::None;
        self.call.handle_error(self.attempt, class, error, now);
    }

    /// Ready when a deadline has passed and was handed in.
    ///
    /// Deadlines move with every read, the timer does not. It fires at the earlier deadline and is set again then, so that
    /// an event costs no timer.
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

    fn now(&self) -> Elapsed {
        now(&self.shared, self.start)
    }
}

/// The time since a call began.
fn now<T: Transport>(shared: &Shared<T>, start: Option<Duration>) -> Elapsed {
    start.map_or(Elapsed::START, |start| Elapsed::from_start(shared.transport.now().saturating_sub(start)))
}

impl<T: Transport> Drop for Reply<T> {
    fn drop(&mut self) {
        // For the history of its session and for the trace; what closes the connection is the drop of the parts.
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

/// The text of a reply, piece by piece. Made by [`Reply::text`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is polled"]
pub struct Text<T: Transport>(Reply<T>);

impl<T: Transport> Text<T> {
    /// The next piece; `None` after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|cx| self.poll_text(cx)).await
    }

    /// The answer so far: see [`Reply::answer`].
    pub fn answer(&self) -> Option<&Answer> {
        self.0.answer()
    }

    /// The reply, for all that is not text.
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
