//! The response future and the body of an answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chat_client::driver::BoxError;
use chat_net::{ProxyError, ProxyServer};
use http::{Response, Version};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::client::legacy;

use crate::buffered_body::{BufferedBody, is_outside_workers};
use crate::in_flight::InFlight;
use crate::send_error::{Cause, SendError};

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody(Inner);

#[derive(Debug)]
enum Inner {
    Direct(IncomingBody),
    Buffered(BufferedBody),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Inner::Direct(body) => Pin::new(body).poll_frame(cx),
            Inner::Buffered(body) => body.poll_frame(cx),
        }
    }
}

/// hyper's body, with an error for an HTTP/2 stream that was closed too early.
///
/// hyper reports the end of the body when a stream is reset with `NO_ERROR` or cut off by a `GOAWAY` with that code.
#[derive(Debug)]
struct IncomingBody {
    incoming: Incoming,
    is_http2: bool,
    _in_flight: Option<InFlight>,
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(frame) => Poll::Ready(Some(frame.map_err(BoxError::from))),
            None if self.is_http2 && !self.incoming.is_end_stream() => Poll::Ready(Some(Err(Box::new(ClosedEarly)))),
            None => Poll::Ready(None),
        }
    }
}

/// The HTTP/2 stream was closed without an error code before its end.
#[derive(Debug)]
struct ClosedEarly;

impl fmt::Display for ClosedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP/2 stream was closed before its end")
    }
}

impl std::error::Error for ClosedEarly {}

/// Future of an answer's head.
#[derive(Debug)]
pub struct ResponseFuture {
    pub(crate) response: legacy::ResponseFuture,
    pub(crate) in_flight: Option<InFlight>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<AnswerBody>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_flooded = |in_flight: &Option<InFlight>| in_flight.as_ref().is_some_and(InFlight::is_flooded);
        // The timeouts of the call end it, even if the final response came in the same read.
        if is_flooded(&self.in_flight) {
            return Poll::Pending;
        }
        let result = ready!(Pin::new(&mut self.response).poll(cx));
        if is_flooded(&self.in_flight) {
            return Poll::Pending;
        }
        let in_flight = self.in_flight.take();
        let response = result.map_err(|error| SendError(Cause::Client(error)));
        Poll::Ready(response.and_then(|response| into_answer(response, in_flight)))
    }
}

fn into_answer(response: Response<Incoming>, in_flight: Option<InFlight>) -> Result<Response<AnswerBody>, SendError> {
    let forwarder = response.extensions().get::<ProxyServer>();
    let refusal = forwarder.and_then(|proxy| ProxyError::refusal(proxy, response.status(), response.headers()));
    if let Some(refusal) = refusal {
        return Err(SendError(Cause::Proxy(refusal.into())));
    }
    let is_http2 = response.version() == Version::HTTP_2;
    Ok(response.map(|incoming| {
        let body = IncomingBody { incoming, is_http2, _in_flight: in_flight };
        AnswerBody(if is_outside_workers() { Inner::Buffered(BufferedBody::new(body)) } else { Inner::Direct(body) })
    }))
}
