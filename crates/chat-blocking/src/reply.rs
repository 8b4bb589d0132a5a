//! A call under way: the loop that turns what the core wants into I/O.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chat_client::Question;
use chat_proto::{Answer, Error, Event, Exchange, Head, Output, Request, Source};
use chat_proto::{Timestamp, TransportError};

use crate::cancel::{Canceller, Waiting};
use crate::client::Shared;
use crate::connection::Connection;
use crate::connector::Origin;
use crate::http1::Part;
use crate::socket::Expired;

/// The answer to one question, under way: an iterator of its events, which blocks until the next one is there.
///
/// Nothing happens before it is asked for an item. Dropping it cancels the call and closes its connection; a
/// [`Canceller`] does so from another thread. An answer in one JSON object comes as events too, so loops need not know which
/// form the server chose. An error is the last item.
#[must_use = "nothing is sent before a reply is asked for an item"]
pub struct Reply {
    state: State,
    /// The question of a session that this answers.
    question: Option<Question>,
    canceller: Canceller,
}

enum State {
    Running(Box<Call>),
    /// Over, and not told yet.
    Over(Error),
    Done(Result<Answer, Error>),
}

struct Call {
    shared: Arc<Shared>,
    exchange: Exchange,
    /// The newest attempt's, with where it leads.
    connection: Option<(Origin, Connection)>,
    /// The beginning of the exchange.
    start: Instant,
    /// What the newest attempt's I/O ran into.
    fault: Option<Source>,
    canceller: Canceller,
    /// The caller had the thread since the last wait: what passed is not the server's silence.
    was_away: bool,
}

/// After so many reads that bring no event, the clock is looked at even if there is always something to read.
const READS_A_LOOK: u32 = 64;

impl Reply {
    pub(crate) fn new(shared: Arc<Shared>, request: Result<Request, Error>, question: Option<Question>) -> Self {
        let canceller = Canceller::default();
        let state = match request {
            Ok(request) => {
                // Keys drawn at random for each map are what the standard library has of chance.
                let seed = RandomState::new().hash_one(0u8);
                let exchange = Exchange::new(request, &shared.settings.config, seed);
                let (connection, start, fault) = (None, Instant::now(), None);
                let canceller = canceller.clone();
                State::Running(Box::new(Call { shared, exchange, connection, start, fault, canceller, was_away: true }))
            }
            Err(error) => State::Over(error),
        };
        Self { state, question, canceller }
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
        while self.next().is_some() {}
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

    /// What ends the call from another thread, while this one waits.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
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
        let was_sent = outcome.as_ref().map_or_else(|error| error.attempts() > 0, |_| true);
        if let Some(question) = self.question.take().filter(|_| was_sent) {
            question.end(outcome.clone());
        }
        self.state = State::Done(outcome);
    }
}

impl Iterator for Reply {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = match &mut self.state {
            State::Running(call) => match call.next_event() {
                Some(event) => {
                    if let Some(question) = &self.question {
                        question.note(&event);
                    }
                    return Some(Ok(event));
                }
                None => call.take_outcome(),
            },
            State::Over(error) => Err(error.clone()),
            State::Done(_) => return None,
        };
        let error = outcome.as_ref().err().cloned();
        self.end(outcome);
        error.map(Err)
    }
}

impl std::iter::FusedIterator for Reply {}

impl Drop for Reply {
    fn drop(&mut self) {
        // For the history of its session; what closes the connection is the drop of the parts.
        if self.question.is_some() {
            self.end_now();
        }
    }
}

impl Call {
    /// The next event, or `None` at the end.
    fn next_event(&mut self) -> Option<Event> {
        if self.exchange.attempts() == 0 {
            // The call begins now, however long ago the reply was made.
            self.start = Instant::now();
        }
        let mut reads = 0;
        loop {
            if self.canceller.is_cancelled() {
                self.exchange.cancel();
            }
            match self.exchange.poll_output() {
                Output::Send(request) => self.send(request),
                Output::Read if reads == READS_A_LOOK => {
                    reads = 0;
                    self.exchange.handle_yield(self.now());
                }
                Output::Read => {
                    reads += 1;
                    self.read();
                }
                Output::Event(event) => {
                    self.was_away = true;
                    return Some(event);
                }
                Output::Wait => {
                    self.connection = None;
                    self.canceller.sleep_until(self.deadline());
                    self.exchange.handle_timeout(self.now());
                }
                Output::Done => {
                    self.connection = None;
                    return None;
                }
            }
        }
    }

    /// A new attempt: its key, its connection, its request.
    fn send(&mut self, mut request: Box<http::Request<Bytes>>) {
        self.connection = None;
        self.fault = None;
        match self.shared.settings.key.key() {
            Ok(key) => key.stamp(&mut request),
            Err(error) => return self.exchange.refuse(error),
        }
        let origin = Origin::of(request.uri());
        let Some(mut connection) = self.connect(&origin) else { return };
        let sent = connection.send(&request, self.deadline());
        self.connection = Some((origin, connection));
        match sent {
            Err(error) if Expired::is(&error) => self.exchange.handle_timeout(self.now()),
            // A server that has heard enough may have answered before it closed: reading tells.
            Err(error) => self.fault = Some(error.into()),
            Ok(()) => {}
        }
    }

