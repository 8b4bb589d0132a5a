//! A connector for any runtime that has sockets and a clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chat_client::Error;
use chat_client::driver::{TransportError, TransportSettings};
use chat_net::{ConnectError, Dialer, Origin, Proxy, ProxyServer, Runtime, Scheme, tls};
use futures_rustls::TlsConnector;
use futures_rustls::rustls::ClientConfig;
use futures_rustls::rustls::pki_types::ServerName;
use http::Uri;

use crate::engine::Connect;
use crate::stream::{BudgetedSocket, Stream};

/// [`Connect`] on a [`Runtime`].
///
/// It resolves names, tries their addresses in turn, goes through proxies, and adds TLS by rustls. The connect timeout
/// covers all of this.
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
    /// Creates a connector with a TLS configuration and without proxies. `timeout` is the connect timeout.
    ///
    /// The ALPN protocols of the configuration are replaced: only HTTP/1.1 is offered.
    pub fn new(runtime: R, mut tls: ClientConfig, timeout: Option<Duration>) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { dialer: Dialer::new(runtime, Proxy::none(), timeout), tls: TlsConnector::from(Arc::new(tls)) }
    }

    /// Creates a connector for the settings of a client. It trusts the default roots and those of the settings, and uses
    /// the proxies of the environment.
    ///
    /// # Errors
    ///
    /// The errors of [`tls::config`] and [`with_tls`](Self::with_tls).
    pub fn from_settings(runtime: R, settings: &TransportSettings) -> Result<Self, Error> {
        let tls = tls::config(settings.root_certificates.iter().cloned(), None)?;
        Self::for_url(runtime, tls, settings)
    }

    /// Creates a connector for the settings of a client, with a TLS configuration and the proxies of the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest). It names `root_certificates` if the settings have any:
    /// add them to the TLS configuration instead. It names the environment variable if the proxy for the client's base URL
    /// is not valid, or is an `https://` proxy.
    pub fn with_tls(runtime: R, tls: ClientConfig, settings: &TransportSettings) -> Result<Self, Error> {
        if !settings.root_certificates.is_empty() {
            return Err(Error::invalid_request(
                "root_certificates",
                "can't be combined with a TLS configuration: add the certificates to that configuration",
            ));
        }
        Self::for_url(runtime, tls, settings)
    }

    fn for_url(runtime: R, tls: ClientConfig, settings: &TransportSettings) -> Result<Self, Error> {
        let connector = Self::new(runtime, tls, settings.connect_timeout).via(Proxy::from_env())?;
        settings.base_url.iter().try_for_each(|uri| connector.dialer.check(uri))?;
        Ok(connector)
    }

    /// Sets the proxy. Use [`Proxy::from_env`] for the proxies of the environment.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest), naming `proxy`, if the program set an `https://` proxy:
    /// TLS to proxies is not supported here. An `https://` proxy of the environment is an error when it would be used.
    pub fn via(self, proxy: Proxy) -> Result<Self, Error> {
        let proxy = proxy.only(&Scheme::WITHOUT_TLS)?;
        Ok(Self { dialer: self.dialer.with_proxy(proxy), ..self })
    }

    /// The runtime.
    pub fn runtime(&self) -> &R {
        self.dialer.runtime()
    }

    async fn open(&self, origin: &Origin) -> Result<Stream<R::Stream>, ConnectError> {
        let dialed = self.dialer.dial(origin).await?;
        if !dialed.early.is_empty() {
            // In TLS and HTTP/1.1, the client sends first.
            return Err(ConnectError::other(TransportError::Connect, "the server sent data before the request"));
        }
        if !origin.is_https {
            return Ok(Stream::plain(dialed.stream));
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(ConnectError::tls)?;
        let socket = BudgetedSocket::new(dialed.stream);
        self.tls.connect(name, socket).await.map(Stream::tls).map_err(ConnectError::tls)
    }
}

impl<R: Runtime> Connect for Connector<R> {
    type Io = Stream<R::Stream>;

    fn forwarder(&self, uri: &Uri) -> Option<&ProxyServer> {
        self.dialer.forwarder(uri)
    }

    async fn connect(&self, uri: &Uri) -> Result<Self::Io, ConnectError> {
        let origin = Origin::of(uri);
        self.dialer.with_timeout(&origin, self.open(&origin)).await
    }
}
