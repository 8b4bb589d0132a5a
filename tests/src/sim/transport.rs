//! The simulated network and server: a transport that follows the script of a scenario.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::TransportError;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;

use super::clock::{Timer, VirtualClock};
use super::scenario::{End, Reaction, Response, Scenario};
use super::transcript::{Step, Transcript};

/// Start time of the transport's clock. It is not zero, because a client must not depend on that.
const ORIGIN: Duration = Duration::from_millis(86_400_007);

/// Transport that follows a scenario. Clones share their state.
#[derive(Clone, Debug)]
pub struct SimTransport {
    state: Rc<State>,
}

#[derive(Debug)]
struct State {
    scenario: Scenario,
    clock: VirtualClock,
    transcript: RefCell<Transcript>,
    sent: Cell<usize>,
    connections: Cell<usize>,
    /// Number of chunks that are not dropped yet.
    chunks: Arc<AtomicUsize>,
}

impl SimTransport {
    /// Creates the transport of a scenario.
    pub fn new(scenario: Scenario) -> Self {
        let state = State {
            scenario,
            clock: VirtualClock::default(),
            transcript: RefCell::default(),
            sent: Cell::default(),
            connections: Cell::default(),
            chunks: Arc::default(),
        };
        Self { state: Rc::new(state) }
    }

    /// Returns the clock, which starts at zero.
    pub fn clock(&self) -> &VirtualClock {
        &self.state.clock
    }

    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        self.state.connections.get()
    }

    /// Returns the number of chunks that are not dropped yet.
    pub fn chunks(&self) -> usize {
        self.state.chunks.load(Ordering::Relaxed)
    }

    /// Records a step at the current time.
    pub fn record(&self, step: Step) {
        self.state.record(step);
    }

    /// Records a violation.
    pub fn violation(&self, message: impl Into<String>) {
        self.state.violation(message);
    }

    /// Returns the number of recorded steps.
    pub fn steps(&self) -> usize {
        self.state.transcript.borrow().steps.len()
    }

    /// Takes the transcript.
    pub fn take_transcript(&self) -> Transcript {
        self.state.transcript.take()
    }
}

impl State {
    fn record(&self, step: Step) {
        self.transcript.borrow_mut().record(self.clock.now(), step);
    }

    fn violation(&self, message: impl Into<String>) {
        self.transcript.borrow_mut().violations.push(message.into());
    }

    fn response(&self, attempt: usize) -> &Response {
        match &self.scenario.attempts[attempt].reaction {
            Reaction::Answer(response) => response,
            _ => unreachable!("a body belongs to an answer"),
        }
    }
}

impl Transport for SimTransport {
    type Send = SimSend;
    type Body = SimBody;
    type Error = SimError;
    type Sleep = Timer;

    const PRODUCT: &'static str = "transport-sim/0";

    fn send(&self, request: http::Request<Bytes>) -> SimSend {
        let state = &self.state;
        let attempt = state.sent.replace(state.sent.get() + 1);
        state.record(Step::Sent(attempt + 1));
        if state.connections.get() > 0 {
            state.violation("one connection: a request was sent while another connection was open");
        }
        if request.headers().get("authorization").is_none_or(|key| key != "Bearer key" || !key.is_sensitive()) {
            state.violation("key: a request has no API key, or it is not marked as sensitive");
        }
        let connection = Connection::open(state);
        let due = state.scenario.attempts.get(attempt).and_then(|script| match script.reaction {
            Reaction::Silence => None,
            _ => Some(state.clock.now() + script.delay),
        });
        let timer = due.map(|due| state.clock.timer(due));
        SimSend { connection: Some(connection), attempt, due: due.unwrap_or_default(), timer, quiet: false }
    }

    fn now(&self) -> Duration {
        ORIGIN + self.state.clock.now()
    }

    fn sleep_until(&self, deadline: Duration) -> Timer {
        self.state.transcript.borrow_mut().timers += 1;
        self.state.clock.timer(round_up(deadline.saturating_sub(ORIGIN), self.state.scenario.tick))
    }

    fn seed(&self) -> u64 {
        self.state.scenario.seed
    }

    fn classify(error: &SimError) -> TransportError {
        error.0
    }
}

/// Rounds `at` up to the next tick, when a timer set for `at` fires.
pub(super) fn round_up(at: Duration, tick: Duration) -> Duration {
    let tick_nanos = tick.as_nanos();
    if tick_nanos == 0 {
        return at;
    }
    Duration::from_nanos((at.as_nanos().div_ceil(tick_nanos) * tick_nanos) as u64)
}

/// An open connection. It is counted until it is dropped.
#[derive(Debug)]
struct Connection {
    state: Rc<State>,
}

