//! The transport.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::{FromSettings, TransportError, TransportSettings};
use chat_client::{Error, Transport};
use http::header::PROXY_AUTHORIZATION;
use tokio::time::Instant;

use crate::body::{AnswerBody, Sending};
use crate::builder::HyperTransportBuilder;
use crate::classify::{SendError, classify};
use crate::connect::Connector;
use crate::pools::Pools;

/// [`Transport`] over hyper. It must be used inside a tokio runtime with I/O and time.
///
/// One transport serves any number of runtimes. Each has connections of its own, so that a call never waits for a runtime
/// that is parked. A parked runtime closes its idle connections when it runs again.
#[derive(Clone)]
pub struct HyperTransport {
    pools: Pools,
    /// Which knows where a request goes.
    connector: Connector,
    /// On tokio's clock, which tests may stop.
    origin: Instant,
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").finish_non_exhaustive()
    }
}

impl HyperTransport {
    /// The settings of a transport, to be changed and built.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    /// A transport with TLS of one's own. [`HyperTransportBuilder::tls`] says what of it is used.
    ///
    /// # Errors
    ///
    /// Those of [`HyperTransportBuilder::build`].
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Result<Self, Error> {
        Self::builder().tls(tls).build(settings)
    }

    pub(crate) fn new(pools: Pools, connector: Connector) -> Self {
        Self { pools, connector, origin: Instant::now() }
    }
}

impl FromSettings for HyperTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        Self::builder().build(settings)
    }
}

impl Transport for HyperTransport {
    type Send = Sending;
    type Body = AnswerBody;
    type Error = SendError;
    type Sleep = tokio::time::Sleep;

    const PRODUCT: &'static str = concat!("transport-hyper/", env!("CARGO_PKG_VERSION"));

    fn send(&self, mut request: http::Request<Bytes>) -> Sending {
        if let Some(proxy) = self.connector.forwarder(request.uri())
            && let Some(authorization) = proxy.authorization()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let (response, asked) = self.pools.request(request);
        Sending { response, asked: Some(asked) }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> tokio::time::Sleep {
        sleep(deadline.saturating_sub(self.now()))
    }

    fn seed(&self) -> u64 {
        seed()
    }

    fn classify(error: &SendError) -> TransportError {
        classify(error)
    }
}

pub(crate) fn sleep(time: Duration) -> tokio::time::Sleep {
    // What an instant does not hold is far enough away.
    let far = Duration::from_secs(30 * 365 * 86_400);
    tokio::time::sleep(time.min(far))
}

pub(crate) fn seed() -> u64 {
    // Keys drawn at random for each map are what the standard library has of chance.
    RandomState::new().hash_one(0u8)
}
