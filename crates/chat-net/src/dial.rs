//! From a name to a connection: addresses, the proxy in between, and a time limit.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use std::{fmt, io};

use chat_proto::Error;
use futures_io::{AsyncRead, AsyncWrite};
use http::Uri;

use crate::race::{interleave, race};
use crate::{ConnectError, Handshake, Origin, Proxy, ProxyError, ProxyServer, Scheme, Step};

/// How long one address may be silent before the next one is tried beside it (RFC 8305, section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// What a runtime provides: names, sockets and a clock.
pub trait Runtime: 'static {
    /// A TCP connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Resolves a name to its addresses, best first. An address whose port is 0 gets that of the URL; one with a port
    /// keeps it if the URL has the scheme's default port. Not called for a host that is an address itself.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>>;

    /// Connects to an address, with the options of [`set_options`](crate::set_options). Dropping the future gives up.
    fn connect(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Sleeps.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Speaks TLS to an `https://` proxy. By default such a proxy is an error.
    fn proxy_tls(&self, _stream: Self::Stream, _proxy: &ProxyServer) -> impl Future<Output = io::Result<Self::Stream>> {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// Connects to servers on a [`Runtime`], directly or through a proxy. TLS to the server comes on top.
///
/// A name's addresses are tried in turn, the two families alternating. The next one is tried when an address fails, or
/// beside it when it is silent for 250 ms.
pub struct Dialer<R> {
    runtime: R,
    proxy: Proxy,
    timeout: Option<Duration>,
    tunnels_only: bool,
}

/// A connection to a server without its TLS, or to a proxy that forwards.
#[derive(Debug)]
pub struct Dialed<S> {
    /// The connection.
    pub stream: S,
    /// What came with a proxy's answer and belongs to the server. Empty if the server speaks TLS or HTTP/1.1.
    pub early: Vec<u8>,
    /// The proxy at the other end, if it is given requests to forward.
    pub forwarder: Option<ProxyServer>,
}

impl<R: Runtime> Dialer<R> {
    /// A dialer. `timeout` is for all of a connection, see [`with_timeout`](Self::with_timeout).
    pub fn new(runtime: R, proxy: Proxy, timeout: Option<Duration>) -> Self {
        Self { runtime, proxy, timeout, tunnels_only: false }
    }

    /// Asks HTTP proxies for a tunnel to plain `http://` servers too, for a protocol that they do not forward.
    #[must_use]
    pub fn tunnels_only(self, tunnels_only: bool) -> Self {
        Self { tunnels_only, ..self }
    }

    /// Goes through other proxies.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        Self { proxy, ..self }
    }

    /// The runtime.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Checks that the setting of the proxy for a URL is valid.
    ///
    /// # Errors
    ///
    /// Those of [`Proxy::select`].
    pub fn check(&self, uri: &Uri) -> Result<(), Error> {
        self.proxy.select(&Origin::of(uri)).map(drop)
    }

    /// The proxy that is given the requests to a URL to forward, if there is one.
    pub fn forwarder(&self, uri: &Uri) -> Option<&ProxyServer> {
        let origin = Origin::of(uri);
        let proxy = self.proxy.select(&origin).ok().flatten();
        proxy.filter(|proxy| self.is_forwarder(proxy, &origin))
    }

    fn is_forwarder(&self, proxy: &ProxyServer, origin: &Origin) -> bool {
        !self.tunnels_only && proxy.forwards(origin)
    }

    /// Connects to a server, without TLS and without a time limit.
    ///
    /// # Errors
    ///
    /// Those of [`ConnectError`], apart from `Tls` and `TimedOut`.
    pub async fn dial(&self, origin: &Origin) -> Result<Dialed<R::Stream>, ConnectError> {
        let Some(proxy) = self.proxy.select(origin).map_err(ConnectError::Setting)? else {
            return Ok(Dialed { stream: self.reach(origin).await?, early: Vec::new(), forwarder: None });
        };
        if self.is_forwarder(proxy, origin) {
            let stream = self.reach_proxy(proxy).await?;
            return Ok(Dialed { stream, early: Vec::new(), forwarder: Some(proxy.clone()) });
        }
        if !proxy.wants_address(origin) {
            return self.tunnel(proxy, origin, None).await;
        }
        let addresses = self.resolve(origin).await.map_err(|error| ProxyError::name(origin, error))?;
        let attempt = |address: SocketAddr| self.tunnel(proxy, origin, Some(address.ip()));
        // Another address does not help if the proxy can't be reached; trying a login again may lock the account.
        let is_final = |error: &ConnectError| match error {
            ConnectError::Proxy(error) => error.is_final() || matches!(error, ProxyError::Unreachable { .. }),
            _ => true,
        };
        // With a login, one address is tried after the other: a proxy that counts logins must not see several at once.
        let has_login = proxy.login().is_some();
        let pause = || async {
            if has_login {
                std::future::pending::<()>().await;
            }
            self.runtime.sleep(NEXT_ADDRESS).await;
        };
        let tunnel = race(interleave(addresses), attempt, pause, is_final);
        tunnel.await.map_err(|error| error.unwrap_or_else(|| ProxyError::name(origin, no_address()).into()))
    }

    /// Ends a connection attempt, TLS included, when the connect timeout is over.
    ///
    /// # Errors
    ///
    /// Those of the attempt, and [`ConnectError::TimedOut`].
    pub async fn with_timeout<T, E: From<ConnectError>>(
        &self,
        origin: &Origin,
        connecting: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(after) = self.timeout else { return connecting.await };
        let (mut connecting, mut over) = (pin!(connecting), pin!(self.runtime.sleep(after)));
        poll_fn(|cx| match connecting.as_mut().poll(cx) {
            Poll::Pending => over.as_mut().poll(cx).map(|()| {
                let proxy = self.proxy.select(origin).ok().flatten().map(ToString::to_string);
                Err(ConnectError::TimedOut { after, proxy }.into())
            }),
            connected => connected,
        })
        .await
    }

    /// A connection through a proxy. `address` is the server's, if the proxy wants one.
    async fn tunnel(
        &self,
        proxy: &ProxyServer,
        origin: &Origin,
        address: Option<IpAddr>,
    ) -> Result<Dialed<R::Stream>, ConnectError> {
        let mut stream = self.reach_proxy(proxy).await?;
        let early = shake_hands(&mut stream, Handshake::new(proxy, origin, address)).await?;
        Ok(Dialed { stream, early, forwarder: None })
    }

    async fn reach_proxy(&self, proxy: &ProxyServer) -> Result<R::Stream, ConnectError> {
        let reached = self.reach(proxy.origin()).await;
        let stream = reached.map_err(|error| ProxyError::unreachable(proxy, error))?;
        if proxy.scheme() != Scheme::Https {
            return Ok(stream);
        }
        let secured = self.runtime.proxy_tls(stream, proxy).await;
        Ok(secured.map_err(|error| ProxyError::unreachable(proxy, error))?)
    }

    /// A connection to a server, or to a proxy.
    async fn reach(&self, origin: &Origin) -> Result<R::Stream, ConnectError> {
        let unresolved = |source| ConnectError::Resolve { host: origin.host.clone(), source };
        let addresses = self.resolve(origin).await.map_err(unresolved)?;
        let connect = |address| async move {
            self.runtime.connect(address).await.map_err(|source| ConnectError::Tcp { address, source })
        };
        let connection = race(interleave(addresses), connect, || self.runtime.sleep(NEXT_ADDRESS), |_| false);
        connection.await.map_err(|error| error.unwrap_or_else(|| unresolved(no_address())))
    }

    async fn resolve(&self, origin: &Origin) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = origin.ip() {
            return Ok(vec![SocketAddr::new(ip, origin.port)]);
        }
        let mut addresses = self.runtime.resolve(&origin.host, origin.port).await?;
        for address in &mut addresses {
            if address.port() == 0 || !origin.has_default_port() {
                address.set_port(origin.port);
            }
        }
        Ok(addresses)
    }
}

impl<R> fmt::Debug for Dialer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("proxy", &self.proxy).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

/// Does what a handshake says until the way is open. Returns what the server has already sent.
async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut handshake: Handshake,
) -> Result<Vec<u8>, ProxyError> {
    let mut buffer = [0; 1024];
    loop {
        let moved = match handshake.step()? {
            Step::Write(bytes) => write_all(stream, &bytes).await,
            Step::Read => {
                let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer)).await;
                read.map(|count| handshake.handle_data(&buffer[..count]))
            }
            Step::Open(early) => return Ok(early),
        };
        moved.map_err(|error| handshake.broken(error))?;
    }
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
}
