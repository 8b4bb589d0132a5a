//! A network and a server that do what a scenario says.

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

use super::clock::{Alarm, VirtualClock};
use super::scenario::{End, Reaction, Response, Scenario};
use super::transcript::{Step, Transcript};

/// The transport's clock does not begin at zero: a client must not care.
const ORIGIN: Duration = Duration::from_millis(86_400_007);

/// A transport of a scenario. Clones are the same.
#[derive(Clone, Debug)]
pub struct SimTransport {
    world: Rc<World>,
}

#[derive(Debug)]
struct World {
    scenario: Scenario,
    clock: VirtualClock,
    transcript: RefCell<Transcript>,
    sent: Cell<usize>,
    connections: Cell<usize>,
    /// Chunks that are not dropped yet.
    chunks: Arc<AtomicUsize>,
}

impl SimTransport {
    /// The transport of this scenario.
    pub fn new(scenario: Scenario) -> Self {
        let world = World {
            scenario,
            clock: VirtualClock::default(),
            transcript: RefCell::default(),
            sent: Cell::default(),
            connections: Cell::default(),
            chunks: Arc::default(),
        };
        Self { world: Rc::new(world) }
    }

    /// Its clock, which begins at zero.
    pub fn clock(&self) -> &VirtualClock {
        &self.world.clock
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.world.connections.get()
    }

    /// How many chunks of bodies are held somewhere.
    pub fn chunks(&self) -> usize {
        self.world.chunks.load(Ordering::Relaxed)
    }

    /// Notes a step at the present time.
    pub fn note(&self, step: Step) {
        self.world.note(step);
    }

    /// Notes that something is wrong.
    pub fn wrong(&self, what: impl Into<String>) {
        self.world.wrong(what);
    }

    /// How many steps were noted.
    pub fn steps(&self) -> usize {
        self.world.transcript.borrow().steps.len()
    }

    /// Takes what was noted.
    pub fn take_transcript(&self) -> Transcript {
        self.world.transcript.take()
    }
}

impl World {
    fn note(&self, step: Step) {
        self.transcript.borrow_mut().note(self.clock.now(), step);
    }

