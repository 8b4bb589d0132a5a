//! Connecting: directly or through a proxy, with TLS on top, all of it within a time.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_net::{Origin, Proxy, ProxyError, Scheme, Via};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::resolve::Resolver;
use crate::tunnel;

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// How often the kernel asks whether a silent peer is there: often enough for the routers in between to remember the
/// connection while an answer is waited for.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// A connection to an API, or to a proxy that forwards to it.
pub(crate) type Stream = MaybeHttpsStream<Way>;

/// A connection to an API without its TLS, or to a proxy with the proxy's.
pub(crate) type Tcp = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to where a URL points. It takes no longer than the connect timeout.
///
/// hyper-util's own connect timeout covers TCP alone: a name server that does not answer, or a peer that is silent in
/// the TLS handshake, would hold the call for as long as they like.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: HttpsConnector<Route>,
    proxy: Proxy,
    forwards: bool,
    timeout: Option<Duration>,
}

impl Connector {
    /// `forwards` says whether an HTTP proxy is given plain requests to forward rather than asked for a tunnel.
    pub(crate) fn new(
        tls: ClientConfig,
        proxy: &Proxy,
        resolver: Resolver,
        forwards: bool,
        timeout: Option<Duration>,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Shared out among a name's addresses, so that a silent one leaves time for the next. Those of the other family
        // are tried beside the first ones, after 300 ms.
        tcp.set_connect_timeout(timeout);
        let mut proxy_tls = tls.clone();
        proxy_tls.alpn_protocols.clear();
        let proxy_tls = HttpsConnector::from((tcp.clone(), proxy_tls));
        let route = Route { tcp, proxy_tls, proxy: proxy.clone(), resolver, forwards };
        Self { tls: HttpsConnector::from((route, tls)), proxy: proxy.clone(), forwards, timeout }
    }

    /// The proxy that a request is given to, to forward.
    pub(crate) fn forwarder(&self, uri: &Uri) -> Option<&Via> {
        let origin = Origin::of(uri);
        self.proxy.via(&origin).filter(|via| self.forwards && via.forwards(&origin))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tls.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Connecting<Stream> {
        let Some(timeout) = self.timeout else { return self.tls.call(uri) };
        let via = self.proxy.via(&Origin::of(&uri)).cloned();
        let connecting = tokio::time::timeout(timeout, self.tls.call(uri));
        Box::pin(async move { connecting.await.unwrap_or_else(|_| Err(TimedOut { timeout, via }.into())) })
    }
}

/// No connection came about in time.
#[derive(Debug)]
pub(crate) struct TimedOut {
    timeout: Duration,
    via: Option<Via>,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.timeout)?;
        self.via.as_ref().map_or(Ok(()), |proxy| write!(f, " through the proxy {proxy}"))
    }
}

impl Error for TimedOut {}

/// Gets to a host and port, TLS apart.
#[derive(Clone)]
struct Route {
    tcp: HttpConnector<Resolver>,
    proxy_tls: HttpsConnector<HttpConnector<Resolver>>,
    proxy: Proxy,
    resolver: Resolver,
    forwards: bool,
}

impl Route {
    async fn connect(mut self, uri: Uri) -> Result<Way, BoxError> {
        let origin = Origin::of(&uri);
        let Some(via) = self.proxy.via(&origin).cloned() else {
            let io = MaybeHttpsStream::Http(self.tcp.call(uri).await?);
            return Ok(Way { io, early: Bytes::new(), forwarder: None });
        };
        let io = self.reach(&via).await.map_err(|source| ProxyError::unreachable(&via, source))?;
        if self.forwards && via.forwards(&origin) {
            return Ok(Way { io, early: Bytes::new(), forwarder: Some(via) });
        }
        let (io, early) = tunnel::open(io, &via, &origin, &self.resolver).await?;
        Ok(Way { io, early, forwarder: None })
    }

    async fn reach(&mut self, via: &Via) -> Result<Tcp, BoxError> {
        match via.scheme() {
            Scheme::Https => self.proxy_tls.call(via.uri()).await,
            _ => Ok(MaybeHttpsStream::Http(self.tcp.call(via.uri()).await?)),
        }
    }
}

impl Service<Uri> for Route {
    type Response = Way;
    type Error = BoxError;
    type Future = Connecting<Way>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, uri: Uri) -> Connecting<Way> {
        Box::pin(self.clone().connect(uri))
    }
}

/// A way to a host and port.
pub(crate) struct Way {
    io: Tcp,
    /// What came with a proxy's answer, and is the server's.
    early: Bytes,
    /// The proxy at the other end, if it forwards.
    forwarder: Option<Via>,
}

impl Connection for Way {
    fn connected(&self) -> Connected {
        match &self.forwarder {
            Some(via) => Connected::new().proxy(true).extra(via.clone()),
            None => Connected::new(),
        }
    }
}

impl Read for Way {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl Write for Way {
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
