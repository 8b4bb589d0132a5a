//! Builds the transport from its settings.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};
use std::{io, mem};

use chat_client::Error;
use chat_client::driver::{FromSettings, TransportSettings};
use chat_net::tls::{self, Identity};
use chat_net::{MAX_HEAD, Proxy};
use hyper::rt::{Sleep, Timer};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::connector::Connector;
use crate::pools::Pools;
use crate::resolver::Resolver;
use crate::transport::HyperTransport;

/// Default time after which an idle connection is closed. Servers and load balancers close idle connections after a minute
/// or more (60 s in AWS, 75 s in nginx). A request that is written at that moment is lost, and the client can't tell whether
/// the server has read it. 30 s is well below.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Maximum number of idle connections per host. Each takes a socket, and with TLS some tens of KiB.
const MAX_IDLE: usize = 32;

/// Maximum unread data of an HTTP/2 stream. At a round trip of 100 ms it allows 2.4 MB/s. In memory, unread data takes this
/// much plus up to 256 bytes per frame: 1 MiB if each event of 95 bytes is a frame, 66 MiB if each byte is one.
#[cfg(feature = "http2")]
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;

/// Maximum unread data of all streams of an HTTP/2 connection. It is the largest value that HTTP/2 allows, so that unread
/// answers do not block others. h2 also closes a connection when its unread frames, at 256 bytes for each small one, take
/// half of this.
#[cfg(feature = "http2")]
const HTTP2_CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Default interval of HTTP/2 pings. Without pings, a dead HTTP/2 connection would be used for every later call. A dead
/// HTTP/1.1 connection affects only one call.
#[cfg(feature = "http2")]
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The HTTP version to use.
#[cfg(feature = "http2")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2 {
    /// HTTP/2 if the connection uses TLS and the server selects it by ALPN. HTTP/1.1 otherwise.
    #[default]
    Alpn,
    /// Only HTTP/1.1.
    Off,
    /// Only HTTP/2, with or without TLS. Use it if the server is known to support HTTP/2.
    PriorKnowledge,
}

/// Builds a [`HyperTransport`]. Use it for custom TLS, proxies, HTTP versions or connection settings.
///
/// ```no_run
/// use transport_hyper::rustls::pki_types::{CertificateDer, pem::PemObject};
/// use transport_hyper::driver::TransportSettings;
/// use transport_hyper::{Client, Error, HyperTransport, Proxy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let roots = CertificateDer::pem_file_iter("company-ca.pem")?.collect::<Result<Vec<_>, _>>()?;
/// let transport = HyperTransport::builder()
///     .root_certificates(roots)
///     .proxy(Proxy::url("http://proxy.example:3128")?)
///     .build(&TransportSettings::default())?;
/// let client = Client::builder().env().build_on(transport)?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use]
pub struct HyperTransportBuilder {
    tls: Option<ClientConfig>,
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    proxy: Option<Proxy>,
    resolver: Resolver,
    #[cfg(feature = "http2")]
    http2: Http2,
    #[cfg(feature = "http2")]
    http2_keep_alive: Option<Duration>,
    pool_idle: Option<Duration>,
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl HyperTransport {
    /// Returns a builder with default settings.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    /// Builds a transport with a custom TLS configuration. See [`HyperTransportBuilder::tls`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`HyperTransportBuilder::build`].
    pub fn with_tls(settings: &TransportSettings, tls: ClientConfig) -> Result<Self, Error> {
        Self::builder().tls(tls).build(settings)
    }
}

impl FromSettings for HyperTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        Self::builder().build(settings)
    }
}

impl HyperTransportBuilder {
    /// A custom TLS configuration, for example with other roots, another provider or a custom verifier. Leave its ALPN
    /// protocols empty; the transport sets them. It can't be combined with
    /// [`root_certificates`](Self::root_certificates) or [`client_certificate`](Self::client_certificate).
    pub fn tls(mut self, tls: ClientConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Additional CAs to trust, such as a company's own. They are added to the default ones and to those of
    /// [`ClientBuilder::root_certificates`](chat_client::ClientBuilder::root_certificates).
    /// [`tls::config`](crate::tls::config) documents the default ones.
    pub fn root_certificates(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.roots.extend(roots);
        self
    }

    /// Client certificate for servers that request one: the certificate first, then its intermediate certificates.
    pub fn client_certificate(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.identity = Some((chain, key));
        self
    }

    /// The proxies. Default: those of the environment, see [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// A custom name resolver. It returns the addresses of a host in the order in which to try them. A port other than 0
    /// is used for URLs that have no port. Default: the system's resolver.
    pub fn resolver<F>(mut self, lookup: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Resolver::new(lookup);
        self
    }

    /// The HTTP version to use. Default: [`Http2::Alpn`].
    #[cfg(feature = "http2")]
    pub fn http2(mut self, http2: Http2) -> Self {
        self.http2 = http2;
        self
    }

    /// Interval of pings on an HTTP/2 connection while a call is running. The connection fails if a ping is not answered
    /// within the same time. Default: 20 s.
    #[cfg(feature = "http2")]
    pub fn http2_keep_alive(mut self, interval: Duration) -> Self {
        self.http2_keep_alive = Some(interval);
        self
    }

    /// Time after which an idle connection is closed. Default: 30 s. Keep it below the server's idle timeout, because a
    /// request that is sent while the server closes the connection is lost. With 0, connections are not reused.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle = Some(timeout);
        self
    }

