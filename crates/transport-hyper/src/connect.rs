//! Connecting within a time, name and TLS included.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use tower_service::Service;

/// A connector that gives up after a time.
///
/// hyper-util's own connect timeout covers TCP alone: a name server that does not answer, or a peer that is silent in
/// the TLS handshake, would hold the call for as long as they like.
#[derive(Clone)]
pub(crate) struct Within<C> {
    pub(crate) connector: C,
    pub(crate) timeout: Option<Duration>,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Response: Send,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match timeout {
                Some(timeout) => match tokio::time::timeout(timeout, connecting).await {
                    Ok(connected) => connected,
                    Err(_) => Err(Box::new(TimedOut(timeout)) as BoxError),
                },
                None => connecting.await,
            }
        })
    }
}

/// No connection came about in time.
#[derive(Debug)]
pub(crate) struct TimedOut(Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.0)
    }
}

impl Error for TimedOut {}
