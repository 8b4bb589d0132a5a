//! A transport without sockets, for tests of programs that use the client: it answers from a script, on a clock of its own.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::TransportError;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};

use crate::events::events_of_text;

/// A [`Transport`] that answers from a script. Clones share the script, the clock and the record of what was sent.
///
/// The clock stands still until a call can do nothing but wait, and then jumps to the next moment that one waits for: a
/// test of a timeout of an hour takes no time. It knows of no other waits: what a program does beside its calls, in other
/// tasks or by the runtime's timers, may be overtaken.
///
/// ```
/// use chat_client::Client;
/// use chat_mock::memory::{MemoryTransport, Script};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), chat_client::Error> {
/// let transport = MemoryTransport::new([
///     Script::head(503, &[("retry-after", "30")]),
///     Script::answer("s-1", "Yes, it is."),
/// ]);
/// let client = Client::builder().api_key("any").build_on(transport.clone())?;
/// let answer = client.session("docs").ask("Is it?").finish().await?;
/// assert_eq!(answer.text, "Yes, it is.");
/// assert_eq!(transport.requests().len(), 2);
/// assert!(transport.elapsed().as_secs() >= 30);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    scripts: VecDeque<Script>,
    requests: Vec<Request<Bytes>>,
    open: usize,
    now: Duration,
    alarms: Vec<Duration>,
}

/// What one request is answered with.
#[derive(Clone, Debug)]
#[must_use = "a script does nothing until a transport has it"]
pub struct Script {
    steps: VecDeque<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    Head(StatusCode, HeaderMap),
    Data(Bytes),
    Fail(TransportError, &'static str),
    Stall,
}

impl Script {
    /// A status with headers, and no body unless [`data`](Self::data) follows.
    ///
    /// # Panics
    ///
    /// If there is no such status (100 to 999), or a header's name or value has a character that it can't have.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or_else(|_| panic!("{status} is no status"));
        let headers = headers.iter().map(|(name, value)| header(name, value)).collect();
        Self { steps: [Step::Head(status, headers)].into() }
    }

    /// A whole answer as the API streams it: this text in this session, word by word, an event in each chunk of the body.
    pub fn answer(chat_session_id: &str, text: &str) -> Self {
        Self::events(events_of_text(chat_session_id, text))
    }

    /// A stream of events: each part is a chunk of the body.
    pub fn events<P: Into<Bytes>>(parts: impl IntoIterator<Item = P>) -> Self {
        parts.into_iter().fold(Self::head(200, &[("content-type", "text/event-stream")]), Self::data)
    }

    /// An answer in one JSON object.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::head(status, &[("content-type", "application/json")]).data(body)
    }

    /// A connection that does not come about, or is lost before the head.
    pub fn refuse(class: TransportError) -> Self {
        Self { steps: [Step::Fail(class, "the script refuses")].into() }
    }

    /// Goes on with a chunk of the body.
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.steps.push_back(Step::Data(data.into()));
        self
    }

    /// Goes on after a time.
    pub fn wait(mut self, time: Duration) -> Self {
        self.steps.push_back(Step::Wait(time));
        self
    }

    /// Begins after a time: the head comes late.
    pub fn after(mut self, time: Duration) -> Self {
        self.steps.push_front(Step::Wait(time));
        self
    }

    /// Breaks off here: the body ends before it is whole.
    pub fn cut(mut self) -> Self {
        self.steps.push_back(Step::Fail(TransportError::Body, "the script breaks off"));
        self
    }

    /// Falls silent here, for ever.
    pub fn stall(mut self) -> Self {
        self.steps.push_back(Step::Stall);
        self
    }
}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let header = name.parse().ok().zip(value.parse().ok());
    header.unwrap_or_else(|| panic!("{name}: {value:?} is no header"))
}

impl MemoryTransport {
    /// A transport that answers one request after the other with these scripts. A request for which none is left is
    /// refused as by a server that does not listen.
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let world = World { scripts: scripts.into_iter().collect(), ..World::default() };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// What was sent so far, keys included.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.lock().requests.clone()
    }

    /// How many answers are under way: their body was neither read to its end nor dropped.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// How far the clock went.
    pub fn elapsed(&self) -> Duration {
        self.lock().now
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment on the clock. Whoever comes back for it without anything having happened moves the clock.
#[derive(Debug)]
pub struct Alarm {
    transport: MemoryTransport,
    at: Duration,
    is_set: bool,
}

impl Alarm {
    fn new(transport: &MemoryTransport, at: Duration) -> Self {
        Self { transport: transport.clone(), at, is_set: false }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut world = this.transport.lock();
        if this.at <= world.now {
            return Poll::Ready(());
        }
        if this.is_set {
            // All that is ready was done in the round before.
            world.now = world.alarms.iter().copied().filter(|&at| world.now < at).min().unwrap_or(this.at);
        } else {
            world.alarms.push(this.at);
            this.is_set = true;
        }
        if this.at <= world.now {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.is_set {
            let mut world = self.transport.lock();
            if let Some(at) = world.alarms.iter().position(|&at| at == self.at) {
                world.alarms.swap_remove(at);
            }
        }
    }
}

/// An answer that plays: the future of its head, and then its body.
#[derive(Debug)]
pub struct Playing {
    transport: MemoryTransport,
    steps: VecDeque<Step>,
    alarm: Option<Alarm>,
    is_open: bool,
}

impl Playing {
    /// The next step that is not a wait; `None` at the end.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        loop {
            if let Some(alarm) = &mut self.alarm {
                ready!(Pin::new(alarm).poll(cx));
                self.alarm = None;
            }
            match self.steps.pop_front() {
                Some(Step::Wait(time)) => {
                    self.alarm = Some(Alarm::new(&self.transport, self.transport.elapsed().saturating_add(time)));
                }
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                step => return Poll::Ready(step),
            }
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.transport.lock().open -= 1;
        }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.close();
    }
}