    /// Builds the transport. If the settings have no connect timeout, which is their default, only the timeouts of the call
    /// end a connection attempt.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest) with the name of the setting if
    ///
    /// - a certificate or a key is not valid,
    /// - a file of `SSL_CERT_FILE` or `SSL_CERT_DIR` has no certificates,
    /// - a TLS configuration has ALPN protocols or is combined with certificates,
    /// - an environment variable for the proxy of the base URL is not a valid proxy.
    pub fn build(mut self, settings: &TransportSettings) -> Result<HyperTransport, Error> {
        self.roots.extend(settings.root_certificates.iter().cloned());
        let mut tls = self.take_tls()?;
        tls.alpn_protocols = self.protocols().iter().map(|name| name.to_vec()).collect();
        let proxy = self.proxy.take().unwrap_or_else(Proxy::from_env);
        // Proxies do not forward HTTP/2.
        let forwards = !self.is_http2_only();
        let connector = Connector::new(tls, proxy, self.resolver.clone(), forwards, settings.connect_timeout);
        settings.base_url.iter().try_for_each(|uri| connector.check(uri))?;
        Ok(HyperTransport::new(self.pools(connector.clone()), connector))
    }

    fn take_tls(&mut self) -> Result<ClientConfig, Error> {
        let (roots, identity) = (mem::take(&mut self.roots), self.identity.take());
        match self.tls.take() {
            Some(tls) if !tls.alpn_protocols.is_empty() => {
                Err(Error::invalid_request("tls", "has ALPN protocols: leave them empty, the transport sets them"))
            }
            Some(_) if !roots.is_empty() || identity.is_some() => Err(Error::invalid_request(
                "tls",
                "can't be combined with other certificates: set them in the TLS configuration",
            )),
            Some(tls) => Ok(tls),
            None => tls::config(roots, identity),
        }
    }

    /// The ALPN protocols in order of preference.
    fn protocols(&self) -> &'static [&'static [u8]] {
        #[cfg(feature = "http2")]
        match self.http2 {
            Http2::Alpn => return &[b"h2", b"http/1.1"],
            Http2::PriorKnowledge => return &[b"h2"],
            Http2::Off => {}
        }
        &[b"http/1.1"]
    }

    fn is_http2_only(&self) -> bool {
        #[cfg(feature = "http2")]
        return self.http2 == Http2::PriorKnowledge;
        #[cfg(not(feature = "http2"))]
        false
    }

    fn pools(&self, connector: Connector) -> Pools {
        let mut pool = legacy::Client::builder(TokioExecutor::new());
        pool.pool_timer(IdleTimer(TokioTimer::new())).timer(TokioTimer::new());
        match self.pool_idle.unwrap_or(POOL_IDLE) {
            Duration::ZERO => pool.pool_max_idle_per_host(0),
            timeout => pool.pool_idle_timeout(timeout).pool_max_idle_per_host(MAX_IDLE),
        };
        pool.http1_max_buf_size(MAX_HEAD);
        #[cfg(feature = "http2")]
        {
            let interval = self.http2_keep_alive.unwrap_or(HTTP2_KEEP_ALIVE);
            pool.http2_only(self.is_http2_only()).http2_max_header_list_size(MAX_HEAD as u32);
            pool.http2_initial_stream_window_size(HTTP2_STREAM_WINDOW);
            pool.http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
            pool.http2_keep_alive_interval(interval).http2_keep_alive_timeout(interval);
        }
        Pools::new(pool, connector, self.is_http2_only())
    }
}

/// Timer of a pool. hyper-util checks for expired connections only once per idle timeout, so a connection could stay idle for
/// twice that time. This timer makes it check more often.
#[derive(Clone, Debug)]
struct IdleTimer(TokioTimer);

/// Number of checks per idle timeout.
const IDLE_CHECKS: u32 = 8;

impl Timer for IdleTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.sleep(duration / IDLE_CHECKS)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}
