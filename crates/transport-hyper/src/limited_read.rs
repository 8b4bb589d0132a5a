//! Reads of a limited size, which keep hyper's read buffer small.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BufMut as _;
use chat_net::MAX_READ;
use hyper::rt::{Read, ReadBufCursor};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Reads at most [`MAX_READ`] bytes.
pub(crate) fn poll_read<T: Read + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    buf: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    // A slow stream has a small buffer.
    if buf.remaining() <= MAX_READ {
        return Pin::new(io).poll_read(cx, buf);
    }
    Pin::new(&mut TokioIo::new(Limited(TokioIo::new(io)))).poll_read(cx, buf)
}

/// The safe way to limit a read into memory that is not initialized is by tokio's traits.
struct Limited<T>(T);

impl<T: AsyncRead + Unpin> AsyncRead for Limited<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_read_buf(Pin::new(&mut self.0), cx, &mut buf.limit(MAX_READ)).map_ok(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hyper::rt::ReadBuf as HyperBuf;

    use super::*;

    /// Always has data.
    struct Endless;

    impl Read for Endless {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
            buf.put_slice(&vec![1; buf.remaining()]);
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_read_is_limited() {
        for (size, read) in [(100, 100), (MAX_READ, MAX_READ), (MAX_READ + 1, MAX_READ), (128 << 10, MAX_READ)] {
            let mut space = vec![0; size];
            let mut buf = HyperBuf::new(&mut space);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(poll_read(&mut Endless, &mut cx, buf.unfilled()).is_ready());
            assert_eq!(buf.filled(), vec![1; read]);
        }
    }
}