    /// A connection that was kept, or a new one. Without one, the exchange knows why.
    fn connect(&mut self, origin: &Origin) -> Option<Connection> {
        let connector = &self.shared.connector;
        if let Some(kept) = connector.take(origin) {
            self.canceller.waits_for(Waiting::Socket(Arc::downgrade(kept.tcp())));
            return Some(kept);
        }
        let timeout = self.shared.settings.config.timeouts.connect;
        let connect_by = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let deadline = [self.deadline(), connect_by].into_iter().flatten().min();
        let error = match connector.open(origin, deadline, &self.canceller) {
            Ok(connection) => return Some(connection),
            Err(_) if self.canceller.is_cancelled() => return None,
            Err(error) => error,
        };
        let now = self.now();
        if self.exchange.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.exchange.handle_timeout(now);
        } else {
            let class = match () {
                () if Expired::is(&error) => TransportError::ConnectTimeout,
                () if is_distrust(&error) => TransportError::Untrusted,
                () => TransportError::Connect,
            };
            self.fail(class, error);
        }
        None
    }

    /// One part of the answer. What came already comes before the clock: a caller who was slow must not make the stream look
    /// dead.
    fn read(&mut self) {
        let Some((_, connection)) = &mut self.connection else {
            return self.exchange.handle_error(TransportError::MaybeSent, since(self.start));
        };
        let part = match connection.ready() {
            Ok(Some(part)) => Ok(part),
            Ok(None) => {
                if std::mem::take(&mut self.was_away) {
                    self.exchange.handle_wait(since(self.start));
                }
                // The system's read takes what is ready, whatever time is left.
                connection.read(deadline(&self.exchange, self.start))
            }
            Err(error) => Err(error),
        };
        let now = self.now();
        match part {
            // What a cancelled socket says is not the server's.
            _ if self.canceller.is_cancelled() => {}
            Ok(Part::Head(head)) => {
                self.fault = None;
                self.exchange.handle_head(head, now);
            }
            Ok(Part::Data(data)) => self.exchange.handle_data(data, now),
            Ok(Part::End) => {
                self.keep();
                self.exchange.handle_eof(now);
            }
            Err(error) if Expired::is(&error) => self.exchange.handle_timeout(now),
            Err(error) if self.exchange.head().is_some() => self.fail(TransportError::Body, error),
            Err(error) => self.fail(TransportError::MaybeSent, error),
        }
    }

    /// Leaves the connection to the next call, if it may serve another one.
    fn keep(&mut self) {
        if let Some((origin, connection)) = self.connection.take()
            && self.canceller.let_go()
            && connection.may_be_kept()
        {
            self.shared.connector.keep(origin, connection);
        }
    }

    fn fail(&mut self, class: TransportError, error: io::Error) {
        self.connection = None;
        // What the request could not be written for says more than that no answer came.
        self.fault.get_or_insert(error.into());
        self.exchange.handle_error(class, self.now());
    }

    fn now(&self) -> Timestamp {
        since(self.start)
    }

    fn deadline(&self) -> Option<Instant> {
        deadline(&self.exchange, self.start)
    }

    /// The outcome of an exchange that is done, with the fault of its last attempt as the cause.
    fn take_outcome(&mut self) -> Result<Answer, Error> {
        self.connection = None;
        let outcome = self.exchange.take_outcome().unwrap_or_else(|| Err(Error::cancelled()));
        let outcome = match self.fault.take() {
            Some(fault) => outcome.map_err(|error| error.with_fault(fault)),
            None => outcome,
        };
        outcome.map_err(|error| error.with_key_origin(self.shared.settings.key.origin()))
    }
}

/// The time of an exchange that began then.
fn since(start: Instant) -> Timestamp {
    Timestamp::from_start(start.elapsed())
}

/// When an exchange wants to be told the time, if nothing else comes before. A time past what an instant holds never comes.
fn deadline(exchange: &Exchange, start: Instant) -> Option<Instant> {
    start.checked_add(exchange.poll_timeout()?.since_start())
}

/// Whether TLS refused the server for its certificate.
fn is_distrust(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

impl fmt::Debug for Reply {
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
#[must_use = "nothing is sent before it is asked for an item"]
pub struct Text(Reply);

impl Text {
    /// The reply, for all that is not text.
    pub fn into_reply(self) -> Reply {
        self.0
    }
}

impl Iterator for Text {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.by_ref().find_map(|item| match item {
            Ok(Event::MessageChunk(chunk)) => Some(Ok(chunk.content_chunk)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl std::iter::FusedIterator for Text {}
