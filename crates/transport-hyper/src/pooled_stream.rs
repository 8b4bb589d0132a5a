//! A pooled connection that still reads an early answer after a failed write, and that a call can close.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use chat_net::SendSide;
use http::{Extensions, Uri};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection};
use tower_service::Service;

use crate::limited_read;

/// Size of a read after a write has failed.
const LAST_READS: usize = 8 << 10;

/// Connector whose connections are [`PooledStream`]s.
#[derive(Clone)]
pub(crate) struct PooledConnector<C>(pub(crate) C);

type ConnectFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<C> Service<Uri> for PooledConnector<C>
where
    C: Service<Uri, Future: Send + 'static>,
{
    type Response = PooledStream<C::Response>;
    type Error = C::Error;
    type Future = ConnectFuture<PooledStream<C::Response>, C::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let io = connecting.await?;
            Ok(PooledStream { io, send_side: SendSide::default(), handle: StreamHandle::default() })
        })
    }
}

/// A pooled connection.
///
/// It is a layer above TLS. There, reads do not depend on writes, and this layer remembers a failed write.
pub(crate) struct PooledStream<S> {
    io: S,
    send_side: SendSide,
    handle: StreamHandle,
}

/// Controls a [`PooledStream`] from the call that uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamHandle(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_closed: AtomicBool,
    is_read_stopped: AtomicBool,
    has_failed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl StreamHandle {
    /// The handle of the HTTP/1.1 connection that a request uses. `None` if the request has no connection yet, or if the
    /// connection uses HTTP/2, because other requests share it.
    pub(crate) fn of(captured: &CaptureConnection) -> Option<Self> {
        let connected = captured.connection_metadata();
        let connected = connected.as_ref().filter(|connected| !connected.is_negotiated_h2())?;
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    /// Closes the connection without sending the rest of the request.
    pub(crate) fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }

    /// Stops reading from the connection.
    pub(crate) fn stop_reading(&self) {
        self.0.is_read_stopped.store(true, Ordering::SeqCst);
    }

    /// Whether a write has failed. The connection must not be used for another request.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::SeqCst)
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::SeqCst)
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> PooledStream<S> {
    /// Passes on the result of a write or a flush. A pending one fails once the connection is closed.
    fn unless_closed<T>(&self, result: Poll<io::Result<T>>, cx: &Context<'_>) -> Poll<io::Result<T>> {
        if self.send_side.has_failed() {
            self.handle.0.has_failed.store(true, Ordering::SeqCst);
        }
        if result.is_pending() {
            *self.handle.waker() = Some(cx.waker().clone());
            if self.handle.is_closed() {
                return Poll::Ready(Err(closed()));
            }
        }
        result
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the answer ended before the request was sent")
}

impl<S: Connection> Connection for PooledStream<S> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.handle.clone())
    }
}

impl<S: Read + Unpin> Read for PooledStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.handle.is_closed() {
            return Poll::Ready(Ok(()));
        }
        if this.handle.0.is_read_stopped.load(Ordering::SeqCst) {
            // Only the end of the call wakes this task.
            *this.handle.waker() = Some(cx.waker().clone());
            return if this.handle.is_closed() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        if !this.send_side.has_failed() {
            return limited_read::poll_read(&mut this.io, cx, buf);
        }
        let mut storage = [0; LAST_READS];
        let room = buf.remaining().min(storage.len());
        let mut read = ReadBuf::new(&mut storage[..room]);
        match Pin::new(&mut this.io).poll_read(cx, read.unfilled()) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                this.send_side.read(result.map(|()| read.filled().len()))?;
                buf.put_slice(read.filled());
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: Write + Unpin> Write for PooledStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { io, send_side, .. } = &mut *self;
        let written = send_side.write(buf.len(), || Pin::new(io).poll_write(cx, buf));
        self.unless_closed(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, send_side, .. } = &mut *self;
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let written = send_side.write(length, || Pin::new(io).poll_write_vectored(cx, bufs));
        self.unless_closed(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, send_side, .. } = &mut *self;
        let flushed = send_side.flush(|| Pin::new(io).poll_flush(cx));
        self.unless_closed(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.send_side.has_failed() || self.handle.is_closed() {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        Poll::Ready(shut)
    }
}