impl Connection {
    fn open(state: &Rc<State>) -> Self {
        state.connections.set(state.connections.get() + 1);
        Self { state: Rc::clone(state) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.connections.set(self.state.connections.get() - 1);
        self.state.record(Step::Closed);
    }
}

/// Future of a response.
#[derive(Debug)]
pub struct SimSend {
    /// `None` after the head.
    connection: Option<Connection>,
    attempt: usize,
    /// When the head is available, if ever.
    due: Duration,
    timer: Option<Timer>,
    quiet: bool,
}

impl Future for SimSend {
    type Output = Result<http::Response<SimBody>, SimError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let state = Rc::clone(&this.connection.as_ref().expect("not polled after completion").state);
        ready!(wait(&state, this.timer.as_mut(), &mut this.quiet, cx));
        let response = match &state.scenario.attempts[this.attempt].reaction {
            Reaction::Answer(response) => response,
            Reaction::Fault(error) => {
                state.record(Step::Failed(*error));
                return Poll::Ready(Err(SimError(*error)));
            }
            Reaction::Silence => return Poll::Pending,
        };
        state.record(Step::Head(response.status));
        let connection = this.connection.take().expect("checked above");
        let head = http::Response::builder().status(response.status);
        let head = response.headers.iter().fold(head, |head, (name, value)| head.header(*name, value));
        Poll::Ready(Ok(head.body(SimBody::new(connection, this.attempt, this.due)).expect("a legal head")))
    }
}

/// Waits for the timer, or forever without one. Records the start of the wait.
fn wait(state: &State, timer: Option<&mut Timer>, quiet: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
    let due = timer.map_or(Poll::Pending, |timer| Pin::new(timer).poll(cx));
    if due.is_pending() && !*quiet {
        state.record(Step::Quiet);
    }
    *quiet = due.is_pending();
    due
}

/// Body of a response.
#[derive(Debug)]
pub struct SimBody {
    connection: Connection,
    attempt: usize,
    /// Number of pieces that were read.
    taken: usize,
    /// When they were read.
    times: VecDeque<Duration>,
    /// When the next piece or the end is available. Without a timer: when the previous one was.
    ready: Duration,
    timer: Option<Timer>,
    quiet: bool,
    trailed: bool,
    over: bool,
}

impl SimBody {
    fn new(connection: Connection, attempt: usize, ready: Duration) -> Self {
        Self {
            connection,
            attempt,
            taken: 0,
            times: VecDeque::new(),
            ready,
            timer: None,
            quiet: false,
            trailed: false,
            over: false,
        }
    }

    /// Creates the timer of the next piece or of the end, unless the server stays silent.
    fn set_timer(&mut self, response: &Response) {
        let delay = match response.pieces.get(self.taken) {
            Some(piece) => piece.delay,
            None if response.end == End::Silence => return,
            None => response.end_delay,
        };
        if let Some(window) = response.window
            && self.taken >= window
        {
            // The server sends this piece when the window has room.
            self.ready = self.ready.max(self.times[self.times.len() - window]);
        }
        self.ready += delay;
        self.timer = Some(self.connection.state.clock.timer(self.ready));
    }
}

impl http_body::Body for SimBody {
    type Data = Bytes;
    type Error = SimError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SimError>>> {
        let this = &mut *self;
        let state = Rc::clone(&this.connection.state);
        let response = state.response(this.attempt);
        if this.over {
            state.violation("end: a body was read after its end");
            return Poll::Ready(None);
        }
        if state.chunks.load(Ordering::Relaxed) > 0 {
            state.violation("memory: the body was read while an earlier chunk was still held");
        }
        if this.timer.is_none() {
            this.set_timer(response);
        }
        ready!(wait(&state, this.timer.as_mut(), &mut this.quiet, cx));
        if let Some(piece) = response.pieces.get(this.taken) {
            state.record(Step::Bytes { length: piece.bytes.len(), ready: this.ready });
            this.taken += 1;
            this.times.push_back(state.clock.now());
            this.timer = None;
            state.clock.advance_to(state.clock.now() + response.read_time);
            let bytes = response.body.bytes.slice(piece.bytes.clone());
            return Poll::Ready(Some(Ok(Frame::data(Chunk::counted(bytes, &state.chunks)))));
        }
        if response.trailers && response.end == End::Clean && !this.trailed {
            this.trailed = true;
            let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("t"))]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        this.over = true;
        if response.end == End::Reset {
            state.record(Step::Reset);
            return Poll::Ready(Some(Err(SimError(TransportError::Body))));
        }
        state.record(Step::End);
        Poll::Ready(None)
    }
}

/// A chunk of a body. It is counted until it is dropped.
struct Chunk {
    bytes: Bytes,
    chunks: Arc<AtomicUsize>,
}

impl Chunk {
    fn counted(bytes: Bytes, chunks: &Arc<AtomicUsize>) -> Bytes {
        chunks.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Self { bytes, chunks: Arc::clone(chunks) })
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.chunks.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Error of the simulated network.
#[derive(Clone, Copy, Debug)]
pub struct SimError(TransportError);

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated: {:?}", self.0)
    }
}

impl std::error::Error for SimError {}
