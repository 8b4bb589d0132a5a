//! What stands before a server of HTTP/1.1, so that the same server can be had over TLS and over HTTP/2.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
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

use super::Identity;
use crate::accept::Accepting;

/// As many as a test could want: what a client may do at once, and how fast it may reset.
const MANY_STREAMS: u32 = 10_000;

/// A listener on a free port of 127.0.0.1 that passes on what comes to a server behind it.
///
/// Made in a tokio runtime, it runs in tasks there. Dropping it closes its connections.
#[derive(Debug)]
pub struct Door(Accepting);

/// How a door of TLS ends what ended in order behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With `close_notify`, as TLS has it.
    Told,
    /// With the socket alone, as one who cuts the connection on its way would.
    Untold,
    /// With `close_notify` alone. The socket stays until the client closes it.
    Half,
}

impl Door {
    /// TLS before a server, byte by byte. What ends in order behind it ends with `close_notify`, and what is reset is reset.
    pub(super) fn tls(behind: SocketAddr, identity: &Identity, ending: Ending) -> io::Result<Self> {
        let acceptor = identity.acceptor(&[b"http/1.1"]);
        Self::open(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(outer) = acceptor.accept(tcp).await else { return };
                let Ok(inner) = TcpStream::connect(behind).await else { return };
                let _ = inner.set_nodelay(true);
                pipe(outer, inner, ending).await;
            }
        })
    }

    /// A gateway that speaks HTTP/2 with prior knowledge before a server of HTTP/1.1. Each stream has a connection of its
    /// own behind it; what breaks there is a stream that is reset.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn gateway(behind: SocketAddr) -> io::Result<Self> {
        let inner = inner_client();
        Self::open(move |tcp| serve_http2(tcp, behind, inner.clone()))
    }

    /// As [`gateway`](Self::gateway), over TLS, where HTTP/2 is what ALPN offers.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn gateway_tls(behind: SocketAddr, identity: &Identity) -> io::Result<Self> {
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
        let accepting = Accepting::on_free_port(move |tcp, _| {
            // Each event is to be seen when it is written. If the option can't be set, the connection is gone already.
            let _ = tcp.set_nodelay(true);
            serve(tcp)
        })?;
        Ok(Self(accepting))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.0.open()
    }

    /// How many connections there have been.
    pub fn accepted_connections(&self) -> usize {
        self.0.accepted()
    }
}

/// Carries bytes both ways until either side ends.
async fn pipe(outer: TlsStream<TcpStream>, mut inner: TcpStream, ending: Ending) {
    let (mut from_client, mut to_client) = tokio::io::split(outer);
    let (mut from_server, mut to_server) = inner.split();
    let behind = {
        let requests = pin!(carry(&mut from_client, &mut to_server));
        let answers = pin!(carry(&mut from_server, &mut to_client));
        tokio::select! {
            _ = requests => return,
            end = answers => end,
        }
    };
    let mut outer = from_client.unsplit(to_client);
    // What can't be closed is closed already.
    let _ = match behind {
        Ok(()) => match ending {
            Ending::Told => outer.shutdown().await,
            Ending::Untold => outer.get_mut().0.shutdown().await,
            Ending::Half => half_close(&mut outer).await,
        },
        Err(_) => SockRef::from(outer.get_ref().0).set_linger(Some(Duration::ZERO)),
    };
}

/// Ends TLS, and waits for the client to end the rest.
async fn half_close(outer: &mut TlsStream<TcpStream>) -> io::Result<()> {
    outer.get_mut().1.send_close_notify();
    outer.flush().await?;
    tokio::io::copy(outer.get_mut().0, &mut tokio::io::sink()).await.map(drop)
}

/// Carries bytes to the end of where they come from, each piece as it comes.
async fn carry(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
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
    let service = service_fn(move |request| forward(inner.clone(), behind, request));
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    // Tests of cancellation reset faster than an attacker would be allowed to.
    http2.max_concurrent_streams(MANY_STREAMS).max_pending_accept_reset_streams(MANY_STREAMS as usize);
    let _ = http2.serve_connection(TokioIo::new(stream), service).await;
}

/// An error resets the stream, here and in the body.
async fn forward(
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
    // The server sees the name that the client asked for.
    let authority = head.uri.authority().ok_or("no authority")?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let mut response = inner.request(request).await?;
    // These are each connection's own.
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok(response)
}
