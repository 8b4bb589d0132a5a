//! An HTTP/2 server that writes its frames itself, so that it can write invalid ones.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_conformance::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes of HTTP/2.
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const INTERNAL_ERROR: u32 = 2;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
    pub(crate) const HTTP_1_1_REQUIRED: u32 = 13;
}

/// An action of the server after it has read a request. After the last action, it reads the next request.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Writes a frame on the request's stream.
    Frame { kind: u8, flags: u8, payload: Vec<u8> },
    /// Writes a `GOAWAY` frame: streams with ids above `last` were not processed.
    GoAway { last: u32, code: u32 },
    /// Writes arbitrary bytes.
    Raw(Vec<u8>),
    /// Closes the connection with a TLS alert.
    Close,
    /// Closes the socket without a TLS alert.
    Drop,
}

/// The head of an answer.
pub(crate) fn head(status: &str, headers: &[(&str, &str)]) -> Action {
    // Literals without indexing. `:status` is entry 8 of the static table.
    let mut payload = vec![0x08, status.len() as u8];
    payload.extend(status.as_bytes());
    for (name, value) in headers {
        payload.extend([0, name.len() as u8]);
        payload.extend(name.as_bytes());
        payload.push(value.len() as u8);
        payload.extend(value.as_bytes());
    }
    Action::Frame { kind: HEADERS, flags: END_HEADERS, payload }
}

/// Trailers, which end the stream.
pub(crate) fn trailers() -> Action {
    Action::Frame { kind: HEADERS, flags: END_HEADERS | END_STREAM, payload: b"\x00\x05x-sum\x011".to_vec() }
}

pub(crate) fn data(bytes: impl AsRef<[u8]>) -> Action {
    Action::Frame { kind: DATA, flags: 0, payload: bytes.as_ref().to_vec() }
}

pub(crate) fn reset(code: u32) -> Action {
    Action::Frame { kind: RST_STREAM, flags: 0, payload: code.to_be_bytes().to_vec() }
}

impl Action {
    /// Sets the flag that ends the stream.
    pub(crate) fn last(self) -> Self {
        match self {
            Self::Frame { kind, flags, payload } => Self::Frame { kind, flags: flags | END_STREAM, payload },
            other => other,
        }
    }
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    accepted: AtomicUsize,
    requests: AtomicUsize,
    resets: AtomicUsize,
}

pub(crate) struct FrameServer {
    addr: SocketAddr,
    counts: Arc<Counts>,
    _task: JoinSet<()>,
}

impl FrameServer {
    /// The n-th request gets the n-th answer. The last answer is repeated.
    pub(crate) async fn start(identity: &Identity, answers: Vec<Vec<Action>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let (acceptor, answers, for_task) = (identity.acceptor(&[b"h2"]), Arc::new(answers), Arc::clone(&counts));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, answers, counts) = (acceptor.clone(), Arc::clone(&answers), Arc::clone(&for_task));
                connections.spawn(async move {
                    tcp.set_nodelay(true).unwrap();
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    counts.accepted.fetch_add(1, Ordering::SeqCst);
                    counts.open.fetch_add(1, Ordering::SeqCst);
                    let _ = serve(stream, &answers, &counts).await;
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, counts, _task: task }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted_connections(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// Number of streams that the client has reset.
    pub(crate) fn resets(&self) -> usize {
        self.counts.resets.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, answers: &[Vec<Action>], counts: &Counts) -> io::Result<()> {
    stream.read_exact(&mut [0; 24]).await?;
    write(&mut stream, SETTINGS, 0, 0, &[]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (kind, flags) = (head[3], head[4]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => write(&mut stream, SETTINGS, ACK, 0, &[]).await?,
            PING if flags & ACK == 0 => write(&mut stream, PING, ACK, 0, &payload).await?,
            RST_STREAM => _ = counts.resets.fetch_add(1, Ordering::SeqCst),
            HEADERS | DATA if flags & END_STREAM != 0 => {
                let n = counts.requests.fetch_add(1, Ordering::SeqCst);
                for action in answers.get(n).or(answers.last()).into_iter().flatten() {
                    match action {
                        Action::Frame { kind, flags, payload } => {
                            write(&mut stream, *kind, *flags, id, payload).await?;
                        }
                        Action::GoAway { last, code } => {
                            let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
                            write(&mut stream, GOAWAY, 0, 0, &payload).await?;
                        }
                        Action::Raw(bytes) => stream.write_all(bytes).await?,
                        Action::Close => {
                            stream.shutdown().await?;
                            // Read the rest: closing a socket with unread data resets it and may discard the answer.
                            while stream.read(&mut [0; 1024]).await? > 0 {}
                            return Ok(());
                        }
                        Action::Drop => {
                            stream.flush().await?;
                            stream.get_mut().0.shutdown().await?;
                            while stream.read(&mut [0; 1024]).await? > 0 {}
                            return Ok(());
                        }
                    }
                }
                stream.flush().await?;
            }
            _ => {}
        }
    }
}

async fn write(stream: &mut TlsStream<TcpStream>, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}
