//! The body of an answer, which moves its connection.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::connection::Connection;
use crate::pool::{Origin, Pool};

/// The body of an answer. It ends without an error only where its framing says that it is whole.
///
/// Its connection is idle again at its end, and closed when it is dropped before.
pub struct AnswerBody {
    incoming: Incoming,
    connection: Option<(Connection, Origin)>,
    pool: Arc<Pool>,
}

impl AnswerBody {
    pub(crate) fn new(incoming: Incoming, connection: Connection, origin: Origin, pool: Arc<Pool>) -> Self {
        Self { incoming, connection: Some((connection, origin)), pool }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.keep(),
            Poll::Ready(Some(Err(_))) => self.connection = None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    /// The answer is whole: its connection may serve another request.
    fn keep(&mut self) {
        if let Some((mut connection, origin)) = self.connection.take()
            && connection.is_ready()
        {
            self.pool.put(origin, connection);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        // The connection hands over a frame at a time, and reads the next one when that was taken.
        let ready = this.poll_incoming(cx);
        if ready.is_ready() {
            return ready;
        }
        if let Some((connection, _)) = &mut this.connection {
            connection.driver.poll(cx);
        }
        this.poll_incoming(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
