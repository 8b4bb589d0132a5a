//! The body of an answer, which moves its connection.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::connection::Connection;
use crate::pool::{Origin, Pool};

/// The body of an answer. It ends without an error only where its framing says that it is whole.
///
/// Its connection is idle again once the last byte is here, and closed when it is dropped before.
pub struct AnswerBody {
    incoming: Incoming,
    connection: Option<(Connection, Origin)>,
    pool: Arc<Pool>,
}

impl AnswerBody {
    pub(crate) fn new(incoming: Incoming, connection: Connection, origin: Origin, pool: Arc<Pool>) -> Self {
        let mut body = Self { incoming, connection: Some((connection, origin)), pool };
        if body.is_end_stream() {
            body.keep();
        }
        body
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
        let Self { incoming, connection, .. } = &mut *self;
        let mut incoming = Pin::new(incoming);
        let frame = ready!(match connection {
            Some((connection, _)) => connection.driver.poll(cx, |cx| incoming.as_mut().poll_frame(cx)),
            None => incoming.poll_frame(cx),
        });
        match &frame {
            Some(Err(_)) => self.connection = None,
            None => self.keep(),
            // The last bytes of a known length: nobody need ask for the end after them.
            Some(Ok(_)) if self.incoming.is_end_stream() => self.keep(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
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
