//! The rest of a body whose answer is complete.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chat_client::driver::DRAIN_BYTES;
use http_body::Body as _;
use hyper::body::Incoming;

use crate::connection::Driver;
use crate::io::Io;

/// The rest of an answer. Once it is read, its connection can be used again.
pub(crate) struct Rest {
    incoming: Incoming,
    /// Number of bytes that may still be read.
    left: usize,
}

impl Rest {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { incoming, left: DRAIN_BYTES }
    }

    /// Reads what has arrived. Returns true at the end, and false after an error or more than [`DRAIN_BYTES`].
    pub(crate) fn poll<T: Io>(&mut self, cx: &mut Context<'_>, driver: &mut Driver<T>) -> Poll<bool> {
        let mut incoming = Pin::new(&mut self.incoming);
        loop {
            match ready!(driver.poll_now(cx, |cx| incoming.as_mut().poll_frame(cx))) {
                Some(Ok(frame)) => match self.left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                    Some(left) => self.left = left,
                    None => return Poll::Ready(false),
                },
                Some(Err(_)) => return Poll::Ready(false),
                None => return Poll::Ready(true),
            }
        }
    }
}
