//! Any `tower` service as a transport, and [`HyperTransport`] as a `tower` service.

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

use crate::body::{AnswerBody, ResponseFuture};
use crate::drain;
use crate::send_error::{Cause, SendError};
use crate::transport::{self, HyperTransport};

/// A [`Transport`] over a [`tower::Service`] for HTTP requests: a [`HyperTransport`] below layers, or any other client.
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
/// The service is cloned for every attempt. An attempt waits until its clone is ready; the head timeout includes this wait.
/// Do not add layers that retry, follow redirects or decode the body.
///
/// The limits for heads and interim responses and the handling of early answers depend on the service. This crate documents
/// those of [`HyperTransport`].
///
/// An error of the service and its sources are searched for errors of this crate, hyper and hyper-util. After any other error,
/// the client assumes that the server may have read the request.
#[derive(Clone)]
pub struct ServiceTransport<S> {
    service: S,
    /// Uses tokio's clock, which tests can pause.
    origin: Instant,
}

impl<S> ServiceTransport<S> {
    /// Creates a transport over a service.
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
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Send = ServiceResponseFuture<S>;
    type Body = B;
    type Error = SendError;
    type Sleep = tokio::time::Sleep;

    const PRODUCT: &'static str = HyperTransport::PRODUCT;

    fn send(&self, request: Request<Bytes>) -> ServiceResponseFuture<S> {
        ServiceResponseFuture(Box::pin(Oneshot::new(self.service.clone(), request.map(Full::new))))
    }

    fn drain(&self, body: Pin<Box<B>>) {
        drain::drain(body);
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
        error.class()
    }
}

/// Future of an answer's head from a service.
pub struct ServiceResponseFuture<S: Service<Request<Full<Bytes>>>>(Pin<Box<Oneshot<S, Request<Full<Bytes>>>>>);

impl<S, B> Future for ServiceResponseFuture<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
{
    type Output = Result<Response<B>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.0.as_mut().poll(cx));
        Poll::Ready(result.map_err(|error| SendError(Cause::Service(error.into()))))
    }
}

impl<S: Service<Request<Full<Bytes>>>> fmt::Debug for ServiceResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceResponseFuture").finish_non_exhaustive()
    }
}

/// Lets layers wrap the transport. Pass the result to [`ServiceTransport::new`].
impl Service<Request<Full<Bytes>>> for HyperTransport {
    type Response = Response<AnswerBody>;
    type Error = SendError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> ResponseFuture {
        self.send(request.map(|body| body.into_inner().unwrap_or_default()))
    }
}
