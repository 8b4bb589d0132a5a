//! Reads of a limited size, which keep hyper's read buffer small.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use chat_net::MAX_READ;
use futures_io::AsyncRead;
use hyper::rt::ReadBufCursor;

thread_local! {
    /// The memory that this thread reads into.
    ///
    /// Safe code can't read into hyper's buffer, because it is not initialized. Copying what was read costs less than
    /// initializing the whole buffer for each read, and touches no unused memory.
    static SPACE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Reads at most [`MAX_READ`] bytes.
pub(crate) fn poll_read<T: AsyncRead + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    mut buf: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    // The memory is missing if the thread has not read before, if this read is inside another one, or if the thread ends.
    let kept = SPACE.try_with(Cell::take).ok().flatten();
    let mut space = kept.unwrap_or_else(|| vec![0; MAX_READ].into_boxed_slice());
    let length = buf.remaining().min(MAX_READ);
    let read = Pin::new(io).poll_read(cx, &mut space[..length]);
    if let Poll::Ready(Ok(count)) = read {
        buf.put_slice(&space[..count]);
    }
    let _ = SPACE.try_with(|kept| kept.set(Some(space)));
    read.map_ok(|_| ())
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hyper::rt::ReadBuf;

    use super::*;

    /// Always has data. With a depth, it reads that from another one first.
    struct Endless {
        depth: u8,
    }

    impl AsyncRead for Endless {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            buf.fill(self.depth);
            if self.depth > 0 {
                assert_eq!(read(self.depth - 1, 8), [self.depth - 1; 8]);
            }
            Poll::Ready(Ok(buf.len()))
        }
    }

    fn read(depth: u8, size: usize) -> Vec<u8> {
        let mut space = vec![u8::MAX; size];
        let mut buf = ReadBuf::new(&mut space);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(poll_read(&mut Endless { depth }, &mut cx, buf.unfilled()).is_ready());
        buf.filled().to_vec()
    }

    #[test]
    fn a_read_is_limited() {
        assert_eq!(read(0, 100), [0; 100]);
        assert_eq!(read(0, 128 << 10), [0; MAX_READ]);
    }

    #[test]
    fn a_read_inside_another_one_has_its_own_memory() {
        assert_eq!(read(2, 100), [2; 100]);
    }
}
