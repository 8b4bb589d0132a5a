//! A server that plays a script byte by byte: valid HTTP, partial HTTP, or something else.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::completions;
use crate::events::events_of_text;
use crate::tcp::{Shutdown, TcpServer};

/// The maximum size of a request head.
const MAX_HEAD: usize = 64 << 10;

/// The maximum number of header lines of a request.
const MAX_HEADERS: usize = 128;

/// An action of a [`ScriptServer`] on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Writes these bytes, in one write if the socket accepts them.
    Write(Bytes),
    /// Waits. If the peer closes the connection meanwhile, it ends at once.
    Pause(Duration),
    /// Sends nothing more, and keeps the connection open until the peer closes it.
    Stall,
    /// Closes the connection gracefully (FIN).
    Close,
    /// Resets the connection (RST). The peer may lose data that it has not read. Add a [`Step::Pause`] before to let it
    /// read.
    Reset,
    /// Keeps the connection. Its next request gets the next reply.
    KeepAlive,
}

/// The answer to one request: the steps that are taken once the request was read.
///
/// [`Step::Stall`], [`Step::Close`], [`Step::Reset`] and [`Step::KeepAlive`] end an answer. Steps after them are not
/// played. Without such a step, complete answers keep the connection ([`json`](Self::json), [`sse`](Self::sse), and those
/// that [`last_chunk`](Self::last_chunk) ends), and all others close it.
///
/// ```
/// use std::time::Duration;
/// use chat_mock::{ScriptedReply, Step};
///
/// // A stream that stops in the middle of its second event.
/// ScriptedReply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
///     .chunk("event: message_chunk\ndata: {\"content_chunk\":\"Hel\"}\n\n")
///     .then(Step::Pause(Duration::from_millis(50)))
///     .chunk("event: message_ch")
///     .then(Step::Stall);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a reply does nothing until a server plays it"]
pub struct ScriptedReply {
    steps: Vec<Step>,
    end: Step,
}

impl ScriptedReply {
    /// Returns a reply of these bytes, after which the connection closes. The bytes need not be valid HTTP.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], end: Step::Close }
    }

    /// Returns the head of a response, with exactly these headers.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        Self::raw(head)
    }

    /// Returns a complete response with a JSON body and its length, and with these headers. It keeps the connection.
    pub fn json(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self::whole(status, "application/json", headers, body.into())
    }

    /// Returns a whole answer as the `/v0` API streams it: this text in this session, one event and one chunk per word. It
    /// keeps the connection.
    pub fn answer(chat_session_id: &str, text: &str) -> Self {
        Self::sse_chunked(events_of_text(chat_session_id, text))
    }

    /// Returns a whole chat completion as the `/v1` API streams it: this text, one event and one chunk per word, and
    /// `[DONE]`. It keeps the connection.
    pub fn completion(text: &str) -> Self {
        Self::sse_chunked(completions::events_of_text(text))
    }

    /// Returns a complete event stream with its length and status 200. It keeps the connection.
    pub fn sse(body: impl Into<Bytes>) -> Self {
        Self::whole(200, "text/event-stream", &[], body.into())
    }

    /// Returns a complete chunked event stream. Each part is one chunk and one write. It keeps the connection.
    pub fn sse_chunked(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let head = Self::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
        parts.into_iter().fold(head, Self::chunk).last_chunk()
    }

    /// Adds a step.
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds a chunk of a chunked body. Empty data adds nothing, because an empty chunk would end the body.
    pub fn chunk(self, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        if data.is_empty() {
            return self;
        }
        let chunk = [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        self.then(Step::Write(chunk.into()))
    }

    /// Adds the end of a chunked body, and keeps the connection.
    pub fn last_chunk(mut self) -> Self {
        self.end = Step::KeepAlive;
        self.then(Step::Write(Bytes::from_static(b"0\r\n\r\n")))
    }

    fn whole(status: u16, content_type: &str, headers: &[(&str, &str)], body: Bytes) -> Self {
        let length = body.len().to_string();
        let all = [&[("content-type", content_type), ("content-length", length.as_str())], headers].concat();
        let mut reply = Self::head(status, &all);
        reply.end = Step::KeepAlive;
        if body.is_empty() { reply } else { reply.then(Step::Write(body)) }
    }
}

