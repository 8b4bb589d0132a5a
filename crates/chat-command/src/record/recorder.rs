//! A transport that records what another one does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::{BoxError, TransportError};
use chat_client::proto::Redactor;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::log::Log;
use super::recording::End;
use crate::message::with_sources;

/// Records the calls of a transport.
pub(crate) struct Recorder<T> {
    inner: Arc<T>,
    log: Arc<Log>,
}

impl<T> Recorder<T> {
    pub(crate) fn new(inner: T, log: Arc<Log>) -> Self {
        Self { inner: Arc::new(inner), log }
    }
}

impl<T: Transport> Transport for Recorder<T> {
    type Send = Sending<T>;
    type Body = Recorded<T>;
    type Error = Failed;
    type Sleep = T::Sleep;

    const PRODUCT: &'static str = T::PRODUCT;

    fn send(&self, request: Request<Bytes>) -> Sending<T> {
        self.log.request(self.now(), &request);
        let attempt = Attempt {
            transport: Arc::clone(&self.inner),
            log: Arc::clone(&self.log),
            redactor: self.log.secrets().redactor(),
            has_ended: false,
        };
        Sending { inner: Box::pin(self.inner.send(request)), attempt: Some(attempt) }
    }

    fn drain(&self, body: Pin<Box<Recorded<T>>>) {
        let Recorded { inner, mut attempt } = *Pin::into_inner(body);
        attempt.end(&End::Dropped);
        self.inner.drain(inner);
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn sleep_until(&self, deadline: Duration) -> T::Sleep {
        self.inner.sleep_until(deadline)
    }

    fn seed(&self) -> u64 {
        let seed = self.inner.seed();
        self.log.seed(seed);
        seed
    }

    fn classify(error: &Failed) -> TransportError {
        error.class
    }
}

/// An attempt until its end.
struct Attempt<T: Transport> {
    transport: Arc<T>,
    log: Arc<Log>,
    redactor: Option<Redactor>,
    has_ended: bool,
}

impl<T: Transport> Attempt<T> {
    fn data(&mut self, chunk: &[u8]) {
        let now = self.transport.now();
        match &mut self.redactor {
            Some(redactor) => self.log.data(now, &redactor.push(chunk)),
            None => self.log.data(now, chunk),
        }
    }

    fn end(&mut self, end: &End) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let now = self.transport.now();
        let rest = self.redactor.as_mut().map(Redactor::end).unwrap_or_default();
        if !rest.is_empty() {
            self.log.data(now, &rest);
        }
        self.log.end(now, end);
    }

    fn failed(&mut self, class: TransportError, error: &BoxError) {
        self.end(&End::Failed(class, with_sources(&**error)));
    }
}

impl<T: Transport> Drop for Attempt<T> {
    fn drop(&mut self) {
        self.end(&End::Dropped);
    }
}

/// The future of a response's head.
pub(crate) struct Sending<T: Transport> {
    inner: Pin<Box<T::Send>>,
    /// `None` once the head has arrived.
    attempt: Option<Attempt<T>>,
}

impl<T: Transport> Future for Sending<T> {
    type Output = Result<Response<Recorded<T>>, Failed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let sent = ready!(this.inner.as_mut().poll(cx));
        let mut attempt = this.attempt.take().expect("a future is not polled after its end");
        Poll::Ready(match sent {
            Ok(response) => {
                attempt.log.response(attempt.transport.now(), &response);
                Ok(response.map(|body| Recorded { inner: Box::pin(body), attempt }))
            }
            Err(error) => {
                let class = T::classify(&error);
                let error = error.into();
                attempt.failed(class, &error);
                Err(Failed { class, error })
            }
        })
    }
}

/// The body of a response.
pub(crate) struct Recorded<T: Transport> {
    inner: Pin<Box<T::Body>>,
    attempt: Attempt<T>,
}

impl<T: Transport> Body for Recorded<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.inner.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                // Trailers count as an empty read.
                this.attempt.data(frame.data_ref().map_or(&[], |chunk| &chunk[..]));
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = error.into();
                this.attempt.failed(TransportError::Body, &error);
                Some(Err(error))
            }
            None => {
                this.attempt.end(&End::Complete);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The error of the inner transport, with its class.
#[derive(Debug)]
pub(crate) struct Failed {
    class: TransportError,
    error: BoxError,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl From<Failed> for BoxError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}
