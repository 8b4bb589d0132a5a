//! A transport without sockets: its answers are prepared and always ready.

use std::future::{Pending, Ready, pending, ready};
use std::pin::Pin;
use std::slice::Iter;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::{BoxError, TransportError};
use http::HeaderValue;
use http_body::Frame;

/// Answers each request with the same chunks. Its clock stands still.
#[derive(Debug)]
pub struct Memory {
    /// The chunks of every answer.
    pub chunks: &'static [Bytes],
    /// Whether an answer ends after its chunks. Otherwise it waits.
    pub ends: bool,
}

/// The body of an answer.
#[derive(Debug)]
pub struct Body {
    chunks: Iter<'static, Bytes>,
    ends: bool,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.chunks.next() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk.clone())))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// The head of every answer.
pub fn head() -> http::Response<()> {
    let mut head = http::Response::new(());
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
        ("x-request-id", "req_01J9ZK4Q8W3M6T"),
        ("transfer-encoding", "chunked"),
    ] {
        head.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    head
}

impl Transport for Memory {
    type Send = Ready<Result<http::Response<Body>, BoxError>>;
    type Body = Body;
    type Error = BoxError;
    type Sleep = Pending<()>;

    const PRODUCT: &'static str = "memory/0.0.0";

    fn send(&self, _: http::Request<Bytes>) -> Self::Send {
        ready(Ok(head().map(|()| Body { chunks: self.chunks.iter(), ends: self.ends })))
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, _: Duration) -> Pending<()> {
        pending()
    }

    fn seed(&self) -> u64 {
        1
    }

    fn classify(_: &BoxError) -> TransportError {
        TransportError::MaybeSent
    }
}