/// A request that a [`ScriptServer`] has read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The request target as it was sent: path and query, not decoded.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A server on a free loopback port that plays a list of replies.
///
/// It reads an HTTP/1.1 request whose body has a `content-length`, and then plays the next reply. Requests are counted over
/// all connections: the n-th request gets the n-th reply. After the end of the list, the last reply is repeated. If the
/// list is empty, each connection closes after its request. A request that cannot be read (chunked, malformed or
/// incomplete) closes its connection, is not recorded, and uses no reply.
///
/// Dropping the server closes its connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use chat_mock::{ScriptedReply, ScriptServer};
///
/// // The server is busy once, and then answers.
/// let server = ScriptServer::start(vec![
///     ScriptedReply::json(429, &[("retry-after", "0")], r#"{"detail":"slow down"}"#),
///     ScriptedReply::json(200, &[], r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Yes."}}"#),
/// ])?;
/// // Point a client at `server.url()`, and then look at its requests:
/// assert!(server.requests().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptServer {
    tcp: TcpServer,
    script: Arc<Script>,
}

impl ScriptServer {
    /// Starts a server, in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// No port is free.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn start(replies: Vec<ScriptedReply>) -> io::Result<Self> {
        let script = Arc::new(Script::new(replies, false));
        let tcp = TcpServer::on_free_port(serve_with(&script))?;
        Ok(Self { tcp, script })
    }

    /// Starts a server on this address that plays the replies in turn, and after the last one the first again.
    ///
    /// It may run for long, so it keeps no [`requests`](Self::requests).
    ///
    /// # Errors
    ///
    /// The address cannot be bound, e.g. because it is in use.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub async fn cycle(addr: SocketAddr, replies: Vec<ScriptedReply>) -> io::Result<Self> {
        let script = Arc::new(Script::new(replies, true));
        let tcp = TcpServer::start(TcpListener::bind(addr).await?, serve_with(&script))?;
        Ok(Self { tcp, script })
    }

    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr()
    }

    /// Returns the base URL for a client: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// Returns the requests so far, in the order in which they were completely read.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.script.requests().kept.clone()
    }

    /// Replaces the replies. The next request gets the first of them. Replies in progress are played to their end, and
    /// [`requests`](Self::requests) starts empty again.
    pub fn replay(&self, replies: Vec<ScriptedReply>) {
        // In this order, so that no request gets a reply by its number in the old list.
        let mut requests = self.script.requests();
        *self.script.replies.lock().unwrap_or_else(PoisonError::into_inner) = replies;
        *requests = Requests::default();
    }

    /// Returns the number of connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.tcp.open_connections()
    }

    /// Returns the number of open connections that wait for a request.
    pub fn idle_connections(&self) -> usize {
        self.script.idle.load(Ordering::Acquire)
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted_connections(&self) -> usize {
        self.tcp.accepted_connections()
    }
}

#[derive(Debug)]
struct Script {
    replies: Mutex<Vec<ScriptedReply>>,
    /// Whether the first reply follows the last one.
    cycles: bool,
    requests: Mutex<Requests>,
    idle: AtomicUsize,
}

/// The requests since the replies were set.
#[derive(Debug, Default)]
struct Requests {
    count: usize,
    /// None of them if the replies cycle.
    kept: Vec<RecordedRequest>,
}

