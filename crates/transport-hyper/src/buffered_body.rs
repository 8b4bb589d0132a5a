//! A body that reads frames ahead.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use chat_client::driver::BoxError;
use hyper::body::{Body, Frame};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// Maximum size of the buffered frames. hyper's own buffer may hold as much again.
const CAPACITY: usize = 64 << 10;

/// Whether the caller is not a task of a multi-threaded runtime, but a thread in `block_on`, such as that of
/// `#[tokio::main]`.
///
/// hyper hands over one frame at a time, and its connection is a task. When a worker takes a frame, it runs that task next,
/// which costs little. Any other thread is woken for each frame and wakes a worker for the next one. Measured on two cores
/// with one write per event: 18 to 30 thousand events per second without a buffer, 900 thousand with it.
pub(crate) fn is_outside_workers() -> bool {
    tokio::task::try_id().is_none()
        && Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// A body whose frames a task of the runtime reads ahead, up to [`CAPACITY`].
#[derive(Debug)]
pub(crate) struct BufferedBody {
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
    // No code here panics while it holds the lock.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Size of a frame, including its entry in the queue, which is larger than a small frame's data.
fn size(frame: &Result<Frame<Bytes>, BoxError>) -> usize {
    size_of_val(frame) + frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len)
}

impl BufferedBody {
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
        // The task is woken once half of the buffer is free, not for each frame.
        let writer = if queue.bytes < CAPACITY / 2 { queue.writer.take() } else { None };
        drop(queue);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Some(frame))
    }
}

/// Aborting the task drops the inner body, which closes its connection or resets its stream.
impl Drop for BufferedBody {
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
        if queue.bytes >= CAPACITY {
            queue.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(queue);
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        let mut queue = lock(shared);
        // An error ends the body. Some bodies would repeat it on every poll.
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

    /// Yields a number of frames of one kilobyte, and then the same error on every poll.
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

    fn frames(last: usize) -> (Arc<AtomicUsize>, BufferedBody) {
        let given = Arc::new(AtomicUsize::new(0));
        (Arc::clone(&given), BufferedBody::new(Frames { given, last }))
    }

    async fn next(body: &mut BufferedBody) -> Option<Result<Frame<Bytes>, BoxError>> {
        std::future::poll_fn(|cx| body.poll_frame(cx)).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn frames_keep_their_order_and_end_with_the_first_error() {
        let (given, mut body) = frames(1000);
        for n in 0..1000 {
            let data = next(&mut body).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((data.len(), data[0]), (1024, n as u8));
        }
        assert_eq!(next(&mut body).await.unwrap().unwrap_err().to_string(), "broken");
        assert!(next(&mut body).await.is_none());
        assert_eq!(given.load(Ordering::SeqCst), 1001);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_buffer_is_bounded_and_a_drop_ends_the_task() {
        let most = CAPACITY.div_ceil(1024 + size_of::<Result<Frame<Bytes>, BoxError>>());
        let (given, mut body) = frames(usize::MAX);
        next(&mut body).await.unwrap().unwrap();
        while given.load(Ordering::SeqCst) < most {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for taken in 2..10_000 {
            next(&mut body).await.unwrap().unwrap();
            assert!(given.load(Ordering::SeqCst) <= taken + most);
        }
        assert!(is_outside_workers());
        assert!(!tokio::spawn(async { is_outside_workers() }).await.unwrap());
        // The task owns the inner body. Once it is dropped, the counter has one owner left.
        drop(body);
        while Arc::strong_count(&given) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
