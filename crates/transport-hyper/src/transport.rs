//! The transport.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_client::{Error, FromSettings, Source, Transport, TransportError, TransportSettings};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::{AnswerBody, Sending};
use crate::classify::classify;
use crate::connect::Within;

/// [`Transport`] over hyper-util's pooled client. It must be used inside a tokio runtime with I/O and time.
#[derive(Clone)]
pub struct HyperTransport {
    client: legacy::Client<Within<HttpsConnector<HttpConnector>>, Full<Bytes>>,
    origin: Instant,
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").finish_non_exhaustive()
    }
}

impl HyperTransport {
    /// A transport with TLS of one's own: private roots, client certificates, another provider. Its ALPN protocols are set
    /// here and must be empty.
    ///
    /// # Panics
    ///
    /// If they are not.
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        #[cfg(feature = "http2")]
        let https = https.enable_all_versions();
        #[cfg(not(feature = "http2"))]
        let https = https.enable_http1();
        let connector = Within { connector: https.wrap_connector(http), timeout: settings.connect_timeout };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector);
        Self { client, origin: Instant::now() }
    }
}

impl FromSettings for HyperTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        let tls = default_tls().map_err(|error| Error::invalid_request("tls", "can't be set up").with_source(error))?;
        Ok(Self::with_tls(settings, tls))
    }
}

/// TLS by rustls with ring. The provider is named, so that no global choice of the user's is needed or overridden.
fn default_tls() -> Result<rustls::ClientConfig, Source> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    #[cfg(feature = "native-roots")]
    let builder = builder.with_native_roots()?;
    #[cfg(all(feature = "webpki-roots", not(feature = "native-roots")))]
    let builder = builder.with_webpki_roots();
    Ok(builder.with_no_client_auth())
}

impl Transport for HyperTransport {
    type Send = Sending;
    type Body = AnswerBody;
    type Error = legacy::Error;
    type Sleep = tokio::time::Sleep;

    const PRODUCT: &'static str = concat!("transport-hyper/", env!("CARGO_PKG_VERSION"));

    fn send(&self, request: http::Request<Bytes>) -> Sending {
        Sending(self.client.request(request.map(Full::new)))
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> tokio::time::Sleep {
        // A deadline past what an instant holds is far enough away.
        let far = Duration::from_secs(30 * 365 * 86_400);
        tokio::time::sleep(deadline.saturating_sub(self.now()).min(far))
    }

    fn seed(&self) -> u64 {
        // Keys drawn at random for each map are what the standard library has of chance.
        RandomState::new().hash_one(0u8)
    }

    fn classify(error: &legacy::Error) -> TransportError {
        classify(error)
    }
}
