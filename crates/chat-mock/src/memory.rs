//! A transport without sockets, for tests of programs that use the client. It answers from a script, on a virtual clock.

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

use crate::completions;
use crate::events::events_of_text;

/// A [`Transport`] that answers from a script. Clones share the script, the clock and the recorded requests.
///
/// The clock is virtual. When all calls wait, it jumps to the next timer, so that a test of a one-hour timeout takes no
/// time. It only knows the timers of its calls. Other tasks and the runtime's own timers may be overtaken.
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
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    scripts: VecDeque<Script>,
    requests: Vec<Request<Bytes>>,
    open: usize,
    now: Duration,
    timers: Vec<Duration>,
}

/// The answer to one request.
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
    /// Returns a script of a status and headers. The body is empty unless [`data`](Self::data) follows.
    ///
    /// # Panics
    ///
    /// If the status is not between 100 and 999, or a header's name or value is not valid.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or_else(|_| panic!("{status} is not a valid status"));
        let headers = headers.iter().map(|(name, value)| header(name, value)).collect();
        Self { steps: [Step::Head(status, headers)].into() }
    }

    /// Returns a whole answer as the `/v0` API streams it: this text in this session, one event and one chunk per word.
    pub fn answer(chat_session_id: &str, text: &str) -> Self {
        Self::events(events_of_text(chat_session_id, text))
    }

    /// Returns a whole chat completion as the `/v1` API streams it: this text, one event and one chunk per word, and
    /// `[DONE]`.
    pub fn completion(text: &str) -> Self {
        Self::events(completions::events_of_text(text))
    }

    /// Returns a stream of events. Each part is a chunk of the body.
    pub fn events<P: Into<Bytes>>(parts: impl IntoIterator<Item = P>) -> Self {
        parts.into_iter().fold(Self::head(200, &[("content-type", "text/event-stream")]), Self::data)
    }

    /// Returns an answer in one JSON object.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::head(status, &[("content-type", "application/json")]).data(body)
    }

    /// Returns a script that fails before the head, with an error of this class.
    pub fn refuse(class: TransportError) -> Self {
        Self { steps: [Step::Fail(class, "the script refused the request")].into() }
    }

    /// Adds a chunk of the body.
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.steps.push_back(Step::Data(data.into()));
        self
    }

    /// Adds a pause.
    pub fn wait(mut self, time: Duration) -> Self {
        self.steps.push_back(Step::Wait(time));
        self
    }

    /// Adds a pause before the head.
    pub fn after(mut self, time: Duration) -> Self {
        self.steps.push_front(Step::Wait(time));
        self
    }

    /// Ends the body with an error, before it is complete.
    pub fn cut(mut self) -> Self {
        self.steps.push_back(Step::Fail(TransportError::Body, "the script cut the body"));
        self
    }

    /// Sends nothing more and never ends.
    pub fn stall(mut self) -> Self {
        self.steps.push_back(Step::Stall);
        self
    }
}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let header = name.parse().ok().zip(value.parse().ok());
    header.unwrap_or_else(|| panic!("{name}: {value:?} is not a valid header"))
}

impl MemoryTransport {
    /// Creates a transport that answers requests with these scripts, in order. When no script is left, a request fails
    /// with a connect error.
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let state = State { scripts: scripts.into_iter().collect(), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Returns the requests so far, including API keys.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.lock().requests.clone()
    }

