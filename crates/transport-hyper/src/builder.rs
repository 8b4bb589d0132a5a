//! The settings of the transport.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};
use std::{io, mem};

use chat_client::Error;
use chat_client::driver::TransportSettings;
use chat_net::tls::{self, Identity};
use chat_net::{MAX_HEAD, Proxy};
use hyper::rt::{Sleep, Timer};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::connect::Connector;
use crate::pools::Pools;
use crate::resolve::Resolver;
use crate::transport::HyperTransport;

/// How long a connection may lie idle before it is closed. Servers and load balancers close them too, after a minute or
/// more (60 s in AWS, 75 s in nginx); a request that is written while one does is lost, and nobody can tell whether it
/// was read. Half a minute stays clear of that.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// How many idle connections a host may have. Each takes a socket, and with TLS some tens of KiB.
const MAX_IDLE: usize = 32;

/// How much an HTTP/2 stream may have sent that was not read yet. At a round trip of 100 ms it allows 2.4 MB/s. What waits
/// takes this and up to 256 bytes for each frame: 1 MiB of memory where each event of 95 bytes is a frame, 66 MiB where
/// each byte is one.
#[cfg(feature = "http2")]
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;

/// The same for all streams of a connection: the most that HTTP/2 has, so that answers which nobody reads take no room from
/// others. h2 also closes a connection when the frames that wait take half of this, 256 bytes for each small one.
#[cfg(feature = "http2")]
const HTTP2_CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How often the peer of an HTTP/2 connection is asked whether it is there. A dead HTTP/1.1 connection ends with its
/// one call; a dead HTTP/2 one would take in each call to come.
#[cfg(feature = "http2")]
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Which HTTP is spoken.
#[cfg(feature = "http2")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2 {
    /// HTTP/2 where TLS is used and the server chooses it by ALPN, HTTP/1.1 elsewhere.
    #[default]
    Alpn,
    /// HTTP/1.1 alone.
    Off,
    /// HTTP/2 alone, over TLS or not: the server is known to speak it.
    PriorKnowledge,
}

/// Makes a [`HyperTransport`].
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

impl HyperTransportBuilder {
    /// TLS of one's own: other roots in place of the bundled ones, another provider, a verifier. Its ALPN protocols
    /// stay empty; the transport sets them.
    pub fn tls(mut self, tls: ClientConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Trusts these CAs too, such as a company's own, beside the default ones and those of
    /// [`ClientBuilder::root_certificates`](chat_client::ClientBuilder::root_certificates).
    /// [`tls::config`](crate::tls::config) says which the default ones are.
    pub fn root_certificates(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.roots.extend(roots);
        self
    }

    /// Shows a server that asks for it this certificate, with those that vouch for it behind it.
    pub fn client_certificate(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.identity = Some((chain, key));
        self
    }

    /// The proxies; what the environment says if not set: [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Looks names up in place of the system: a host's addresses, in the order in which to try them. Their ports are
    /// those of URLs that name none, where not 0.
    pub fn resolver<F>(mut self, lookup: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Resolver::new(lookup);
        self
    }

    /// Which HTTP is spoken; [`Http2::Alpn`] if not set.
    #[cfg(feature = "http2")]
    pub fn http2(mut self, http2: Http2) -> Self {
        self.http2 = http2;
        self
    }

    /// How often the peer of an HTTP/2 connection is pinged while a call is under way, and how long it may take to
    /// answer before the connection counts as dead; 20 s if not set.
    #[cfg(feature = "http2")]
    pub fn http2_keep_alive(mut self, interval: Duration) -> Self {
        self.http2_keep_alive = Some(interval);
        self
    }

    /// How long a connection is kept while nothing is asked, 30 s if not set: less than servers do, because a question
    /// that crosses their close is lost. 0 keeps none.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle = Some(timeout);
        self
    }

    /// Makes the transport. Without a connect timeout among the settings, which is how they begin, the call's own
    /// clocks end a connection that does not come about.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest) naming the setting: a certificate or a key that is not
    /// valid, a file of `SSL_CERT_FILE` or `SSL_CERT_DIR` without certificates, a TLS configuration that names protocols or
    /// is given together with certificates, a variable of the environment that is not a valid proxy, if that proxy is for
    /// the base URL of the settings.
    pub fn build(mut self, settings: &TransportSettings) -> Result<HyperTransport, Error> {
        self.roots.extend(settings.root_certificates.iter().cloned());
        let mut tls = self.take_tls()?;
        tls.alpn_protocols = self.protocols().iter().map(|name| name.to_vec()).collect();
        let proxy = self.proxy.take().unwrap_or_else(Proxy::from_env);
        // No proxy forwards HTTP/2.
        let forwards = !self.is_http2_only();
        let connector = Connector::new(tls, proxy, self.resolver.clone(), forwards, settings.connect_timeout);
        settings.base_url.iter().try_for_each(|uri| connector.check(uri))?;
        Ok(HyperTransport::new(self.pools(connector.clone()), connector))
    }

    fn take_tls(&mut self) -> Result<ClientConfig, Error> {
        let (roots, identity) = (mem::take(&mut self.roots), self.identity.take());
        match self.tls.take() {
            Some(tls) if !tls.alpn_protocols.is_empty() => {
                Err(Error::invalid_request("tls", "names ALPN protocols, which the transport sets"))
            }
            Some(_) if !roots.is_empty() || identity.is_some() => {
                Err(Error::invalid_request("tls", "has its own certificates: set them there"))
            }
            Some(tls) => Ok(tls),
            None => tls::config(roots, identity),
        }
    }

    /// What is offered by ALPN, the best one first.
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

/// The clock of a pool. hyper-util looks for connections to close as often as it closes them, so that one could be idle for
/// twice its time. With this it looks more often.
#[derive(Clone, Debug)]
struct IdleTimer(TokioTimer);

/// How often a connection is looked at in its idle time.
const LOOKS: u32 = 8;

impl Timer for IdleTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.sleep(duration / LOOKS)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}
