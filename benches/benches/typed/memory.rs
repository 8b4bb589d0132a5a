//! A transport without sockets: its answers are prepared and always ready.

use std::future::{Future, Pending, Ready, pending, ready};
use std::pin::{Pin, pin};
use std::slice::Iter;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::{BoxError, TransportError};
use futures_util::task::noop_waker_ref;
use http_body::Frame;

use crate::layers::head;

/// Answers each request with the same chunks. Its clock stands still.
pub(crate) struct Memory(pub(crate) &'static [Bytes]);

pub(crate) struct Chunks(Iter<'static, Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk.clone()))))
    }
}

impl Transport for Memory {
    type Send = Ready<Result<http::Response<Chunks>, BoxError>>;
    type Body = Chunks;
    type Error = BoxError;
    type Sleep = Pending<()>;

    const PRODUCT: &'static str = "memory/0.0.0";

    fn send(&self, _: http::Request<Bytes>) -> Self::Send {
        ready(Ok(head().map(|()| Chunks(self.0.iter()))))
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

/// Runs a future without a runtime. It is pending only when it yields.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            return output;
        }
    }
}
