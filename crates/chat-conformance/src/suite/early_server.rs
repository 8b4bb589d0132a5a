//! A server that answers while the question is still being sent.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chat_mock::tcp::TcpServer;
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

/// The body of the answer.
pub(crate) const BODY: &str = r#"{"detail":"too large"}"#;

/// What the server does after its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Close,
    StopReading,
    /// Closes its side, and still reads.
    HalfClose,
}

/// The pause between two reads of 64 KiB after the answer.
const READ_PAUSE: Duration = Duration::from_millis(1);

/// A server that answers as soon as it has read the head.
pub(crate) struct EarlyServer {
    tcp: TcpServer,
    /// Tells the connections that stopped reading to continue.
    pub(crate) read_on: Arc<Notify>,
    /// The number of bytes that were read of the questions.
    pub(crate) taken: Arc<AtomicUsize>,
}

impl EarlyServer {
    /// Starts a server in the current tokio runtime.
    pub(crate) fn start(tls: Option<TlsAcceptor>, is_http2: bool, then: Then) -> io::Result<Self> {
        let read_on = Arc::new(Notify::new());
        let taken = Arc::new(AtomicUsize::new(0));
        let (notify, count) = (Arc::clone(&read_on), Arc::clone(&taken));
        let tcp = TcpServer::on_free_port(move |tcp, _| {
            let (tls, notify, count) = (tls.clone(), Arc::clone(&notify), Arc::clone(&count));
            async move {
                let _ = tcp.set_nodelay(true);
                // The client sees an error; there is nothing to do here.
                let _ = match tls {
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => serve(stream, is_http2, then, &notify, &count).await,
                        Err(error) => Err(error),
                    },
                    None => serve::<TcpStream>(tcp, is_http2, then, &notify, &count).await,
                };
            }
        })?;
        Ok(Self { tcp, read_on, taken })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr()
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.tcp.open_connections()
    }

    pub(crate) fn accepted_connections(&self) -> usize {
        self.tcp.accepted_connections()
    }
}

async fn serve<S>(mut stream: S, is_http2: bool, then: Then, read_on: &Notify, taken: &AtomicUsize) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if is_http2 {
        // The service drops the body unread, which sends END_STREAM and RST_STREAM with NO_ERROR.
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2.initial_stream_window_size(64 << 10);
        return http2.serve_connection(TokioIo::new(stream), service_fn(reject)).await.map_err(io::Error::other);
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
        // A server that reads fast would take the whole question before the client can stop.
        tokio::time::sleep(READ_PAUSE).await;
    }
}

async fn reject(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request);
    let mut response = Response::new(Full::new(Bytes::from(BODY)));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}
