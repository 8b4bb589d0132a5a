//! Connections on any runtime that has sockets and a clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chat_client::Error;
use chat_client::driver::{TransportError, TransportSettings};
use chat_net::{ConnectError as DialError, Dialer, Origin, Proxy, ProxyServer, Runtime, Scheme, tls};
use futures_rustls::TlsConnector;
use futures_rustls::rustls::ClientConfig;
use futures_rustls::rustls::pki_types::ServerName;
use http::Uri;

use crate::engine::Connect;
use crate::error::ConnectError;
use crate::stream::{Paced, Stream};

/// [`Connect`] on a [`Runtime`]: names, addresses tried in turn, proxies, TLS by rustls, all within the connect timeout.
pub struct Connector<R> {
    dialer: Dialer<R>,
    tls: TlsConnector,
}

impl<R> fmt::Debug for Connector<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("dialer", &self.dialer).finish_non_exhaustive()
    }
}

impl<R: Runtime> Connector<R> {
    /// A connector with TLS as configured, and without proxies. Only HTTP/1.1 is offered, whatever the configuration says.
    pub fn new(runtime: R, mut tls: ClientConfig, timeout: Option<Duration>) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { dialer: Dialer::new(runtime, Proxy::none(), timeout), tls: TlsConnector::from(Arc::new(tls)) }
    }

    /// A connector for the settings of a client: with the default roots and those of the settings, and the proxies of the
    /// environment.
    ///
    /// # Errors
    ///
    /// Those of [`tls::config`], and of [`with_tls`](Self::with_tls).
    pub fn from_settings(runtime: R, settings: &TransportSettings) -> Result<Self, Error> {
        let tls = tls::config(settings.root_certificates.iter().cloned(), None)?;
        Self::for_url(runtime, tls, settings)
    }

    /// A connector for the settings of a client, with TLS as configured and the proxies of the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest). It names `root_certificates` if the settings have any:
    /// they belong into the configuration. It names the variable of the environment if the proxy for the client's base URL
    /// is not valid, or is an `https://` one.
    pub fn with_tls(runtime: R, tls: ClientConfig, settings: &TransportSettings) -> Result<Self, Error> {
        if !settings.root_certificates.is_empty() {
            return Err(Error::invalid_request(
                "root_certificates",
                "must be added to the TLS configuration that was given",
            ));
        }
        Self::for_url(runtime, tls, settings)
    }

    fn for_url(runtime: R, tls: ClientConfig, settings: &TransportSettings) -> Result<Self, Error> {
        let connector = Self::new(runtime, tls, settings.connect_timeout).via(Proxy::from_env())?;
        settings.base_url.iter().try_for_each(|uri| connector.dialer.check(uri))?;
        Ok(connector)
    }

    /// Goes through a proxy: [`Proxy::from_env`] for those of the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest), naming `proxy`, if the program set an `https://` proxy:
    /// TLS to proxies is not supported here. If the environment did, connecting through it is an error.
    pub fn via(self, proxy: Proxy) -> Result<Self, Error> {
        let proxy = proxy.only(&Scheme::WITHOUT_TLS)?;
        Ok(Self { dialer: self.dialer.with_proxy(proxy), ..self })
    }

    /// The runtime it runs on.
    pub fn runtime(&self) -> &R {
        self.dialer.runtime()
    }

    async fn open(&self, origin: &Origin) -> Result<Stream<R::Stream>, ConnectError> {
        let dialed = self.dialer.dial(origin).await?;
        if !dialed.early.is_empty() {
            // Neither TLS nor HTTP/1.1 begins with the server.
            return Err(ConnectError::new(TransportError::Connect, "the server sent data before the request"));
        }
        if !origin.is_https {
            return Ok(Stream::plain(dialed.stream));
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(DialError::tls)?;
        Ok(self.tls.connect(name, Paced::new(dialed.stream)).await.map(Stream::tls).map_err(DialError::tls)?)
    }
}

impl<R: Runtime> Connect for Connector<R> {
    type Io = Stream<R::Stream>;

    fn forwarder(&self, uri: &Uri) -> Option<&ProxyServer> {
        self.dialer.forwarder(uri)
    }

    async fn connect(&self, uri: &Uri) -> Result<Self::Io, ConnectError> {
        let origin = Origin::of(uri);
        self.dialer.in_time(&origin, self.open(&origin)).await
    }
}
