//! The transport over hyper.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::TransportError;
use http::header::PROXY_AUTHORIZATION;
use tokio::time::Instant;

use crate::body::{AnswerBody, ResponseFuture};
use crate::connector::Connector;
use crate::drain;
use crate::pools::Pools;
use crate::send_error::SendError;

/// A [`Transport`] over hyper. Use it inside a tokio runtime with I/O and time enabled.
///
/// One transport serves any number of runtimes. Each runtime has its own connections, so a call never waits for a parked
/// runtime. A parked runtime closes its idle connections when it runs again.
#[derive(Clone)]
pub struct HyperTransport {
    pools: Pools,
    /// Finds the proxy that forwards a request.
    connector: Connector,
    /// Uses tokio's clock, which tests can pause.
    origin: Instant,
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").finish_non_exhaustive()
    }
}

impl HyperTransport {
    pub(crate) fn new(pools: Pools, connector: Connector) -> Self {
        Self { pools, connector, origin: Instant::now() }
    }
}

impl Transport for HyperTransport {
    type Send = ResponseFuture;
    type Body = AnswerBody;
    type Error = SendError;
    type Sleep = tokio::time::Sleep;

    const PRODUCT: &'static str = concat!("transport-hyper/", env!("CARGO_PKG_VERSION"));

    fn send(&self, mut request: http::Request<Bytes>) -> ResponseFuture {
        if let Some(proxy) = self.connector.forwarder(request.uri())
            && let Some(authorization) = proxy.authorization()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let (response, in_flight) = self.pools.request(request);
        ResponseFuture { response, in_flight: Some(in_flight) }
    }

    fn drain(&self, body: Pin<Box<AnswerBody>>) {
        drain::drain(body);
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
        error.class()
    }
}

pub(crate) fn sleep(time: Duration) -> tokio::time::Sleep {
    // A longer time may overflow an `Instant`.
    const MAX_SLEEP: Duration = Duration::from_secs(30 * 365 * 86_400);
    tokio::time::sleep(time.min(MAX_SLEEP))
}

pub(crate) fn seed() -> u64 {
    // `RandomState` has random keys. The standard library has no other source of randomness.
    RandomState::new().hash_one(0u8)
}
