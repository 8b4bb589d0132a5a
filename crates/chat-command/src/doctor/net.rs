//! Sockets for the checks, which say what they did.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_net::{ProxyServer, Runtime, set_options, tls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// A TCP connection, or a TLS connection to a proxy.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// tokio's sockets and timers, with a name that was looked up before.
pub(crate) struct Net {
    /// The name and its addresses.
    known: (String, Vec<SocketAddr>),
    /// The address of the last connection.
    connected: Mutex<Option<SocketAddr>>,
    /// `None` if there are no roots.
    tls: Option<ClientConfig>,
}

impl Net {
    pub(crate) fn new(host: String, addresses: Vec<SocketAddr>, tls: Option<ClientConfig>) -> Self {
        Self { known: (host, addresses), connected: Mutex::default(), tls }
    }

    /// The address of the last connection.
    pub(crate) fn connected(&self) -> Option<SocketAddr> {
        *self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up a name.
pub(crate) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

impl Runtime for Net {
    type Stream = Compat<Box<dyn Connection>>;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let (known, addresses) = &self.known;
        if known == host { Ok(addresses.clone()) } else { look_up(host, port).await }
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Self::Stream> {
        let tcp = TcpStream::connect(addr).await?;
        set_options(&tcp)?;
        *self.connected.lock().unwrap_or_else(PoisonError::into_inner) = Some(addr);
        let connection: Box<dyn Connection> = Box::new(tcp);
        Ok(connection.compat())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn proxy_tls(&self, stream: Self::Stream, proxy: &ProxyServer) -> io::Result<Self::Stream> {
        let name = ServerName::try_from(proxy.origin().host.clone()).map_err(io::Error::other)?;
        let tls = self.tls.as_ref().ok_or_else(|| io::Error::other("the certificate roots cannot be read"))?;
        let tls = TlsConnector::from(Arc::new(tls::for_proxy(tls)));
        let connection: Box<dyn Connection> = Box::new(tls.connect(name, stream.into_inner()).await?);
        Ok(connection.compat())
    }
}
