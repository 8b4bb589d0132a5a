//! The I/O between hyper and a connection: it keeps an early answer, bounds interim ones, and lets other tasks run.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// The most interim (1xx) answers to one request. After one more, nothing further is read for it.
const MAX_INTERIM: usize = 32;

/// How many reads in a row give something before other tasks get a turn. hyper reads at most
/// [`MAX_HEAD`](crate::connection::MAX_HEAD) bytes at once.
const READS: usize = 8;

/// The I/O that hyper reads and writes.
///
/// A server may answer before it has read the request, and close. The rest of the request then fails to be written, while
/// the answer waits to be read. So a write error is kept back: writes succeed from then on and do nothing, and the error is
/// reported only if reading ends first.
pub(crate) struct Guard<Io> {
    io: Io,
    seen: Arc<Seen>,
    write_error: Option<io::Error>,
    reads: usize,
}

/// What the owner of a connection has to know, and hyper does not tell.
#[derive(Default)]
pub(crate) struct Seen {
    interims: AtomicUsize,
    /// Something was written, and is not flushed.
    is_writing: AtomicBool,
    failed_to_write: AtomicBool,
    yields: AtomicBool,
}

impl Seen {
    pub(crate) fn begin_request(&self) {
        self.interims.store(0, Relaxed);
    }

    pub(crate) fn count_interim(&self) {
        self.interims.fetch_add(1, Relaxed);
    }

    /// Whether there were too many interim answers.
    pub(crate) fn is_flooded(&self) -> bool {
        self.interims.load(Relaxed) > MAX_INTERIM
    }

    /// Whether all of the request is out.
    pub(crate) fn is_sent(&self) -> bool {
        !self.is_writing.load(Relaxed) && !self.failed_to_write.load(Relaxed)
    }

    /// Whether other tasks are to get a turn before more is read. The one that asks has to be woken.
    pub(crate) fn takes_yield(&self) -> bool {
        self.yields.swap(false, Relaxed)
    }
}

impl<Io> Guard<Io> {
    pub(crate) fn new(io: Io) -> (Self, Arc<Seen>) {
        let seen = Arc::<Seen>::default();
        (Self { io, seen: Arc::clone(&seen), write_error: None, reads: 0 }, seen)
    }

    fn keep_back(&mut self, error: io::Error) {
        self.seen.failed_to_write.store(true, Relaxed);
        self.write_error = Some(error);
    }

    fn has_failed(&self) -> bool {
        self.seen.failed_to_write.load(Relaxed)
    }
}

impl<Io: Read + Unpin> Guard<Io> {
    /// Reads what came before the connection broke. It is copied, because only so can an end be told.
    fn poll_rest(&mut self, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        let length = buf.remaining().min(space.len());
        let mut rest = ReadBuf::new(&mut space[..length]);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, rest.unfilled()));
        let is_over = match &read {
            Ok(()) => rest.filled().is_empty(),
            // Other errors say more than the one of the write: an alert of TLS, say.
            Err(error) => matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset),
        };
        if is_over && let Some(error) = self.write_error.take() {
            return Poll::Ready(Err(error));
        }
        buf.put_slice(rest.filled());
        Poll::Ready(read)
    }
}

impl<Io: Read + Unpin> Read for Guard<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        // Nothing wakes the task any more but the clocks of its call.
        if self.seen.is_flooded() {
            return Poll::Pending;
        }
        if self.reads == READS {
            self.reads = 0;
            self.seen.yields.store(true, Relaxed);
            return Poll::Pending;
        }
        let read = if self.has_failed() { self.poll_rest(cx, buf) } else { Pin::new(&mut self.io).poll_read(cx, buf) };
        self.reads = if read.is_ready() { self.reads + 1 } else { 0 };
        read
    }
}

impl<Io: Write + Unpin> Write for Guard<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.has_failed() {
            return Poll::Ready(Ok(buf.len()));
        }
        self.seen.is_writing.store(true, Relaxed);
        Poll::Ready(Ok(match ready!(Pin::new(&mut self.io).poll_write(cx, buf)) {
            Ok(count) => count,
            Err(error) => {
                self.keep_back(error);
                buf.len()
            }
        }))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_failed() {
            match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
                Ok(()) => self.seen.is_writing.store(false, Relaxed),
                Err(error) => self.keep_back(error),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_failed() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.io).poll_shutdown(cx) }
    }
}
