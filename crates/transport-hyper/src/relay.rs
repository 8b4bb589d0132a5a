//! Frames that are ready, taken together.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use chat_client::driver::BoxError;
use hyper::body::{Body, Frame};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// How much may wait to be taken. As much waits in hyper's own buffer.
const ROOM: usize = 64 << 10;

/// Whether whoever polls is no task of the runtime's workers, but a thread that waits in `block_on`, as that of
/// `#[tokio::main]` does.
///
/// hyper hands over one frame at a time, and its connection is a task. A worker that takes a frame runs that task next,
/// at no cost to speak of. Any other thread is woken for each frame and wakes a worker for the next: measured on two
/// cores, 18 to 30 thousand events a second where each is a write of its own, and 900 thousand with frames taken
/// together.
pub(crate) fn is_far_from_workers() -> bool {
    tokio::task::try_id().is_none()
        && Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// A body whose frames a task of the workers has taken, as many as there were.
#[derive(Debug)]
pub(crate) struct Relay {
    queue: Arc<Mutex<Queue>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Result<Frame<Bytes>, BoxError>>,
    bytes: usize,
    is_over: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing here panics with the lock held.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A frame counts with the place that it takes in the queue, which is more than a small one holds.
fn size(frame: &Result<Frame<Bytes>, BoxError>) -> usize {
    size_of_val(frame) + frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len)
}

impl Relay {
    pub(crate) fn new<B>(mut body: B) -> Self
    where
        B: Body<Data = Bytes, Error = BoxError> + Unpin + Send + 'static,
    {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let filled = Arc::clone(&queue);
        let fill = std::future::poll_fn(move |cx| fill(&filled, &mut body, cx));
        Self { queue, task: tokio::spawn(fill) }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut queue = lock(&self.queue);
        let Some(frame) = queue.frames.pop_front() else {
            if queue.is_over {
                return Poll::Ready(None);
            }
            queue.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        queue.bytes -= size(&frame);
        // The task is woken when much has room again.
        let writer = if queue.bytes < ROOM / 2 { queue.writer.take() } else { None };
        drop(queue);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Some(frame))
    }
}

/// Dropping the body here closes its connection, or resets its stream.
impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn fill<B>(shared: &Mutex<Queue>, body: &mut B, cx: &mut Context<'_>) -> Poll<()>
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
{
    loop {
        let mut queue = lock(shared);
        if queue.bytes >= ROOM {
            queue.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(queue);
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        let mut queue = lock(shared);
        // Nothing comes after an error, though some bodies repeat it for ever.
        queue.is_over = !matches!(frame, Some(Ok(_)));
        if let Some(frame) = frame {
            queue.bytes += size(&frame);
            queue.frames.push_back(frame);
        }
        let (reader, is_over) = (queue.reader.take(), queue.is_over);
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        if is_over {
            return Poll::Ready(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Gives frames of a kilobyte up to a number, and then the same error for ever.
    struct Frames {
        given: Arc<AtomicUsize>,
        last: usize,
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let n = self.given.fetch_add(1, Ordering::SeqCst);
            Poll::Ready(Some(if n < self.last {
                Ok(Frame::data(Bytes::from(vec![n as u8; 1024])))
            } else {
                Err("broken".into())
            }))
        }
    }

    fn frames(last: usize) -> (Arc<AtomicUsize>, Relay) {
        let given = Arc::new(AtomicUsize::new(0));
        (Arc::clone(&given), Relay::new(Frames { given, last }))
    }

    async fn next(relay: &mut Relay) -> Option<Result<Frame<Bytes>, BoxError>> {
        std::future::poll_fn(|cx| relay.poll_frame(cx)).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn frames_keep_their_order_and_end_with_the_first_error() {
        let (given, mut relay) = frames(1000);
        for n in 0..1000 {
            let data = next(&mut relay).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((data.len(), data[0]), (1024, n as u8));
        }
        assert_eq!(next(&mut relay).await.unwrap().unwrap_err().to_string(), "broken");
        assert!(next(&mut relay).await.is_none());
        assert_eq!(given.load(Ordering::SeqCst), 1001);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_waits_is_bounded_and_what_is_dropped_ends() {
        let most = ROOM.div_ceil(1024 + size_of::<Result<Frame<Bytes>, BoxError>>());
        let (given, mut relay) = frames(usize::MAX);
        next(&mut relay).await.unwrap().unwrap();
        while given.load(Ordering::SeqCst) < most {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for taken in 2..10_000 {
            next(&mut relay).await.unwrap().unwrap();
            assert!(given.load(Ordering::SeqCst) <= taken + most);
        }
        assert!(is_far_from_workers());
        assert!(!tokio::spawn(async { is_far_from_workers() }).await.unwrap());
        // The task holds the body, whose end is told here by the count's other holder.
        drop(relay);
        while Arc::strong_count(&given) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
