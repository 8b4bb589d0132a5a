//! A server that answers by a script, byte by byte: HTTP, half of it, or none.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::accept::Accepting;
use crate::events::events_of_text;

/// The largest request head that is read.
const MAX_HEAD: usize = 64 << 10;

/// The largest number of header lines that is read.
const MAX_HEADERS: usize = 128;

/// One thing a [`ScriptServer`] does on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Writes bytes, as they are, in one write if the socket takes them.
    Write(Bytes),
    /// Does nothing for a while. A peer that goes meanwhile ends the connection at once.
    Pause(Duration),
    /// Does nothing for ever: holds the connection open until the peer closes it.
    Stall,
    /// Closes the connection in order (FIN).
    Close,
    /// Breaks the connection (RST). The peer may lose what it has not read yet; a [`Step::Pause`] before lets it read.
    Reset,
    /// Reads the next request of the same connection and answers it with the next reply.
    KeepAlive,
}

/// The answer to one request: the steps to take once it was read whole.
///
/// [`Step::Stall`], [`Step::Close`], [`Step::Reset`] and [`Step::KeepAlive`] are an answer's end; what stands after one
/// is not played. Without one, whole answers keep the connection ([`Reply::json`], [`Reply::sse`], and what
/// [`Reply::last_chunk`] ends), and all others close it.
///
/// ```
/// use std::time::Duration;
/// use chat_mock::{Reply, Step};
///
/// // A stream that stops in the middle of its second event.
/// Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
///     .chunk("event: message_chunk\ndata: {\"content_chunk\":\"Hel\"}\n\n")
///     .then(Step::Pause(Duration::from_millis(50)))
///     .chunk("event: message_ch")
///     .then(Step::Stall);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a reply does nothing until a server plays it"]
pub struct Reply {
    steps: Vec<Step>,
    end: Step,
}

impl Reply {
    /// Bytes as they are, and then the connection's end: a whole HTTP answer, a broken one, or something else.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], end: Step::Close }
    }

    /// The head of an answer alone. The headers are these and no others.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        Self::raw(head)
    }

    /// A whole answer with a JSON body of known length, beside `headers`. It keeps the connection.
    pub fn json(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self::whole(status, "application/json", headers, body.into())
    }

    /// A whole answer as the API streams it: this text in this session, word by word, an event in each chunk. It keeps the
    /// connection.
    pub fn answer(chat_session_id: &str, text: &str) -> Self {
        Self::sse_chunked(events_of_text(chat_session_id, text))
    }

    /// A whole event stream of known length, with status 200. It keeps the connection.
    pub fn sse(body: impl Into<Bytes>) -> Self {
        Self::whole(200, "text/event-stream", &[], body.into())
    }

    /// A whole event stream, chunked: each part is a chunk and a write of its own. It keeps the connection.
    pub fn sse_chunked(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let head = Self::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
        parts.into_iter().fold(head, Self::chunk).last_chunk()
    }

    /// Adds a step.
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds a chunk of a body that is chunked. An empty one adds nothing, for on the wire it would be the last.
    pub fn chunk(self, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        if data.is_empty() {
            return self;
        }
        let chunk = [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        self.then(Step::Write(chunk.into()))
    }

    /// Adds the end of a body that is chunked, and keeps the connection.
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

/// A request as a [`ScriptServer`] has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The request target as it stood in the request line: path, query, escapes.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A server on a free loopback port that plays a list of replies.
///
/// It reads one whole HTTP/1.1 request, its body delimited by one `content-length`, and then plays the next reply of the
/// list. The requests are counted over all connections: the n-th request gets the n-th reply. After the end of the
/// list the last reply is repeated; where the list is empty every connection is closed after its request. A request
/// that can't be read (chunked, no HTTP, broken off) closes its connection, is not recorded and takes no reply.
///
/// Dropping the server closes its connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use chat_mock::{Reply, ScriptServer};
///
/// // Busy once, and then an answer.
/// let server = ScriptServer::start(vec![
///     Reply::json(429, &[("retry-after", "0")], r#"{"detail":"slow down"}"#),
///     Reply::json(200, &[], r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Yes."}}"#),
/// ])?;
/// // Point a client at `server.url()`, and see what it sent:
/// assert!(server.requests().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptServer {
    accepting: Accepting,
    script: Arc<Script>,
}

