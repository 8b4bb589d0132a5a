//! Connects to servers: resolves names, tries addresses, goes through proxies, and enforces the timeout.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use std::{fmt, io};

use chat_proto::Error;
use futures_io::{AsyncRead, AsyncWrite};
use http::Uri;

use crate::connect_error::ConnectError;
use crate::handshake::{Handshake, Step};
use crate::origin::Origin;
use crate::proxy::Proxy;
use crate::proxy_error::ProxyError;
use crate::proxy_server::{ProxyServer, Scheme};
use crate::race::{interleave, race};

/// Delay before the next address is tried in parallel (RFC 8305, section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Name resolution, sockets and timers of a runtime.
///
/// Nothing here requires `Send`. The futures of a [`Dialer`] are `Send` if those of its runtime are.
#[allow(async_fn_in_trait, reason = "auto traits of the futures leak through `Dialer`")]
pub trait Runtime: 'static {
    /// A TCP connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Resolves a name to its addresses, in order of preference. It is not called for hosts that are IP addresses.
    ///
    /// An address with port 0 gets the port of the URL. An address with another port keeps it, unless the URL has a port that
    /// is not the default of its scheme.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// Connects to an address and sets the options of [`set_options`](crate::set_options). Dropping the future cancels the
    /// attempt.
    async fn connect(&self, addr: SocketAddr) -> io::Result<Self::Stream>;

    /// Waits for this time.
    async fn sleep(&self, time: Duration);

    /// Adds TLS to a connection to an `https://` proxy. The default implementation returns an error.
    async fn proxy_tls(&self, _stream: Self::Stream, _proxy: &ProxyServer) -> io::Result<Self::Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Connects to servers on a [`Runtime`], directly or through a proxy. It does not add TLS to the server.
///
/// The addresses of a name are tried in turn, and the two families alternate. The next address is tried when one fails, or
/// in parallel when it does not answer for 250 ms.
pub struct Dialer<R> {
    runtime: R,
    proxy: Proxy,
    timeout: Option<Duration>,
    tunnels_only: bool,
}

/// A connection to a server, without TLS, or to a proxy that forwards requests.
#[derive(Debug)]
pub struct Dialed<S> {
    /// The connection.
    pub stream: S,
    /// Data from the server that arrived with the proxy's answer. Empty if the server speaks TLS or HTTP/1.1.
    pub early: Vec<u8>,
    /// The proxy, if it forwards requests.
    pub forwarder: Option<ProxyServer>,
}

impl<R: Runtime> Dialer<R> {
    /// Creates a dialer. `timeout` is the connect timeout, see [`with_timeout`](Self::with_timeout).
    pub fn new(runtime: R, proxy: Proxy, timeout: Option<Duration>) -> Self {
        Self { runtime, proxy, timeout, tunnels_only: false }
    }

    /// Uses tunnels through HTTP proxies for `http://` servers too. For protocols that proxies do not forward.
    #[must_use]
    pub fn tunnels_only(self, tunnels_only: bool) -> Self {
        Self { tunnels_only, ..self }
    }

    /// Replaces the proxies.
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
    /// The errors of [`Proxy::select`].
    pub fn check(&self, uri: &Uri) -> Result<(), Error> {
        self.proxy.select(&Origin::of(uri)).map(drop)
    }

    /// The proxy that forwards requests for a URL, if there is one.
    pub fn forwarder(&self, uri: &Uri) -> Option<&ProxyServer> {
        let origin = Origin::of(uri);
        let proxy = self.proxy.select(&origin).ok().flatten();
        proxy.filter(|proxy| self.is_forwarder(proxy, &origin))
    }

    fn is_forwarder(&self, proxy: &ProxyServer, origin: &Origin) -> bool {
        !self.tunnels_only && proxy.forwards(origin)
    }

    /// Connects to a server, without TLS and without a timeout.
    ///
    /// # Errors
    ///
    /// All of [`ConnectError`] except `Tls` and `TimedOut`.
    pub async fn dial(&self, origin: &Origin) -> Result<Dialed<R::Stream>, ConnectError> {
        let Some(proxy) = self.proxy.select(origin).map_err(ConnectError::Setting)? else {
            return Ok(Dialed { stream: self.connect(origin).await?, early: Vec::new(), forwarder: None });
        };
        if self.is_forwarder(proxy, origin) {
            let stream = self.connect_to_proxy(proxy).await?;
            return Ok(Dialed { stream, early: Vec::new(), forwarder: Some(proxy.clone()) });
        }
        if !proxy.needs_address(origin) {
            return self.tunnel(proxy, origin, None).await;
        }
        let addresses = self.resolve(origin).await.map_err(|error| ProxyError::name(origin, error))?;
        let attempt = |address: SocketAddr| self.tunnel(proxy, origin, Some(address.ip()));
        // Another address does not help if the proxy can't be reached. Repeating a wrong login may lock the account.
        let is_final = |error: &ConnectError| match error {
            ConnectError::Proxy(error) => error.is_final() || matches!(error, ProxyError::Unreachable { .. }),
            _ => true,
        };
        // With a login, addresses are not tried in parallel: a proxy may count concurrent logins.
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

    /// Runs a connection attempt, which may include TLS, with the connect timeout.
    ///
    /// # Errors
    ///
    /// The errors of the attempt, and [`ConnectError::TimedOut`].
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

    /// Opens a tunnel. `address` is the server's address, if the proxy needs it.
    async fn tunnel(
        &self,
        proxy: &ProxyServer,
        origin: &Origin,
        address: Option<IpAddr>,
    ) -> Result<Dialed<R::Stream>, ConnectError> {
        let mut stream = self.connect_to_proxy(proxy).await?;
        let early = shake_hands(&mut stream, Handshake::new(proxy, origin, address)).await?;
        Ok(Dialed { stream, early, forwarder: None })
    }

    async fn connect_to_proxy(&self, proxy: &ProxyServer) -> Result<R::Stream, ConnectError> {
        let connected = self.connect(proxy.origin()).await;
        let stream = connected.map_err(|error| ProxyError::unreachable(proxy, error))?;
        if proxy.scheme() != Scheme::Https {
            return Ok(stream);
        }
        let secured = self.runtime.proxy_tls(stream, proxy).await;
        Ok(secured.map_err(|error| ProxyError::unreachable(proxy, error))?)
    }

    /// Connects to a server or a proxy.
    async fn connect(&self, origin: &Origin) -> Result<R::Stream, ConnectError> {
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

/// Runs a handshake until the tunnel is open. Returns what the server has already sent.
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
