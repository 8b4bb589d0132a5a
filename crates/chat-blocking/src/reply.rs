//! A call whose caller waits for it.

use std::fmt;
use std::iter::FusedIterator;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream as _;
use transport_smol::{Answer, Error, Event, Head};

use crate::cancel::Canceller;
use crate::wait::wait;

/// The answer to one question, under way: an iterator of its events, which blocks until the next one is there.
///
/// Nothing happens before it is asked for an item. Dropping it cancels the call and closes its connection; a
/// [`Canceller`] does so from another thread. An answer in one JSON object comes as events too, so loops need not know which
/// form the server chose. An error is the last item.
#[must_use = "nothing is sent before a reply is asked for an item"]
pub struct Reply {
    state: State,
    canceller: Canceller,
}

enum State {
    Running(Box<transport_smol::Reply>),
    Done(Result<Answer, Error>),
}

impl State {
    /// Ends the call if it has not ended. What came of it.
    fn cancel(self) -> Result<Answer, Error> {
        match self {
            Self::Running(reply) => reply.cancel(),
            Self::Done(outcome) => outcome,
        }
    }
}

impl Reply {
    pub(crate) fn new(reply: transport_smol::Reply) -> Self {
        Self { state: State::Running(Box::new(reply)), canceller: Canceller::default() }
    }

    /// The text alone, piece by piece as it comes.
    pub fn text(self) -> Text {
        Text(self)
    }

    /// The whole answer, merged from all events, those taken before and those to come.
    ///
    /// # Errors
    ///
    /// What went wrong; what had come is in [`Error::partial`].
    pub fn finish(mut self) -> Result<Answer, Error> {
        if let State::Running(_) = self.state {
            // One wait for all that is to come.
            wait(|cx| {
                while ready!(self.poll_next(cx)).is_some() {}
                Poll::Ready(())
            })?;
        }
        self.cancel()
    }

    /// Ends the call now and closes its connection. What had come is `reply.cancel().map_or_else(Error::into_partial, Some)`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) with what had come, unless the call had ended before.
    pub fn cancel(self) -> Result<Answer, Error> {
        self.state.cancel()
    }

    /// What ends the call from another thread, while this one waits.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The status and headers, once they came.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Running(reply) => reply.head(),
            State::Done(Ok(answer)) => Some(&answer.head),
            State::Done(Err(error)) => error.head(),
        }
    }

    /// The answer so far: text, citations, session. There from the head of a success on.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Running(reply) => reply.answer(),
            State::Done(outcome) => outcome.as_ref().map_or_else(Error::partial, Some),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let State::Running(reply) = &mut self.state else { return Poll::Ready(None) };
        if self.canceller.poll(cx).is_ready() {
            return Poll::Ready(self.end().map(Err));
        }
        let item = ready!(Pin::new(&mut **reply).poll_next(cx));
        if !matches!(item, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(item)
    }

    /// Ends the call if it has not ended, and keeps what came of it. Why there is no whole answer.
    fn end(&mut self) -> Option<Error> {
        let state = mem::replace(&mut self.state, State::Done(Err(Error::cancelled())));
        let outcome = state.cancel();
        let error = outcome.as_ref().err().cloned();
        self.state = State::Done(outcome);
        error
    }
}

impl Iterator for Reply {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let State::Done(_) = self.state {
            return None;
        }
        wait(|cx| self.poll_next(cx)).unwrap_or_else(|error| {
            self.state = State::Done(Err(error.clone()));
            Some(Err(error))
        })
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

/// The text of a reply, piece by piece. Made by [`Reply::text`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is asked for an item"]
pub struct Text(Reply);

impl Text {
    /// The answer so far: see [`Reply::answer`].
    pub fn answer(&self) -> Option<&Answer> {
        self.0.answer()
    }

    /// The reply, for all that is not text.
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
