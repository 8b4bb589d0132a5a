//! Any `tower` service in the place of hyper's client, and hyper's client as such a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tower::util::Oneshot;
use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::{BoxError, TransportError};
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tower_service::Service;

use crate::body::{AnswerBody, Sending};
use crate::classify::{Reason, SendError, classify};
use crate::transport::{self, HyperTransport};

/// A [`Transport`] over a [`tower::Service`] of HTTP requests: hyper's client under layers, or any other client.
///
/// ```
/// # fn make() -> Result<(), transport_hyper::Error> {
/// use tower::ServiceBuilder;
/// use transport_hyper::{HyperTransport, ServiceTransport};
///
/// let client = chat_client::Client::builder().api_key("secret").build_with(|settings| {
///     let hyper = HyperTransport::builder().build(settings)?;
///     Ok(ServiceTransport::new(ServiceBuilder::new().concurrency_limit(8).service(hyper)))
/// })?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
///
/// The service is cloned for every attempt, and an attempt waits until its clone is ready, within the head's time. What it
/// must leave alone is what the client does by itself: no layer may try again, follow redirects or decode the body.
///
/// The limits of heads and of interim responses, and early answers while a request is being sent, are a [`HyperTransport`]'s
/// own; another service has its own.
///
/// Its errors are looked through for those of this crate, hyper and hyper-util. Of any other it is assumed that the server
/// may have read the request.
#[derive(Clone)]
pub struct ServiceTransport<S> {
    service: S,
    /// On tokio's clock, which tests may stop.
    origin: Instant,
}

impl<S> ServiceTransport<S> {
    /// A transport over a service.
    pub fn new(service: S) -> Self {
        Self { service, origin: Instant::now() }
    }
}

impl<S> fmt::Debug for ServiceTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

impl<S, B> Transport for ServiceTransport<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Send = ServiceSending<S>;
    type Body = B;
    type Error = SendError;
    type Sleep = tokio::time::Sleep;

    const PRODUCT: &'static str = HyperTransport::PRODUCT;

    fn send(&self, request: Request<Bytes>) -> ServiceSending<S> {
        ServiceSending(Box::pin(Oneshot::new(self.service.clone(), request.map(Full::new))))
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> tokio::time::Sleep {
        transport::sleep(deadline.saturating_sub(self.now()))
    }

    fn seed(&self) -> u64 {
        transport::seed()
    }

    fn classify(error: &SendError) -> TransportError {
        classify(error)
    }
}

/// The future of an answer's head from a service.
pub struct ServiceSending<S: Service<Request<Full<Bytes>>>>(Pin<Box<Oneshot<S, Request<Full<Bytes>>>>>);

impl<S, B> Future for ServiceSending<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
{
    type Output = Result<Response<B>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = ready!(self.0.as_mut().poll(cx));
        Poll::Ready(answered.map_err(|error| SendError(Reason::Service(error.into()))))
    }
}

impl<S: Service<Request<Full<Bytes>>>> fmt::Debug for ServiceSending<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSending").finish_non_exhaustive()
    }
}

/// For layers: under them it is the client that [`ServiceTransport`] sends by.
impl Service<Request<Full<Bytes>>> for HyperTransport {
    type Response = Response<AnswerBody>;
    type Error = SendError;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Sending {
        self.send(request.map(|body| body.into_inner().unwrap_or_default()))
    }
}
