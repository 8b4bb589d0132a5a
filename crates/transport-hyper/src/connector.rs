//! Connects directly or through a proxy, with TLS if needed, within the connect timeout.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use chat_net::{ConnectError, Dialed, Dialer, Origin, Proxy, ProxyServer, Runtime, set_options, tls};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use tower_service::Service;

use crate::resolver::Resolver;

/// A connection to a server, or to a proxy that forwards requests to it.
pub(crate) type Stream = MaybeHttpsStream<DialedStream>;

/// A TCP connection, or a TLS connection to a proxy.
type ProxyStream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to the host of a URL within the connect timeout. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector {
    dialer: Arc<Dialer<TokioRuntime>>,
    tls: TlsConnector,
}

impl Connector {
    /// If `forwards` is set, HTTP proxies forward plain `http://` requests. Otherwise they tunnel them.
    pub(crate) fn new(
        tls: ClientConfig,
        proxy: Proxy,
        resolver: Resolver,
        forwards: bool,
        timeout: Option<Duration>,
    ) -> Self {
        let proxy_tls = TlsConnector::from(Arc::new(tls::for_proxy(&tls)));
        let dialer = Dialer::new(TokioRuntime { resolver, proxy_tls }, proxy, timeout).tunnels_only(!forwards);
        Self { dialer: Arc::new(dialer), tls: TlsConnector::from(Arc::new(tls)) }
    }

    /// Checks that the proxy setting for a URL is valid.
    pub(crate) fn check(&self, uri: &Uri) -> Result<(), chat_net::Error> {
        self.dialer.check(uri)
    }

    /// The proxy that forwards requests to a URL, if there is one.
    pub(crate) fn forwarder(&self, uri: &Uri) -> Option<&ProxyServer> {
        self.dialer.forwarder(uri)
    }

    async fn connect(self, uri: Uri) -> Result<Stream, ConnectError> {
        let origin = Origin::of(&uri);
        self.dialer.with_timeout(&origin, self.open(&origin)).await
    }

    async fn open(&self, origin: &Origin) -> Result<Stream, ConnectError> {
        let stream = DialedStream::from(self.dialer.dial(origin).await?);
        if !origin.is_https {
            return Ok(MaybeHttpsStream::Http(stream));
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(ConnectError::tls)?;
        let tls = self.tls.connect(name, TokioIo::new(stream)).await.map_err(ConnectError::tls)?;
        Ok(MaybeHttpsStream::Https(TokioIo::new(tls)))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// tokio's sockets and timers, with the user's resolver.
struct TokioRuntime {
    resolver: Resolver,
    proxy_tls: TlsConnector,
}

impl Runtime for TokioRuntime {
    /// The adapter is removed once the connection through a proxy is open.
    type Stream = Compat<TokioIo<ProxyStream>>;

    async fn resolve(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        self.resolver.resolve(host).await
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Self::Stream> {
        let tcp = TcpStream::connect(addr).await?;
        set_options(&tcp)?;
        Ok(TokioIo::new(MaybeHttpsStream::Http(TokioIo::new(tcp))).compat())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn proxy_tls(&self, stream: Self::Stream, proxy: &ProxyServer) -> io::Result<Self::Stream> {
        let MaybeHttpsStream::Http(tcp) = stream.into_inner().into_inner() else {
            return Err(io::Error::other("the connection has TLS already"));
        };
        let name = ServerName::try_from(proxy.origin().host.clone()).map_err(io::Error::other)?;
        let tls = self.proxy_tls.connect(name, TokioIo::new(tcp)).await?;
        Ok(TokioIo::new(MaybeHttpsStream::Https(TokioIo::new(tls))).compat())
    }
}

/// A connection to a host and port, directly or through a proxy.
pub(crate) struct DialedStream {
    io: ProxyStream,
    /// Bytes from the server that arrived together with the proxy's response.
    early: Bytes,
    /// The proxy that this connection ends at, if it forwards requests.
    forwarder: Option<ProxyServer>,
}

impl From<Dialed<Compat<TokioIo<ProxyStream>>>> for DialedStream {
    fn from(dialed: Dialed<Compat<TokioIo<ProxyStream>>>) -> Self {
        let io = dialed.stream.into_inner().into_inner();
        Self { io, early: dialed.early.into(), forwarder: dialed.forwarder }
    }
}

impl Connection for DialedStream {
    fn connected(&self) -> Connected {
        match &self.forwarder {
            Some(proxy) => Connected::new().proxy(true).extra(proxy.clone()),
            None => Connected::new(),
        }
    }
}

impl Read for DialedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..count]);
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Write for DialedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
