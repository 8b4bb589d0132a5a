//! An answer: its head, and a body whose end is to be believed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chat_client::driver::BoxError;
use chat_net::{ProxyError, ProxyServer};
use http::{Response, Version};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::client::legacy::ResponseFuture;

use crate::asked::Asked;
use crate::classify::{Reason, SendError};
use crate::relay::{Relay, is_far_from_workers};

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody(Way);

#[derive(Debug)]
enum Way {
    Near(Answer),
    Far(Relay),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Way::Near(answer) => Pin::new(answer).poll_frame(cx),
            Way::Far(relay) => relay.poll_frame(cx),
        }
    }
}

/// hyper's body, which ends without an error only where the answer did.
///
/// hyper takes an HTTP/2 stream that is reset with `NO_ERROR`, or left behind by such a `GOAWAY`, for one that ended.
#[derive(Debug)]
struct Answer {
    incoming: Incoming,
    is_http2: bool,
    _asked: Option<Asked>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(frame) => Poll::Ready(Some(frame.map_err(BoxError::from))),
            None if self.is_http2 && !self.incoming.is_end_stream() => Poll::Ready(Some(Err(Box::new(EndedEarly)))),
            None => Poll::Ready(None),
        }
    }
}

/// The stream was closed before its end, in good order.
#[derive(Debug)]
struct EndedEarly;

impl fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP/2 stream was closed before its end")
    }
}

impl std::error::Error for EndedEarly {}

/// The future of an answer's head.
#[derive(Debug)]
pub struct Sending {
    pub(crate) response: ResponseFuture,
    pub(crate) asked: Option<Asked>,
}

impl Future for Sending {
    type Output = Result<Response<AnswerBody>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_flooded = |asked: &Option<Asked>| asked.as_ref().is_some_and(Asked::is_flooded);
        // The timeouts of the call end it, even if the answer has come in the same read.
        if is_flooded(&self.asked) {
            return Poll::Pending;
        }
        let answered = ready!(Pin::new(&mut self.response).poll(cx));
        if is_flooded(&self.asked) {
            return Poll::Pending;
        }
        let asked = self.asked.take();
        let response = answered.map_err(|error| SendError(Reason::Pooled(error)));
        Poll::Ready(response.and_then(|response| pooled(response, asked)))
    }
}

fn pooled(response: Response<Incoming>, asked: Option<Asked>) -> Result<Response<AnswerBody>, SendError> {
    let forwarder = response.extensions().get::<ProxyServer>();
    let refusal = forwarder.and_then(|proxy| ProxyError::refusal(proxy, response.status(), response.headers()));
    if let Some(refusal) = refusal {
        return Err(SendError(Reason::Proxy(refusal.into())));
    }
    let is_http2 = response.version() == Version::HTTP_2;
    Ok(response.map(|incoming| {
        let answer = Answer { incoming, is_http2, _asked: asked };
        AnswerBody(if is_far_from_workers() { Way::Far(Relay::new(answer)) } else { Way::Near(answer) })
    }))
}
