//! The I/O between hyper and a connection. It keeps early answers, limits interim responses, and yields to other tasks.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use chat_net::{MAX_INTERIM, SendSide};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// Number of successful reads in a row before other tasks get a turn.
const READS: usize = 8;

/// A connection: any type with hyper's I/O traits that does not borrow and needs no pinning. Every such type implements it.
///
/// hyper's read buffer grows with the size of the reads, up to [`MAX_HEAD`](chat_net::MAX_HEAD). A [`Stream`](crate::Stream)
/// reads at most [`MAX_READ`](chat_net::MAX_READ) at once.
pub trait Io: Read + Write + Unpin + 'static {}

impl<T: Read + Write + Unpin + 'static> Io for T {}

/// The I/O that hyper reads and writes.
///
/// A server may answer before it has read the request, and then close. Writing the rest of the request fails, while the
/// answer waits to be read. [`SendSide`] keeps the write error until reading ends.
pub(crate) struct GuardedIo<T> {
    io: T,
    send_side: SendSide,
    status: Arc<IoStatus>,
    reads: usize,
}

/// The state of a [`GuardedIo`] that the owner of the connection needs and hyper does not expose.
#[derive(Default)]
pub(crate) struct IoStatus {
    interims: AtomicUsize,
    /// Set while written bytes are not flushed, and for good once a write has failed.
    is_writing: AtomicBool,
    yields: AtomicBool,
}

impl IoStatus {
    pub(crate) fn begin_request(&self) {
        self.interims.store(0, Relaxed);
    }

    pub(crate) fn count_interim(&self) {
        self.interims.fetch_add(1, Relaxed);
    }

    /// Whether there were too many interim responses.
    pub(crate) fn is_flooded(&self) -> bool {
        self.interims.load(Relaxed) > MAX_INTERIM
    }

    /// Whether the whole request is sent.
    pub(crate) fn is_sent(&self) -> bool {
        !self.is_writing.load(Relaxed)
    }

    /// Whether the connection stopped reading to let other tasks run. The caller must wake its task.
    pub(crate) fn takes_yield(&self) -> bool {
        self.yields.swap(false, Relaxed)
    }
}

impl<T> GuardedIo<T> {
    pub(crate) fn new(io: T) -> (Self, Arc<IoStatus>) {
        let status = Arc::<IoStatus>::default();
        (Self { io, send_side: SendSide::default(), status: Arc::clone(&status), reads: 0 }, status)
    }
}

impl<T: Read + Unpin> GuardedIo<T> {
    /// Reads after a write has failed. The bytes are copied: hyper's cursor does not tell whether a read was the end.
    fn poll_rest(&mut self, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        let length = buf.remaining().min(space.len());
        let mut rest = ReadBuf::new(&mut space[..length]);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, rest.unfilled()));
        self.send_side.read(read.map(|()| rest.filled().len()))?;
        buf.put_slice(rest.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: Read + Unpin> Read for GuardedIo<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        // From here on, only the timeouts of the call wake the task.
        if self.status.is_flooded() {
            return Poll::Pending;
        }
        if self.reads == READS {
            self.reads = 0;
            self.status.yields.store(true, Relaxed);
            return Poll::Pending;
        }
        let read = if self.send_side.has_failed() {
            self.poll_rest(cx, buf)
        } else {
            Pin::new(&mut self.io).poll_read(cx, buf)
        };
        self.reads = if read.is_ready() { self.reads + 1 } else { 0 };
        read
    }
}

impl<T: Write + Unpin> Write for GuardedIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { io, send_side, status, .. } = &mut *self;
        status.is_writing.store(true, Relaxed);
        send_side.write(buf.len(), || Pin::new(io).poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, send_side, status, .. } = &mut *self;
        ready!(send_side.flush(|| Pin::new(io).poll_flush(cx)))?;
        status.is_writing.store(send_side.has_failed(), Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.send_side.has_failed() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.io).poll_shutdown(cx) }
    }
}
