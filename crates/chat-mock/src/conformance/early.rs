//! Answers that come while the question is being sent.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::faults::{ensure, said};
use super::host::Counts;
use super::suite::{Row, Seen, Stage};
use super::{Caller, Question, Wire};
use crate::accept::Accepting;

/// More than the sockets of both sides hold, as long as nobody reads.
const QUESTION: usize = 6 << 20;

/// How often each is asked. All of them must see the answer.
const CALLS: usize = 10;

const BODY: &str = r#"{"detail":"too large"}"#;

/// What the server does once it has answered from the head.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Close,
    StopReading,
    /// Says that it has no more to say, and reads all the same.
    HalfClose,
}

pub(super) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    if wire.is_http2() {
        return vec![Row::new("413 and a reset while the question is sent", |stage| play(stage, Then::Close))];
    }
    vec![
        Row::new("413 and a close while the question is sent", |stage| play(stage, Then::Close)),
        Row::new("413 while the question is sent and not read", |stage| play(stage, Then::StopReading)),
        Row::new("413 and half a close while the question is sent", |stage| play(stage, Then::HalfClose)),
    ]
}

fn play<C: Caller>(stage: &Stage<'_, C>, then: Then) -> Seen {
    let scene = stage.host.early(stage.wire, then).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let question = Question::about("x".repeat(QUESTION));
    let mut wrong = Vec::new();
    for _ in 0..CALLS {
        let result = stage.caller.call(&client, &question).result.ok_or("the call was dropped")?;
        let error = result.err().ok_or("an answer")?;
        let is_told = error.status() == Some(StatusCode::PAYLOAD_TOO_LARGE) && error.body() == Some(BODY);
        if !is_told {
            wrong.push(said(error));
        }
    }
    let told = format!("{} of {CALLS}", CALLS - wrong.len());
    ensure(wrong.is_empty(), || format!("{told}; {}", wrong[0]))?;
    if !stage.wire.is_http2() {
        // The client has let go of each connection by itself: the rest of a question is of no use.
        scene.server.read_on.notify_waiters();
        scene.quiet(stage.caller)?;
        let taken = scene.server.taken.load(Ordering::SeqCst);
        ensure(taken < CALLS * QUESTION, || "all questions were sent to their end".to_owned())?;
    }
    scene.end(stage.caller, client)?;
    Ok(told)
}

/// A server that answers from the head alone.
pub(super) struct EarlyServer {
    accepting: Accepting,
    /// Told to those that stopped reading when they may go on.
    read_on: Arc<Notify>,
    /// How much was read of the questions.
    taken: Arc<AtomicUsize>,
}

impl EarlyServer {
    /// Starts one, in the tokio runtime this is called in.
    pub(super) fn start(tls: Option<TlsAcceptor>, is_http2: bool, then: Then) -> io::Result<Self> {
        let read_on = Arc::new(Notify::new());
        let taken = Arc::new(AtomicUsize::new(0));
        let (notify, count) = (Arc::clone(&read_on), Arc::clone(&taken));
        let accepting = Accepting::on_free_port(move |tcp, _| {
            let (tls, notify, count) = (tls.clone(), Arc::clone(&notify), Arc::clone(&count));
            async move {
                let _ = tcp.set_nodelay(true);
                // What goes wrong here is the client's to notice.
                let _ = match tls {
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => serve(stream, is_http2, then, &notify, &count).await,
                        Err(error) => Err(error),
                    },
                    None => serve::<TcpStream>(tcp, is_http2, then, &notify, &count).await,
                };
            }
        })?;
        Ok(Self { accepting, read_on, taken })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.accepting.addr()
    }
}

impl Counts for EarlyServer {
    fn open(&self) -> usize {
        self.accepting.open()
    }

    fn accepted(&self) -> usize {
        self.accepting.accepted()
    }
}

async fn serve<S>(mut stream: S, is_http2: bool, then: Then, read_on: &Notify, taken: &AtomicUsize) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if is_http2 {
        // A service that drops the body unread: END_STREAM, and RST_STREAM with NO_ERROR.
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2.initial_stream_window_size(64 << 10);
        return http2.serve_connection(TokioIo::new(stream), service_fn(refuse)).await.map_err(io::Error::other);
    }
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let length = BODY.len();
    let answer = format!(
        "HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}"
    );
    let read_on = read_on.notified();
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    match then {
        Then::Close => return Ok(()),
        Then::StopReading => read_on.await,
        Then::HalfClose => stream.shutdown().await?,
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => taken.fetch_add(n, Ordering::SeqCst),
        };
    }
}

async fn refuse(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request);
    let mut response = Response::new(Full::new(Bytes::from(BODY)));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}
