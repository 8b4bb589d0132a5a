//! The settings of the transport.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use std::{io, mem};

use chat_client::{Error, TransportSettings};
use chat_net::Proxy;
use chat_net::tls::{self, Identity};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::connect::Connector;
use crate::resolve::Resolver;
use crate::transport::{self, HyperTransport, Pool};

/// How long a connection may lie idle before it is closed. Servers and load balancers close them too, after a minute or
/// more (60 s in AWS, 75 s in nginx); a request that is written while one does is lost, and nobody can tell whether it
/// was read. Half a minute stays clear of that.
const POOL_IDLE: Duration = Duration::from_secs(30);

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

/// What moves the bytes of a connection.
#[cfg(feature = "inline")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connections {
    /// A task of the runtime for each connection, and hyper-util's pool, which speaks HTTP/1.1 and HTTP/2.
    #[default]
    Pooled,
    /// Whoever polls the answer, so that no event is handed from one task to another. HTTP/1.1 alone; an HTTP proxy is
    /// asked for a tunnel whatever the URL. Nobody listens to a connection that is idle: it is asked before it is used
    /// again.
    Inline,
}

/// Makes a [`HyperTransport`].
///
/// ```no_run
/// use transport_hyper::rustls::pki_types::{CertificateDer, pem::PemObject};
/// use transport_hyper::{Client, Error, HyperTransport, Proxy, TransportSettings};
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
    #[cfg(feature = "inline")]
    connections: Connections,
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

    /// What moves the bytes of a connection; [`Connections::Pooled`] if not set.
    #[cfg(feature = "inline")]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
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
        if self.is_inline() && self.is_http2_only() {
            return Err(Error::invalid_request("connections", "that are inline speak no HTTP/2"));
        }
        self.roots.extend(settings.root_certificates.iter().cloned());
        let mut tls = self.take_tls()?;
        tls.alpn_protocols = self.protocols().iter().map(|name| name.to_vec()).collect();
        let proxy = self.proxy.take().unwrap_or_else(Proxy::from_env);
        // The pool alone writes requests as a proxy wants them, and no proxy forwards HTTP/2.
        let forwards = !self.is_http2_only() && !self.is_inline();
        let connector = Connector::new(tls, proxy, self.resolver.clone(), forwards, settings.connect_timeout);
        settings.base_url.iter().try_for_each(|uri| connector.check(uri))?;
        Ok(HyperTransport::new(self.connections_of(connector.clone()), connector))
    }

    fn connections_of(&self, connector: Connector) -> transport::Connections {
        #[cfg(feature = "inline")]
        if self.is_inline() {
            let idle = self.pool_idle.unwrap_or(POOL_IDLE);
            return transport::Connections::Inline(chat_http1::Engine::with_max_idle_time(connector, idle));
        }
        transport::Connections::Pooled(Box::new(self.pool(connector)))
    }

    fn is_inline(&self) -> bool {
        #[cfg(feature = "inline")]
        return self.connections == Connections::Inline;
        #[cfg(not(feature = "inline"))]
        false
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
            _ if self.is_inline() => {}
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

    fn pool(&self, connector: Connector) -> Pool {
        let mut pool = legacy::Client::builder(TokioExecutor::new());
        pool.pool_timer(TokioTimer::new()).timer(TokioTimer::new());
        match self.pool_idle.unwrap_or(POOL_IDLE) {
            Duration::ZERO => pool.pool_max_idle_per_host(0),
            timeout => pool.pool_idle_timeout(timeout),
        };
        #[cfg(feature = "http2")]
        {
            let interval = self.http2_keep_alive.unwrap_or(HTTP2_KEEP_ALIVE);
            pool.http2_only(self.is_http2_only());
            pool.http2_keep_alive_interval(interval).http2_keep_alive_timeout(interval);
        }
        pool.build(connector)
    }
}
