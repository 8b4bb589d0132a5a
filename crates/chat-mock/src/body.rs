//! Bodies: reads a request's body up to a limit, and sends an answer's body whole or event by event.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

/// The maximum size of a request body. A question with its context is far smaller.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The maximum size of a body that is read and discarded because it is too large. A client that writes all of its
/// request before it reads then gets a 413 instead of a reset.
const MAX_DISCARDED: usize = 16 << 20;

/// Why a request body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The body is larger than [`MAX_BODY`].
    TooLarge,
    /// The connection ended before the body did.
    Incomplete,
}

/// Reads a request body.
pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, BodyError> {
    let mut taken = BytesMut::new();
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        size = size.saturating_add(data.len());
        if size <= MAX_BODY {
            taken.extend_from_slice(&data);
        } else if size > MAX_DISCARDED {
            break;
        }
    }
    if size <= MAX_BODY { Ok(taken.freeze()) } else { Err(BodyError::TooLarge) }
}

/// A response body.
#[derive(Debug)]
pub(crate) struct Body {
    content: Content,
    /// A token that is held until the body is sent or dropped.
    in_progress: Option<Arc<()>>,
}

#[derive(Debug)]
enum Content {
    /// One frame. `None` once it was sent.
    Full(Option<Bytes>),
    /// One frame per event.
    Events(Events),
}

/// Events that are not sent yet, with a pause between them. It is dropped when the client disconnects.
#[derive(Debug)]
struct Events {
    remaining: VecDeque<Bytes>,
    delay: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Full(Some(bytes.into())), in_progress: None }
    }

    pub(crate) fn events(events: VecDeque<Bytes>, delay: Duration) -> Self {
        Self { content: Content::Events(Events { remaining: events, delay, pause: None }), in_progress: None }
    }

    /// Holds a token until the body is sent or dropped.
    pub(crate) fn hold(mut self, token: Option<Arc<()>>) -> Self {
        self.in_progress = token;
        self
    }
}

impl Events {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let event = self.remaining.pop_front();
        if !self.delay.is_zero() && !self.remaining.is_empty() {
            self.pause = Some(Box::pin(sleep(self.delay)));
        }
        Poll::Ready(event)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.get_mut().content {
            Content::Full(bytes) => bytes.take(),
            Content::Events(events) => ready!(events.poll_next(cx)),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Full(bytes) => bytes.is_none(),
            Content::Events(events) => events.remaining.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            // The length is known but not announced, so that the stream is chunked.
            Content::Events(_) => SizeHint::default(),
        }
    }
}
