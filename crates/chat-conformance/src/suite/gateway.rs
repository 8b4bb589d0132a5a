//! Gateways in front of an HTTP/1.1 server, which offer it over TLS and HTTP/2.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use chat_mock::tcp::TcpServer;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::identity::Identity;

/// The maximum number of concurrent streams, and of streams that are reset quickly. No test needs more.
const MANY_STREAMS: u32 = 10_000;

/// A gateway on a free port of 127.0.0.1 that forwards to a server behind it.
///
/// It runs in tasks of the tokio runtime in which it was created. Dropping it closes its connections.
#[derive(Debug)]
pub struct Gateway(TcpServer);

/// How a TLS gateway closes a connection that the server closed gracefully.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsClose {
    /// With `close_notify` and a close of the socket.
    Graceful,
    /// By a close of the socket alone, as an attacker would.
    SocketOnly,
    /// With `close_notify` alone. The socket stays open until the client closes it.
    NotifyOnly,
}

impl Gateway {
    /// Creates a gateway that adds TLS and forwards bytes. A reset is forwarded as a reset.
    pub(crate) fn tls(behind: SocketAddr, identity: &Identity, tls_close: TlsClose) -> io::Result<Self> {
        let acceptor = identity.acceptor(&[b"http/1.1"]);
        Self::open(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(outer) = acceptor.accept(tcp).await else { return };
                let Ok(inner) = TcpStream::connect(behind).await else { return };
                let _ = inner.set_nodelay(true);
                forward_bytes(outer, inner, tls_close).await;
            }
        })
    }

    /// Creates a gateway from HTTP/2 with prior knowledge to an HTTP/1.1 server. Each stream has its own connection to the
    /// server. If that connection fails, the stream is reset.
    ///
    /// # Errors
    ///
    /// No port is free.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn http2(behind: SocketAddr) -> io::Result<Self> {
        let inner = inner_client();
        Self::open(move |tcp| serve_http2(tcp, behind, inner.clone()))
    }

    /// Creates a gateway as [`http2`](Self::http2) does, over TLS. ALPN offers only HTTP/2.
    ///
    /// # Errors
    ///
    /// No port is free.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn http2_tls(behind: SocketAddr, identity: &Identity) -> io::Result<Self> {
        let (acceptor, inner) = (identity.acceptor(&[b"h2"]), inner_client());
        Self::open(move |tcp| {
            let (acceptor, inner) = (acceptor.clone(), inner.clone());
            async move {
                if let Ok(tls) = acceptor.accept(tcp).await {
                    serve_http2(tls, behind, inner).await;
                }
            }
        })
    }

    fn open<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tcp = TcpServer::on_free_port(move |tcp, _| {
            // Each event must be sent when it is written. If the option cannot be set, the connection is already closed.
            let _ = tcp.set_nodelay(true);
            serve(tcp)
        })?;
        Ok(Self(tcp))
    }

    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// Returns the number of connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.0.open_connections()
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted_connections(&self) -> usize {
        self.0.accepted_connections()
    }
}

/// Forwards bytes both ways until either side ends.
async fn forward_bytes(outer: TlsStream<TcpStream>, mut inner: TcpStream, tls_close: TlsClose) {
    let (mut from_client, mut to_client) = tokio::io::split(outer);
    let (mut from_server, mut to_server) = inner.split();
    let behind = {
        let requests = pin!(copy(&mut from_client, &mut to_server));
        let answers = pin!(copy(&mut from_server, &mut to_client));
        tokio::select! {
            _ = requests => return,
            end = answers => end,
        }
    };
    let mut outer = from_client.unsplit(to_client);
    // An error means that the connection is already closed.
    let _ = match behind {
        Ok(()) => match tls_close {
            TlsClose::Graceful => outer.shutdown().await,
            TlsClose::SocketOnly => outer.get_mut().0.shutdown().await,
            TlsClose::NotifyOnly => notify_only(&mut outer).await,
        },
        Err(_) => SockRef::from(outer.get_ref().0).set_linger(Some(Duration::ZERO)),
    };
}

/// Sends `close_notify`, and waits for the client to close the socket.
async fn notify_only(outer: &mut TlsStream<TcpStream>) -> io::Result<()> {
    outer.get_mut().1.send_close_notify();
    outer.flush().await?;
    tokio::io::copy(outer.get_mut().0, &mut tokio::io::sink()).await.map(drop)
}

/// Copies all bytes, and flushes after each read.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n]).await?,
        }
        to.flush().await?;
    }
}

type Inner = legacy::Client<HttpConnector, Full<Bytes>>;

fn inner_client() -> Inner {
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

async fn serve_http2<S>(stream: S, behind: SocketAddr, inner: Inner)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| forward_request(inner.clone(), behind, request));
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    // Cancellation tests reset streams faster than the default limit allows.
    http2.max_concurrent_streams(MANY_STREAMS).max_pending_accept_reset_streams(MANY_STREAMS as usize);
    let _ = http2.serve_connection(TokioIo::new(stream), service).await;
}

/// Forwards a request. An error resets the stream, here and in the body.
async fn forward_request(
    inner: Inner,
    behind: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let mut request = Request::new(Full::new(body.collect().await?.to_bytes()));
    *request.method_mut() = head.method;
    let path = head.uri.path_and_query().ok_or("no path")?;
    *request.uri_mut() = format!("http://{behind}{path}").parse::<Uri>()?;
    *request.headers_mut() = head.headers;
    // The server receives the name that the client connected to.
    let authority = head.uri.authority().ok_or("no authority")?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let mut response = inner.request(request).await?;
    // These headers belong to one connection.
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok(response)
}