    /// Returns the number of answers in progress. An answer ends when its body is read to the end or dropped.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// Returns the time on the virtual clock.
    pub fn elapsed(&self) -> Duration {
        self.lock().now
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Timer future on the virtual clock. Polling it again moves the clock if nothing else has happened.
#[derive(Debug)]
pub struct Timer {
    transport: MemoryTransport,
    at: Duration,
    is_set: bool,
}

impl Timer {
    fn new(transport: &MemoryTransport, at: Duration) -> Self {
        Self { transport: transport.clone(), at, is_set: false }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.transport.lock();
        if this.at <= state.now {
            return Poll::Ready(());
        }
        if this.is_set {
            // All other work was done since the last poll.
            state.now = state.timers.iter().copied().filter(|&at| state.now < at).min().unwrap_or(this.at);
        } else {
            state.timers.push(this.at);
            this.is_set = true;
        }
        if this.at <= state.now {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.is_set {
            let mut state = self.transport.lock();
            if let Some(at) = state.timers.iter().position(|&at| at == self.at) {
                state.timers.swap_remove(at);
            }
        }
    }
}

/// Response body of a [`MemoryTransport`].
#[derive(Debug)]
pub struct ResponseBody {
    transport: MemoryTransport,
    steps: VecDeque<Step>,
    timer: Option<Timer>,
    is_open: bool,
}

impl ResponseBody {
    /// Returns the next step that is not a pause, or `None` at the end.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(Pin::new(timer).poll(cx));
                self.timer = None;
            }
            match self.steps.pop_front() {
                Some(Step::Wait(time)) => {
                    self.timer = Some(Timer::new(&self.transport, self.transport.elapsed().saturating_add(time)));
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

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.close();
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ScriptError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ScriptError>>> {
        let step = ready!(self.poll_step(cx));
        Poll::Ready(match step {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Fail(class, reason)) => {
                self.close();
                Some(Err(ScriptError { class, reason }))
            }
            _ => {
                self.close();
                None
            }
        })
    }
}

/// Response future of a [`MemoryTransport`].
#[derive(Debug)]
pub struct ResponseFuture(Option<ResponseBody>);

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, ScriptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let refused = ScriptError { class: TransportError::Connect, reason: "no script is left" };
        let Some(body) = &mut self.0 else { return Poll::Ready(Err(refused)) };
        Poll::Ready(match ready!(body.poll_step(cx)) {
            Some(Step::Head(status, headers)) => {
                let mut response = Response::new(self.0.take().expect("the body was checked above"));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                Ok(response)
            }
            Some(Step::Fail(class, reason)) => Err(ScriptError { class, reason }),
            _ => Err(ScriptError { class: TransportError::MaybeSent, reason: "the script has no head" }),
        })
    }
}

/// Error of a [`MemoryTransport`], as its script says.
#[derive(Clone, Copy, Debug)]
pub struct ScriptError {
    class: TransportError,
    reason: &'static str,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for ScriptError {}

impl Transport for MemoryTransport {
    type Send = ResponseFuture;
    type Body = ResponseBody;
    type Error = ScriptError;
    type Sleep = Timer;

    const PRODUCT: &'static str = "chat-mock-memory/0";

    fn send(&self, request: Request<Bytes>) -> ResponseFuture {
        let mut state = self.lock();
        state.requests.push(request);
        ResponseFuture(state.scripts.pop_front().map(|script| {
            state.open += 1;
            ResponseBody { transport: self.clone(), steps: script.steps, timer: None, is_open: true }
        }))
    }

    fn now(&self) -> Duration {
        self.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Timer {
        Timer::new(self, deadline)
    }

    fn seed(&self) -> u64 {
        0
    }

    fn classify(error: &ScriptError) -> TransportError {
        error.class
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use chat_client::{Answer, Client, Error, ErrorKind, TimeoutKind};

    use super::*;

    /// Makes one call.
    fn ask(script: Script) -> Result<Answer, Error> {
        let client = Client::builder().api_key("k").build_on(MemoryTransport::new([script])).unwrap();
        let mut answer = pin!(client.session("docs").ask("Is it?").finish());
        for _ in 0..100 {
            if let Poll::Ready(result) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return result;
            }
        }
        panic!("the call hangs");
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
    async fn concurrent_calls_continue_in_the_order_of_their_timers() {
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
    fn an_endless_wait_is_a_stall() {
        let wait = Script::events(["data: x\n\n"]).wait(Duration::from_secs(1)).wait(Duration::MAX).data("data: y\n\n");
        for silent in [wait, Script::events(["data: x\n\n"]).wait(Duration::from_secs(1)).stall()] {
            let error = ask(silent).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Idle, .. }), "{error}");
            assert_eq!(error.partial().unwrap().events, 1);
        }
    }
}
