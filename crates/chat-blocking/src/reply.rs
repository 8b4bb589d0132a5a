//! A call on sockets that block: the loop that turns what the core wants into I/O.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::io;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chat_client::{Call, Question, Step};
use chat_net::{ProxyError, tls};
use chat_proto::{Answer, Elapsed, Error, Event, Head, Request, Source, TransportError};

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
    call: Call,
    shared: Arc<Shared>,
    /// The newest attempt's, with where it leads.
    connection: Option<(Origin, Connection)>,
    /// Why the newest attempt's request could not be written.
    unwritten: Option<io::Error>,
    /// When the call began: as it was asked for its first item.
    start: Option<Instant>,
    canceller: Canceller,
    /// The caller had the thread since the last wait: what passed is not the server's silence.
    was_away: bool,
}

/// After so many reads that bring no event, the clock is looked at even if there is always something to read.
const READS_A_LOOK: u32 = 64;

impl Reply {
    pub(crate) fn new(shared: Arc<Shared>, request: Result<Request, Error>, question: Option<Question>) -> Self {
        // Keys drawn at random for each map are what the standard library has of chance.
        let seed = RandomState::new().hash_one(0u8);
        let call = Call::new(request, question, &shared.settings, seed);
        let canceller = Canceller::default();
        Self { call, shared, connection: None, unwritten: None, start: None, canceller, was_away: true }
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
        self.call.take_outcome()
    }

    /// Ends the call now and closes its connection. What had come is `reply.cancel().map_or_else(Error::into_partial, Some)`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](chat_proto::ErrorKind::Cancelled) with what had come, unless the call had ended before.
    pub fn cancel(mut self) -> Result<Answer, Error> {
        self.call.cancel(self.now());
        self.call.take_outcome()
    }

    /// What ends the call from another thread, while this one waits.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The status and headers, once they came.
    pub fn head(&self) -> Option<&Head> {
        self.call.head()
    }

    /// The answer so far: text, citations, session. There from the head of a success on.
    pub fn answer(&self) -> Option<&Answer> {
        self.call.answer()
    }

    /// A new attempt: its key, its connection, its request.
    fn send(&mut self, mut request: Box<http::Request<Bytes>>) {
        (self.connection, self.unwritten) = (None, None);
        self.start.get_or_insert_with(Instant::now);
        match self.shared.settings.key.key() {
            Ok(key) => key.authorize(&mut request),
            Err(error) => return self.call.refuse(error),
        }
        let origin = Origin::of(request.uri());
        let Some(mut connection) = self.connect(&origin) else { return };
        let deadline = self.deadline();
        let sent = self.call.within(|| connection.send(&request, deadline));
        self.connection = Some((origin, connection));
        match sent {
            Err(error) if Expired::is(&error) => self.call.handle_timeout(self.now()),
            // A server that has heard enough may have answered before it closed: reading tells.
            Err(error) => self.unwritten = Some(error),
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
        let error = match self.call.within(|| connector.open(origin, deadline, &self.canceller)) {
            Ok(connection) => return Some(connection),
            Err(_) if self.canceller.is_cancelled() => return None,
            Err(error) => error,
        };
        let now = self.now();
        if self.call.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.call.handle_timeout(now);
        } else {
            let class = match () {
                () if Expired::is(&error) => TransportError::ConnectTimeout,
                () if tls::is_untrusted(&error) || is_final(&error) => TransportError::Permanent,
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
            return self.fail(TransportError::MaybeSent, io::ErrorKind::NotConnected.into());
        };
        let part = match connection.ready() {
            Ok(Some(part)) => Ok(part),
            Ok(None) => {
                if std::mem::take(&mut self.was_away) {
                    self.call.handle_wait(since(self.start));
                }
                // The system's read takes what is ready, whatever time is left.
                let deadline = deadline(&self.call, self.start);
                self.call.within(|| connection.read(deadline))
            }
            Err(error) => Err(error),
        };
        let now = self.now();
        match part {
            // What a cancelled socket says is not the server's.
            _ if self.canceller.is_cancelled() => {}
            Ok(Part::Head(head)) => {
                self.unwritten = None;
                self.call.handle_head(head, now);
            }
            Ok(Part::Data(data)) => self.call.handle_data(data, now),
            Ok(Part::End) => {
                self.keep();
                self.call.handle_eof(now);
            }
            Err(error) if Expired::is(&error) => self.call.handle_timeout(now),
            Err(error) if self.call.head().is_some() => self.fail(TransportError::Body, error),
            // The server has read nothing of what its proxy did not let through.
            Err(error) if is_final(&error) => self.fail(TransportError::Permanent, error),
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
        let fault = self.unwritten.take().unwrap_or(error);
        self.call.handle_error(class, bare(fault), self.now());
    }

    fn now(&self) -> Elapsed {
        since(self.start)
    }

    fn deadline(&self) -> Option<Instant> {
        deadline(&self.call, self.start)
    }
}

impl Iterator for Reply {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reads = 0;
        loop {
            if self.canceller.is_cancelled() {
                self.call.cancel(self.now());
            }
            match self.call.poll() {
                Step::Item(item) => {
                    self.was_away = true;
                    if item.is_err() {
                        self.connection = None;
                    }
                    return Some(item);
                }
                Step::Send(request) => self.send(request),
                Step::Read if reads == READS_A_LOOK => {
                    reads = 0;
                    self.call.handle_yield(self.now());
                }
                Step::Read => {
                    reads += 1;
                    self.read();
                }
                Step::Wait => {
                    self.connection = None;
                    self.canceller.sleep_until(self.deadline());
                    self.call.handle_timeout(self.now());
                }
                Step::Done => {
                    self.connection = None;
                    return None;
                }
            }
        }
    }
}

impl FusedIterator for Reply {}

impl Drop for Reply {
    fn drop(&mut self) {
        // For the history of its session and for the trace; what closes the connection is the drop of the parts.
        let start = self.start;
        self.call.abandon(|| since(start));
    }
}

/// The time since a call began.
fn since(start: Option<Instant>) -> Elapsed {
    start.map_or(Elapsed::START, |start| Elapsed::from_start(start.elapsed()))
}

/// When a call wants to be told the time, if nothing else comes before. A time past what an instant holds never comes.
fn deadline(call: &Call, start: Option<Instant>) -> Option<Instant> {
    start?.checked_add(call.poll_timeout()?.since_start())
}

/// Whether a proxy refuses, and would refuse again.
fn is_final(error: &io::Error) -> bool {
    ProxyError::of(error).is_some_and(ProxyError::is_final)
}

/// The error of a proxy by itself, which one of I/O would hide from those who look for it among the sources.
fn bare(error: io::Error) -> Source {
    match error.downcast::<ProxyError>() {
        Ok(error) => error.into(),
        Err(error) => error.into(),
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.call).finish()
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
            Ok(Event::MessageChunk(chunk)) => Some(Ok(chunk.content_chunk)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl FusedIterator for Text {}
