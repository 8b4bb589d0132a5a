//! Connections on any runtime that has sockets and a clock.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chat_client::Error;
use chat_net::{Handshake, Origin, Proxy, ProxyError, Scheme, Step, Via};
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::rustls::ClientConfig;
use futures_rustls::rustls::pki_types::ServerName;
use http::Uri;

use crate::engine::Connect;
use crate::error::ConnectError;
use crate::stream::{Paced, Stream};

/// How long one address may take before the next one is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// What a runtime brings: names, sockets, a clock.
pub trait Runtime: Send + Sync + 'static {
    /// A TCP connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The addresses of a host, best first.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to an address, without Nagle's delay. Dropping the future gives up.
    fn connect(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Sleeps.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// [`Connect`] on a [`Runtime`]: names, addresses tried in turn, proxies, TLS by rustls, all within the connect timeout.
pub struct Connector<R> {
    runtime: R,
    tls: TlsConnector,
    proxy: Proxy,
    timeout: Option<Duration>,
}

impl<R: fmt::Debug> fmt::Debug for Connector<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("runtime", &self.runtime)
            .field("proxy", &self.proxy)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> Connector<R> {
    /// A connector with TLS as configured, and without proxies. Only HTTP/1.1 is offered, whatever the configuration says.
    pub fn new(runtime: R, mut tls: ClientConfig, timeout: Option<Duration>) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { runtime, tls: TlsConnector::from(Arc::new(tls)), proxy: Proxy::none(), timeout }
    }

    /// Goes through a proxy: [`Proxy::from_env`] for those of the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest), naming `proxy` or the variable of the environment, if the
    /// proxy's URL is an `https://` one: TLS is not spoken to proxies here.
    pub fn via(self, proxy: Proxy) -> Result<Self, Error> {
        Ok(Self { proxy: proxy.only(&Scheme::WITHOUT_TLS)?, ..self })
    }

    /// The runtime it runs on.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    async fn open(&self, uri: &Uri) -> Result<Stream<R::Stream>, ConnectError> {
        let origin = Origin::of(uri);
        if origin.host.is_empty() {
            return Err(ConnectError::other("the URI has no host"));
        }
        let stream = match self.proxy.via(&origin) {
            Some(via) => self.through(via, &origin).await?,
            None => self.reach(&origin).await?,
        };
        if !origin.is_https {
            return Ok(Stream::plain(stream));
        }
        let name = ServerName::try_from(origin.host).map_err(ConnectError::tls)?;
        self.tls.connect(name, Paced::new(stream)).await.map(Stream::tls).map_err(ConnectError::tls)
    }

    /// A connection to a server, or to a proxy.
    async fn reach(&self, origin: &Origin) -> Result<R::Stream, ConnectError> {
        let addresses = self.runtime.resolve(&origin.host, origin.port).await.map_err(ConnectError::resolve)?;
        self.first_of(in_turn(addresses)).await
    }

    /// A connection to a proxy, behind which is the server; or, where it forwards, the proxy itself.
    async fn through(&self, via: &Via, origin: &Origin) -> Result<R::Stream, ConnectError> {
        let reached = self.reach(via.origin()).await;
        let mut stream =
            reached.map_err(|error| ConnectError::proxy(ProxyError::unreachable(via, error.into_source())))?;
        if via.forwards(origin) {
            return Ok(stream);
        }
        let address = if via.wants_address(origin) { Some(self.look_up(origin).await?) } else { None };
        shake_hands(&mut stream, Handshake::new(via, origin, address)).await.map_err(ConnectError::proxy)?;
        Ok(stream)
    }

    async fn look_up(&self, origin: &Origin) -> Result<IpAddr, ConnectError> {
        let found = self.runtime.resolve(&origin.host, origin.port).await;
        let first = found.and_then(|found| found.first().map(SocketAddr::ip).ok_or_else(no_address));
        first.map_err(|error| ConnectError::proxy(ProxyError::name(origin, error)))
    }

    /// The first connection that comes about. The next address is tried when one has failed, or has taken its time.
    async fn first_of(&self, addresses: Vec<SocketAddr>) -> Result<R::Stream, ConnectError> {
        let mut trying = Vec::new();
        let mut last = None;
        for address in addresses {
            trying.push(Box::pin(self.runtime.connect(address)));
            let mut pause = pin!(self.runtime.sleep(NEXT_ADDRESS));
            let turn = poll_fn(|cx| {
                let tried = trying.len();
                match poll_any(&mut trying, cx, &mut last) {
                    Some(stream) => Poll::Ready(Some(stream)),
                    None if trying.len() < tried => Poll::Ready(None),
                    None => pause.as_mut().poll(cx).map(|()| None),
                }
            });
            if let Some(stream) = turn.await {
                return Ok(stream);
            }
        }
        poll_fn(|cx| match poll_any(&mut trying, cx, &mut last) {
            Some(stream) => Poll::Ready(Some(stream)),
            None if trying.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        })
        .await
        .ok_or_else(|| match last {
            Some(error) => ConnectError::tcp(error),
            None => ConnectError::resolve(no_address()),
        })
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "it has no address")
}

/// Gets through a proxy.
async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut handshake: Handshake,
) -> Result<(), ProxyError> {
    let mut buffer = [0; 1024];
    loop {
        let moved = match handshake.step()? {
            Step::Write(bytes) => write_all(stream, &bytes).await,
            Step::Read => {
                let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer)).await;
                read.map(|count| handshake.handle_data(&buffer[..count]))
            }
            Step::Open(early) if early.is_empty() => return Ok(()),
            // Neither TLS nor HTTP/1.1 begins with the server.
            Step::Open(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "something came before it was asked for")),
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

/// Polls all attempts, and lets go of those that failed.
fn poll_any<F, S>(trying: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>, last: &mut Option<io::Error>) -> Option<S>
where
    F: Future<Output = io::Result<S>>,
{
    let mut at = 0;
    while at < trying.len() {
        match trying[at].as_mut().poll(cx) {
            Poll::Ready(Ok(stream)) => return Some(stream),
            Poll::Ready(Err(error)) => {
                *last = Some(error);
                drop(trying.remove(at));
            }
            Poll::Pending => at += 1,
        }
    }
    None
}

/// The addresses, families in turn, beginning with the first one's (RFC 8305, 4).
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(is_first_v6) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_v6);
    let mut all = Vec::with_capacity(first.len() + second.len());
    while !first.is_empty() || !second.is_empty() {
        all.extend(first.pop_front());
        all.extend(second.pop_front());
    }
    all
}

impl<R: Runtime> Connect for Connector<R> {
    type Io = Stream<R::Stream>;

    fn forwarder(&self, uri: &Uri) -> Option<&Via> {
        let origin = Origin::of(uri);
        self.proxy.via(&origin).filter(|via| via.forwards(&origin))
    }

    async fn connect(&self, uri: &Uri) -> Result<Self::Io, ConnectError> {
        let Some(timeout) = self.timeout else { return self.open(uri).await };
        let mut opening = pin!(self.open(uri));
        let mut over = pin!(self.runtime.sleep(timeout));
        poll_fn(|cx| match opening.as_mut().poll(cx) {
            Poll::Ready(opened) => Poll::Ready(opened),
            Poll::Pending => over.as_mut().poll(cx).map(|()| {
                Err(match self.proxy.via(&Origin::of(uri)) {
                    Some(via) => ConnectError::timed_out_through(timeout, via),
                    None => ConnectError::timed_out(timeout),
                })
            }),
        })
        .await
    }
}
