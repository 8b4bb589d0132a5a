//! The body of an answer, which drives its connection.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::connection::Connection;
use crate::io::Io;
use crate::pool::{Key, Pool};
use crate::rest::Rest;

/// The body of an answer. It ends without an error only if it is complete according to its framing.
///
/// `T` is the type of the connection; the body is `Send` if that is. After the last byte the connection is idle and can
/// be used again. Dropping the body earlier closes the connection, and [`drain`](Self::drain) may keep it.
pub struct AnswerBody<T: Io> {
    incoming: Incoming,
    connection: Option<(Connection<T>, Key)>,
    pool: Arc<Pool<T>>,
}

impl<T: Io> AnswerBody<T> {
    pub(crate) fn new(incoming: Incoming, connection: Connection<T>, key: Key, pool: Arc<Pool<T>>) -> Self {
        let mut body = Self { incoming, connection: Some((connection, key)), pool };
        if body.is_end_stream() {
            body.keep();
        }
        body
    }

    /// Ends the reading. The connection is used again if the rest of the body is short and arrives soon. This is
    /// [`Transport::drain`](chat_client::Transport::drain).
    ///
    /// What has arrived is read at once, without waiting. What follows is read as it arrives if
    /// [`Engine::close_idle`](crate::Engine::close_idle) runs, or else when the connection is needed again. If the rest is
    /// larger than 64 KiB, or not complete when the connection is needed or after 1 s, the connection closes.
    pub fn drain(self) {
        if let Some((mut connection, key)) = self.connection {
            connection.rest = Some(Rest::new(self.incoming));
            self.pool.put(key, connection);
        }
    }

    /// Returns the connection of a complete answer to the pool.
    fn keep(&mut self) {
        if let Some((connection, key)) = self.connection.take() {
            self.pool.put(key, connection);
        }
    }
}

impl<T: Io> Body for AnswerBody<T> {
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
            // After the last bytes of a known length, callers need not poll for the end.
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

impl<T: Io> fmt::Debug for AnswerBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