impl ScriptServer {
    /// Starts a server, in tasks of the tokio runtime this is called in.
    ///
    /// # Errors
    ///
    /// There is no free port.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(replies: Vec<Reply>) -> io::Result<Self> {
        let script =
            Arc::new(Script { replies: Mutex::new(replies), requests: Mutex::default(), idle: AtomicUsize::new(0) });
        let for_connections = Arc::clone(&script);
        let accepting = Accepting::on_free_port(move |stream, _| {
            let script = Arc::clone(&for_connections);
            async move {
                // An I/O fault is the peer's doing, and the peer's test is what looks at it.
                let _ = serve(stream, &script).await;
            }
        })?;
        Ok(Self { accepting, script })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.accepting.addr()
    }

    /// The base URL for a client: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// The requests so far, in the order in which they were read whole.
    pub fn requests(&self) -> Vec<Received> {
        self.script.requests().clone()
    }

    /// Gives the requests from now on these replies, the first one first. Replies under way are played to their end, and
    /// [`requests`](Self::requests) begins anew.
    pub fn replay(&self, replies: Vec<Reply>) {
        // In this order, so that no request gets a reply by its number in the old list.
        let mut requests = self.script.requests();
        *self.script.replies.lock().unwrap_or_else(PoisonError::into_inner) = replies;
        requests.clear();
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.accepting.open()
    }

    /// How many of the open connections wait for a request: new ones, and those that were kept.
    pub fn idle_connections(&self) -> usize {
        self.script.idle.load(Ordering::Acquire)
    }

    /// How many connections there have been.
    pub fn accepted_connections(&self) -> usize {
        self.accepting.accepted()
    }
}

#[derive(Debug)]
struct Script {
    replies: Mutex<Vec<Reply>>,
    requests: Mutex<Vec<Received>>,
    idle: AtomicUsize,
}

impl Script {
    fn requests(&self) -> MutexGuard<'_, Vec<Received>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and gives its reply.
    fn next(&self, request: Received) -> Option<Reply> {
        let mut requests = self.requests();
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = replies.get(requests.len()).or(replies.last()).cloned();
        requests.push(request);
        reply
    }
}

async fn serve(mut stream: TcpStream, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = BytesMut::new();
    loop {
        if unread.is_empty() {
            let _idle = Idle::new(&script.idle);
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

/// One connection that waits for a request, counted for as long as this lives.
struct Idle<'a>(&'a AtomicUsize);

impl<'a> Idle<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Takes a reply's steps; whether the connection goes on.
async fn play(reply: &Reply, stream: &mut TcpStream) -> io::Result<bool> {
    for step in reply.steps.iter().chain([&reply.end]) {
        match step {
            Step::Write(bytes) => stream.write_all(bytes).await?,
            Step::Pause(time) => tokio::select! {
                () = sleep(*time) => {}
                gone = gone(stream) => return gone.map(|()| false),
            },
            Step::Stall => {
                // Whatever else is sent is read away: only the peer's end is waited for.
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

/// Waits until the peer has closed its side; without end if it has sent something more.
async fn gone(stream: &TcpStream) -> io::Result<()> {
    if stream.peek(&mut [0]).await? > 0 {
        // The next request, sent before this one's answer ended. Its end can't be seen without reading it.
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Reads one request; `None` if the peer closes before it is whole, or if it can't be read.
async fn read_request(stream: &mut TcpStream, unread: &mut BytesMut) -> io::Result<Option<Received>> {
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

/// No request head, or one of a kind that is not read here.
struct Unreadable;

/// Takes a head off the front of the bytes if it is there whole, and says how long the body is.
fn parse_head(bytes: &mut BytesMut) -> Result<Option<(Received, usize)>, Unreadable> {
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
        // A failed assertion prints the request, and should not print the key with it.
        value.set_sensitive(name == AUTHORIZATION);
        headers.append(name, value);
    }
    let method = head.method.and_then(|method| method.parse().ok()).ok_or(Unreadable)?;
    let path = head.path.ok_or(Unreadable)?.to_owned();
    let body = body_length(&headers)?;
    bytes.advance(length);
    Ok(Some((Received { method, path, headers, body: Bytes::new() }, body)))
}

/// How long the body is, where one length says so and nothing else.
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
