//! Bodies: a request's, read within a limit, and an answer's, whole or event by event.

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

/// The largest body that is taken: a question with its context is far smaller.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// How much of a body that is too large is read and thrown away, so that a client that writes all before it reads gets
/// its 413 rather than a reset.
const MAX_DISCARDED: usize = 16 << 20;

/// Why a request's body was not taken.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Over [`MAX_BODY`].
    TooLarge,
    /// It broke off.
    Broken,
}

/// Reads a request's body.
pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Unread> {
    let mut taken = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= MAX_BODY {
            taken.extend_from_slice(&data);
        } else if seen > MAX_DISCARDED {
            break;
        }
    }
    if seen <= MAX_BODY { Ok(taken.freeze()) } else { Err(Unread::TooLarge) }
}

/// An answer's body.
#[derive(Debug)]
pub(crate) struct Body {
    content: Content,
    /// Held until the body is sent or dropped.
    under_way: Option<Arc<()>>,
}

#[derive(Debug)]
enum Content {
    /// All at once; `None` once it was handed over.
    Whole(Option<Bytes>),
    /// One frame an event.
    Events(Events),
}

/// Events that are still to be sent, with a pause between them. Dropping it is all there is to a client that goes.
#[derive(Debug)]
struct Events {
    left: VecDeque<Bytes>,
    delay: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(Some(bytes.into())), under_way: None }
    }

    pub(crate) fn events(events: VecDeque<Bytes>, delay: Duration) -> Self {
        Self { content: Content::Events(Events { left: events, delay, pause: None }), under_way: None }
    }

    /// Holds a token for as long as the answer is under way.
    pub(crate) fn hold(mut self, token: Option<Arc<()>>) -> Self {
        self.under_way = token;
        self
    }
}

impl Events {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let event = self.left.pop_front();
        if !self.delay.is_zero() && !self.left.is_empty() {
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
            Content::Whole(bytes) => bytes.take(),
            Content::Events(events) => ready!(events.poll_next(cx)),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Events(events) => events.left.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            // The length is known, and still not said: a stream is chunked.
            Content::Events(_) => SizeHint::default(),
        }
    }
}
