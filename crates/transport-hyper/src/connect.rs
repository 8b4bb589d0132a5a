//! Connecting: directly or through a proxy, with TLS on top, all of it within a time.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::upgrade::Upgraded;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::proxy::{Proxy, Via};
use crate::resolve::Resolver;
use crate::tunnel::{self, ProxyError};

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
    pub(crate) fn forwarder(&self, uri: &Uri) -> Option<Via> {
        self.proxy.intercept(uri).filter(|via| forwards(self.forwards, via, uri))
    }
}

fn forwards(allowed: bool, via: &Via, uri: &Uri) -> bool {
    allowed && !via.is_socks() && uri.scheme() == Some(&Scheme::HTTP)
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
        let via = self.proxy.intercept(&uri);
        let connecting = tokio::time::timeout(timeout, self.tls.call(uri));
        Box::pin(async move {
            connecting.await.unwrap_or_else(|_| Err(TimedOut { timeout, via: via.map(|via| via.to_string()) }.into()))
        })
    }
}

#[cfg(feature = "inline")]
impl chat_http1::Connect for Connector {
    type Io = Stream;

    fn connect(&self, uri: &Uri) -> impl Future<Output = Result<Stream, chat_http1::ConnectError>> + Send {
        let connecting = self.clone().call(uri.clone());
        async move { connecting.await.map_err(chat_http1::ConnectError::wrap) }
    }
}

/// No connection came about in time.
#[derive(Debug)]
pub(crate) struct TimedOut {
    timeout: Duration,
    via: Option<String>,
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
        let Some(via) = self.proxy.intercept(&uri) else {
            return Ok(Way::Straight(MaybeHttpsStream::Http(self.tcp.call(uri).await?)));
        };
        let reached = self.reach(&via).await;
        let io = reached.map_err(|source| ProxyError::Unreachable { proxy: via.to_string(), source })?;
        Ok(if forwards(self.forwards, &via, &uri) {
            Way::Forwarded(io, via)
        } else if via.is_socks() {
            Way::Straight(tunnel::socks(io, &via, &uri, &self.resolver).await?)
        } else {
            Way::Tunnel(tunnel::connect(io, &via, &uri).await?)
        })
    }

    async fn reach(&mut self, via: &Via) -> Result<Tcp, BoxError> {
        let uri = via.uri().clone();
        if uri.scheme() == Some(&Scheme::HTTPS) {
            self.proxy_tls.call(uri).await
        } else {
            Ok(MaybeHttpsStream::Http(self.tcp.call(uri).await?))
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
pub(crate) enum Way {
    /// To the host itself, or through a proxy that is not to be seen any more.
    Straight(Tcp),
    /// Through a proxy that may have sent the first bytes with its answer.
    Tunnel(Upgraded),
    /// To a proxy that forwards.
    Forwarded(Tcp, Via),
}

impl Connection for Way {
    fn connected(&self) -> Connected {
        match self {
            Self::Straight(_) | Self::Tunnel(_) => Connected::new(),
            Self::Forwarded(_, via) => Connected::new().proxy(true).extra(via.clone()),
        }
    }
}

impl Read for Way {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Straight(io) | Self::Forwarded(io, _) => Pin::new(io).poll_read(cx, buf),
            Self::Tunnel(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl Write for Way {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Straight(io) | Self::Forwarded(io, _) => Pin::new(io).poll_write(cx, buf),
            Self::Tunnel(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Straight(io) | Self::Forwarded(io, _) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Tunnel(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Straight(io) | Self::Forwarded(io, _) => io.is_write_vectored(),
            Self::Tunnel(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Straight(io) | Self::Forwarded(io, _) => Pin::new(io).poll_flush(cx),
            Self::Tunnel(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Straight(io) | Self::Forwarded(io, _) => Pin::new(io).poll_shutdown(cx),
            Self::Tunnel(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