    fn wrong(&self, what: impl Into<String>) {
        self.transcript.borrow_mut().wrong.push(what.into());
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
    type Sleep = Alarm;

    const PRODUCT: &'static str = "transport-sim/0";

    fn send(&self, request: http::Request<Bytes>) -> SimSend {
        let world = &self.world;
        let attempt = world.sent.replace(world.sent.get() + 1);
        world.note(Step::Sent(attempt + 1));
        if world.connections.get() > 0 {
            world.wrong("one connection: another was still open when a request was sent");
        }
        if request.headers().get("authorization").is_none_or(|key| key != "Bearer key" || !key.is_sensitive()) {
            world.wrong("key: a request without it");
        }
        let connection = Connection::open(world);
        let due = world.scenario.attempts.get(attempt).and_then(|script| match script.reaction {
            Reaction::Silence => None,
            _ => Some(world.clock.now() + script.delay),
        });
        let alarm = due.map(|due| world.clock.alarm(due));
        SimSend { connection: Some(connection), attempt, due: due.unwrap_or_default(), alarm, quiet: false }
    }

    fn now(&self) -> Duration {
        ORIGIN + self.world.clock.now()
    }

    fn sleep_until(&self, deadline: Duration) -> Alarm {
        self.world.transcript.borrow_mut().timers += 1;
        self.world.clock.alarm(ceil(deadline.saturating_sub(ORIGIN), self.world.scenario.tick))
    }

    fn seed(&self) -> u64 {
        self.world.scenario.seed
    }

    fn classify(error: &SimError) -> TransportError {
        error.0
    }
}

/// When a timer of this grain fires that is set for `at`.
pub(super) fn ceil(at: Duration, tick: Duration) -> Duration {
    let grain = tick.as_nanos();
    if grain == 0 {
        return at;
    }
    Duration::from_nanos((at.as_nanos().div_ceil(grain) * grain) as u64)
}

/// A connection, counted while it is open.
#[derive(Debug)]
struct Connection {
    world: Rc<World>,
}

impl Connection {
    fn open(world: &Rc<World>) -> Self {
        world.connections.set(world.connections.get() + 1);
        Self { world: Rc::clone(world) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.world.connections.set(self.world.connections.get() - 1);
        self.world.note(Step::Closed);
    }
}

/// A request on its way.
#[derive(Debug)]
pub struct SimSend {
    /// Gone once the head came.
    connection: Option<Connection>,
    attempt: usize,
    /// When the head can be taken, if ever.
    due: Duration,
    alarm: Option<Alarm>,
    quiet: bool,
}

impl Future for SimSend {
    type Output = Result<http::Response<SimBody>, SimError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let world = Rc::clone(&this.connection.as_ref().expect("polled after its end").world);
        ready!(wait(&world, this.alarm.as_mut(), &mut this.quiet, cx));
        let response = match &world.scenario.attempts[this.attempt].reaction {
            Reaction::Answer(response) => response,
            Reaction::Fault(error) => {
                world.note(Step::Failed(*error));
                return Poll::Ready(Err(SimError(*error)));
            }
            Reaction::Silence => return Poll::Pending,
        };
        world.note(Step::Head(response.status));
        let connection = this.connection.take().expect("looked at above");
        let head = http::Response::builder().status(response.status);
        let head = response.headers.iter().fold(head, |head, (name, value)| head.header(*name, value));
        Poll::Ready(Ok(head.body(SimBody::new(connection, this.attempt, this.due)).expect("a legal head")))
    }
}

/// Waits for what is due, for ever if nothing is, and notes where a wait begins.
fn wait(world: &World, alarm: Option<&mut Alarm>, quiet: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
    let due = alarm.map_or(Poll::Pending, |alarm| Pin::new(alarm).poll(cx));
    if due.is_pending() && !*quiet {
        world.note(Step::Quiet);
    }
    *quiet = due.is_pending();
    due
}

/// The body of an answer.
#[derive(Debug)]
pub struct SimBody {
    connection: Connection,
    attempt: usize,
    /// How many pieces were taken.
    taken: usize,
    /// When the last ones were taken, at most as many as the window has.
    times: VecDeque<Duration>,
    /// When the next thing can be taken; before it is known, when the last thing could be.
    ready: Duration,
    alarm: Option<Alarm>,
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
            alarm: None,
            quiet: false,
            trailed: false,
            over: false,
        }
    }

    /// Sets the alarm for the next thing, unless nothing comes any more.
    fn set_alarm(&mut self, response: &Response) {
        let delay = match response.pieces.get(self.taken) {
            Some(piece) => piece.delay,
            None if response.end == End::Silence => return,
            None => response.end_delay,
        };
        if let Some(window) = response.window
            && self.taken >= window
        {
            // The server sends this piece when there is room for it.
            self.ready = self.ready.max(self.times[self.times.len() - window]);
        }
        self.ready += delay;
        self.alarm = Some(self.connection.world.clock.alarm(self.ready));
    }
}

impl http_body::Body for SimBody {
    type Data = Bytes;
    type Error = SimError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SimError>>> {
        let this = &mut *self;
        let world = Rc::clone(&this.connection.world);
        let response = world.response(this.attempt);
        if this.over {
            world.wrong("end: a body was read after its end");
            return Poll::Ready(None);
        }
        if world.chunks.load(Ordering::Relaxed) > 0 {
            world.wrong("memory: more was read while a chunk was held undecoded");
        }
        if this.alarm.is_none() {
            this.set_alarm(response);
        }
        ready!(wait(&world, this.alarm.as_mut(), &mut this.quiet, cx));
        if let Some(piece) = response.pieces.get(this.taken) {
            world.note(Step::Bytes { length: piece.bytes.len(), ready: this.ready });
            this.taken += 1;
            this.times.push_back(world.clock.now());
            this.alarm = None;
            world.clock.advance_to(world.clock.now() + response.read_time);
            let bytes = response.body.bytes.slice(piece.bytes.clone());
            return Poll::Ready(Some(Ok(Frame::data(Chunk::counted(bytes, &world.chunks)))));
        }
        if response.trailers && response.end == End::Clean && !this.trailed {
            this.trailed = true;
            let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("t"))]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        this.over = true;
        if response.end == End::Reset {
            world.note(Step::Reset);
            return Poll::Ready(Some(Err(SimError(TransportError::Body))));
        }
        world.note(Step::End);
        Poll::Ready(None)
    }
}

/// A chunk of a body, counted while somebody holds it.
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

/// A fault of the network.
#[derive(Clone, Copy, Debug)]
pub struct SimError(TransportError);

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated: {:?}", self.0)
    }
}

impl std::error::Error for SimError {}