impl Body for Playing {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        let step = ready!(self.poll_step(cx));
        Poll::Ready(match step {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Fail(class, reason)) => {
                self.close();
                Some(Err(Failed { class, reason }))
            }
            _ => {
                self.close();
                None
            }
        })
    }
}

/// The future of a head.
#[derive(Debug)]
pub struct Sending(Option<Playing>);

impl Future for Sending {
    type Output = Result<Response<Playing>, Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let refused = Failed { class: TransportError::Connect, reason: "the script is at its end" };
        let Some(playing) = &mut self.0 else { return Poll::Ready(Err(refused)) };
        Poll::Ready(match ready!(playing.poll_step(cx)) {
            Some(Step::Head(status, headers)) => {
                let mut response = Response::new(self.0.take().expect("it was there just now"));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
            Some(Step::Fail(class, reason)) => Err(Failed { class, reason }),
            _ => Err(Failed { class: TransportError::MaybeSent, reason: "the script has no head" }),
        })
    }
}

/// A fault of the script's.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    class: TransportError,
    reason: &'static str,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Failed {}

impl Transport for MemoryTransport {
    type Send = Sending;
    type Body = Playing;
    type Error = Failed;
    type Sleep = Alarm;

    const PRODUCT: &'static str = "chat-mock-memory/0";

    fn send(&self, request: Request<Bytes>) -> Sending {
        let mut world = self.lock();
        world.requests.push(request);
        Sending(world.scripts.pop_front().map(|script| {
            world.open += 1;
            Playing { transport: self.clone(), steps: script.steps, alarm: None, is_open: true }
        }))
    }

    fn now(&self) -> Duration {
        self.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Alarm {
        Alarm::new(self, deadline)
    }

    fn seed(&self) -> u64 {
        0
    }

    fn classify(error: &Failed) -> TransportError {
        error.class
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use chat_client::{Answer, Client, Error, ErrorKind, TimeoutKind};

    use super::*;

    /// Asks once.
    fn ask(script: Script) -> Result<Answer, Error> {
        let client = Client::builder().api_key("k").build_on(MemoryTransport::new([script])).unwrap();
        let mut answer = pin!(client.session("docs").ask("Is it?").finish());
        for _ in 0..100 {
            if let Poll::Ready(result) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return result;
            }
        }
        panic!("nothing moves any more");
    }

    #[test]
    fn header_names_may_have_capitals_and_values_any_text() {
        let script = Script::head(404, &[("X-Request-Id", "r-1"), ("X-Name", "J\u{fc}rgen"), ("x-name", "b")]);
        let error = ask(script).unwrap_err();
        let headers = &error.head().unwrap().headers;
        assert_eq!(headers["x-request-id"], "r-1");
        let names: Vec<&[u8]> = headers.get_all("x-name").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(names, ["J\u{fc}rgen".as_bytes(), b"b"]);
    }

    #[tokio::test]
    async fn calls_at_once_go_on_in_the_order_of_their_moments() {
        let tick = Duration::from_secs(50);
        let slow = (0..3).fold(Script::events(["data: x\n\n"]), |script, _| script.wait(tick).data("data: y\n\n"));
        let transport = MemoryTransport::new([Script::events(["data: x\n\n"]).stall(), slow]);
        let client = Client::builder().api_key("k").build_on(transport.clone()).unwrap();
        let ask = async || {
            let result = client.session("docs").ask("Is it?").finish().await;
            (result, transport.elapsed())
        };
        let ((silent, given_up), (slow, whole)) = tokio::join!(ask(), ask());
        assert!(silent.unwrap_err().is_timeout());
        assert_eq!(given_up, Duration::from_secs(60), "the idle time, though the other call waits for its next event");
        assert_eq!((slow.unwrap().events, whole), (4, 3 * tick));
    }

    #[test]
    fn a_wait_for_ever_is_a_stall() {
        let wait = Script::events(["data: x\n\n"]).wait(Duration::from_secs(1)).wait(Duration::MAX).data("data: y\n\n");
        for silent in [wait, Script::events(["data: x\n\n"]).wait(Duration::from_secs(1)).stall()] {
            let error = ask(silent).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Idle, .. }), "{error}");
            assert_eq!(error.partial().unwrap().events, 1);
        }
    }
}
