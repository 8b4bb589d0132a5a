//! A reply that blocks.

use std::fmt;
use std::future::Future as _;
use std::iter::FusedIterator;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_core::Stream as _;
use transport_smol::{Answer, Error, Event, Head};

use crate::block_on::block_on;
use crate::cancel::Canceller;

/// The reply to a question: an iterator of events. It blocks until the next event is received.
///
/// Nothing is sent until the reply is read. Dropping the reply cancels the call and closes its connection; a [`Canceller`]
/// cancels it from another thread. An answer that the server sends as one JSON object is also returned as events. An error is
/// the last item.
#[must_use = "nothing is sent until a reply is read"]
pub struct Reply {
    state: State,
    canceller: Canceller,
}

enum State {
    Running(Box<transport_smol::Reply>),
    Done(Result<Box<Answer>, Error>),
}

impl State {
    /// Cancels the call if it has not ended, and returns its outcome.
    fn cancel(self) -> Result<Answer, Error> {
        match self {
            Self::Running(reply) => reply.cancel(),
            Self::Done(outcome) => outcome.map(|answer| *answer),
        }
    }
}

impl Reply {
    pub(crate) fn new(reply: transport_smol::Reply) -> Self {
        Self { state: State::Running(Box::new(reply)), canceller: Canceller::default() }
    }

    /// Returns the next event if it has already arrived. Reads nothing from the connection and never blocks. `None` does not
    /// mean that the reply has ended.
    pub fn try_next(&mut self) -> Option<Event> {
        match &mut self.state {
            State::Running(reply) => reply.try_next(),
            State::Done(_) => None,
        }
    }

    /// Returns the text by which the answer has grown, or `None` at the end. It joins the texts of all events that have
    /// arrived. Events that are like the one before cost no allocation, unless the feature `tracing` is on. Other events are
    /// in the [`answer`](Self::answer).
    pub fn next_text(&mut self) -> Option<Result<&str, Error>> {
        match self.block_on(Self::poll_next_text)? {
            Ok(len) => {
                let text = &self.answer()?.text;
                Some(Ok(&text[text.len() - len..]))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns the text of the reply, without the other events.
    pub fn text(self) -> Text {
        Text(self)
    }

    /// Waits for the end of the reply and returns the complete answer. It includes events that were returned before.
    ///
    /// # Errors
    ///
    /// The error that ended the call. The partial answer is in [`Error::partial`].
    pub fn finish(mut self) -> Result<Answer, Error> {
        if let State::Running(_) = self.state {
            // Block once for all remaining events.
            block_on(|cx| {
                while ready!(self.poll_next(cx)).is_some() {}
                Poll::Ready(())
            })?;
        }
        self.cancel()
    }

    /// Cancels the call and closes its connection. To get the answer so far, complete or partial, use
    /// `reply.cancel().map_or_else(Error::into_partial, Some)`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) with the partial answer, unless the call had already ended.
    pub fn cancel(self) -> Result<Answer, Error> {
        self.state.cancel()
    }

    /// Returns a handle to cancel the call from another thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Returns the status and headers, once they are received.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Running(reply) => reply.head(),
            State::Done(Ok(answer)) => Some(&answer.head),
            State::Done(Err(error)) => error.head(),
        }
    }

    /// Returns the answer so far. It exists once the head of a successful response is received.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Running(reply) => reply.answer(),
            State::Done(Ok(answer)) => Some(answer),
            State::Done(Err(error)) => error.partial(),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        self.poll_item(cx, |reply, cx| Pin::new(reply).poll_next(cx))
    }

    /// Returns the length of the text by which the answer has grown.
    fn poll_next_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<usize, Error>>> {
        // The future keeps nothing between two polls.
        self.poll_item(cx, |reply, cx| pin!(reply.next_text()).poll(cx).map(|item| item.map(|text| text.map(str::len))))
    }

    fn poll_item<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut transport_smol::Reply, &mut Context<'_>) -> Poll<Option<Result<R, Error>>>,
    ) -> Poll<Option<Result<R, Error>>> {
        let State::Running(reply) = &mut self.state else { return Poll::Ready(None) };
        if self.canceller.poll(cx).is_ready() {
            return Poll::Ready(self.end().map(Err));
        }
        let item = ready!(poll(reply, cx));
        if !matches!(item, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(item)
    }

    /// Blocks until there is an item.
    fn block_on<R>(
        &mut self,
        poll: impl Fn(&mut Self, &mut Context<'_>) -> Poll<Option<Result<R, Error>>>,
    ) -> Option<Result<R, Error>> {
        if let State::Done(_) = self.state {
            return None;
        }
        block_on(|cx| poll(self, cx)).unwrap_or_else(|error| {
            self.state = State::Done(Err(error.clone()));
            Some(Err(error))
        })
    }

    /// Cancels the call if it has not ended, and keeps its outcome. Returns the error of the outcome.
    fn end(&mut self) -> Option<Error> {
        let state = mem::replace(&mut self.state, State::Done(Err(Error::cancelled())));
        let outcome = state.cancel();
        let error = outcome.as_ref().err().cloned();
        self.state = State::Done(outcome.map(Box::new));
        error
    }
}

impl Iterator for Reply {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.block_on(Self::poll_next)
    }
}

impl FusedIterator for Reply {}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Running(reply) => reply.fmt(f),
            State::Done(outcome) => f.debug_tuple("Reply").field(outcome).finish(),
        }
    }
}

/// The text of a reply, as an iterator. Made by [`Reply::text`].
#[derive(Debug)]
#[must_use = "nothing is sent until it is read"]
pub struct Text(Reply);

impl Text {
    /// Returns the answer so far. See [`Reply::answer`].
    pub fn answer(&self) -> Option<&Answer> {
        self.0.answer()
    }

    /// Returns the reply, for the other events.
    pub fn into_reply(self) -> Reply {
        self.0
    }
}

impl Iterator for Text {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.by_ref().find_map(|item| match item {
            Ok(Event::Text(chunk)) => Some(Ok(chunk.text)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl FusedIterator for Text {}