impl Script {
    fn new(replies: Vec<ScriptedReply>, cycles: bool) -> Self {
        Self { replies: Mutex::new(replies), cycles, requests: Mutex::default(), idle: AtomicUsize::new(0) }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, keeps it unless the replies cycle, and returns its reply.
    fn next(&self, request: RecordedRequest) -> Option<ScriptedReply> {
        let mut requests = self.requests();
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let number = if self.cycles { requests.count % replies.len().max(1) } else { requests.count };
        requests.count = requests.count.wrapping_add(1);
        if !self.cycles {
            requests.kept.push(request);
        }
        replies.get(number).or(replies.last()).cloned()
    }
}

/// Returns a function that serves a connection.
fn serve_with(script: &Arc<Script>) -> impl Fn(TcpStream, Shutdown) -> BoxFuture + Send + 'static + use<> {
    let script = Arc::clone(script);
    move |stream, _| {
        let script = Arc::clone(&script);
        Box::pin(async move {
            // The peer's test sees an I/O error; there is nothing to do here.
            let _ = serve(stream, &script).await;
        })
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn serve(mut stream: TcpStream, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = BytesMut::new();
    loop {
        if unread.is_empty() {
            let _idle = IdleConnection::new(&script.idle);
            if stream.read_buf(&mut unread).await? == 0 {
                break;
            }
        }
        let Some(request) = read_request(&mut stream, &mut unread).await? else { break };
        let Some(reply) = script.next(request) else { break };
        if !play(&reply, &mut stream).await? {
            break;
        }
    }
    Ok(())
}

/// Counts a connection that waits for a request while it lives.
struct IdleConnection<'a>(&'a AtomicUsize);

impl<'a> IdleConnection<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for IdleConnection<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Plays a reply. Returns whether the connection is kept.
async fn play(reply: &ScriptedReply, stream: &mut TcpStream) -> io::Result<bool> {
    for step in reply.steps.iter().chain([&reply.end]) {
        match step {
            Step::Write(bytes) => stream.write_all(bytes).await?,
            Step::Pause(time) => tokio::select! {
                () = sleep(*time) => {}
                closed = peer_closed(stream) => return closed.map(|()| false),
            },
            Step::Stall => {
                // Data is discarded until the peer closes the connection.
                let mut sink = [0; 1024];
                while stream.read(&mut sink).await? > 0 {}
                return Ok(false);
            }
            Step::Close => {
                stream.shutdown().await?;
                return Ok(false);
            }
            Step::Reset => {
                SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                return Ok(false);
            }
            Step::KeepAlive => return Ok(true),
        }
    }
    Ok(false)
}

/// Waits until the peer has closed its side. Never returns if the peer has sent more data.
async fn peer_closed(stream: &TcpStream) -> io::Result<()> {
    if stream.peek(&mut [0]).await? > 0 {
        // The next request came early. A close behind it cannot be seen without reading it.
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Reads one request. Returns `None` if it is incomplete or cannot be read.
async fn read_request(stream: &mut TcpStream, unread: &mut BytesMut) -> io::Result<Option<RecordedRequest>> {
    let (mut request, body) = loop {
        match parse_head(unread) {
            Ok(Some(head)) => break head,
            Ok(None) if unread.len() < MAX_HEAD => {}
            Ok(None) | Err(Unreadable) => return Ok(None),
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    };
    while unread.len() < body {
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
    request.body = unread.split_to(body).freeze();
    Ok(Some(request))
}

/// The head is malformed, or of a kind that is not supported.
struct Unreadable;

/// Takes a complete head off the front of the bytes, and returns it with the length of the body.
fn parse_head(bytes: &mut BytesMut) -> Result<Option<(RecordedRequest, usize)>, Unreadable> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut lines);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Unreadable),
    };
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for line in head.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Unreadable)?;
        let mut value = HeaderValue::from_bytes(line.value).map_err(|_| Unreadable)?;
        // A failed assertion prints the request, and must not print the API key.
        value.set_sensitive(name == AUTHORIZATION);
        headers.append(name, value);
    }
    let method = head.method.and_then(|method| method.parse().ok()).ok_or(Unreadable)?;
    let path = head.path.ok_or(Unreadable)?.to_owned();
    let body = body_length(&headers)?;
    bytes.advance(length);
    Ok(Some((RecordedRequest { method, path, headers, body: Bytes::new() }, body)))
}

/// Returns the length of the body. There must be at most one `content-length`, and no transfer coding.
fn body_length(headers: &HeaderMap) -> Result<usize, Unreadable> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Unreadable);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(0),
        (Some(length), None) => length.to_str().ok().and_then(|length| length.parse().ok()).ok_or(Unreadable),
        _ => Err(Unreadable),
    }
}
