//! Reads the rest of a body after its answer is complete, so that the connection can be used again.

use std::pin::Pin;

use bytes::Bytes;
use chat_client::driver::{DRAIN_BYTES, DRAIN_TIME};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Reads a body to its end in a task of the current runtime, within the limits of
/// [`Transport::drain`](chat_client::Transport::drain). Drops the body at a limit, or if there is no runtime.
pub(crate) fn drain<B>(body: Pin<Box<B>>)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(timeout(DRAIN_TIME, read(body)));
    }
}

/// Reads a body to its end, an error, or more than [`DRAIN_BYTES`].
async fn read<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use hyper::body::Frame;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A body of so many pieces of a kilobyte. It counts the reads that yielded something, or the end.
    struct Pieces {
        left: usize,
        ends: bool,
        reads: Arc<AtomicUsize>,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 && !self.ends {
                return Poll::Pending;
            }
            self.reads.fetch_add(1, Ordering::SeqCst);
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
        }
    }

    /// Drains a body. Returns the number of reads, and the time until it is dropped.
    async fn drained(left: usize, ends: bool) -> (usize, Duration) {
        let reads = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        drain(Box::pin(Pieces { left, ends, reads: Arc::clone(&reads) }));
        while Arc::strong_count(&reads) > 1 {
            sleep(Duration::from_millis(1)).await;
        }
        (reads.load(Ordering::SeqCst), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_to_its_end_within_a_second_and_64_kib() {
        let short = Duration::from_millis(10);
        for (pieces, ends, reads, is_short) in [
            (0, true, 1, true),
            (64, true, 65, true),
            (1000, true, 65, true),
            (0, false, 0, false),
            (64, false, 64, false),
        ] {
            let (read, time) = drained(pieces, ends).await;
            assert_eq!(read, reads, "{pieces} pieces");
            assert!(if is_short { time < short } else { time >= DRAIN_TIME && time < DRAIN_TIME + short }, "{time:?}");
        }
    }

    #[test]
    fn without_a_runtime_the_body_is_dropped() {
        let reads = Arc::new(AtomicUsize::new(0));
        drain(Box::pin(Pieces { left: 1, ends: true, reads: Arc::clone(&reads) }));
        assert_eq!((Arc::strong_count(&reads), reads.load(Ordering::SeqCst)), (1, 0));
    }
}
