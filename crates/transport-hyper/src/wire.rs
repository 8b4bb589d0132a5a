//! A connection that lets an early answer through, and that a call can close.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use chat_net::SendSide;
use http::{Extensions, Uri};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection};
use tower_service::Service;

/// How much is read at once after a write failed.
const LAST_READS: usize = 8 << 10;

/// Makes connections into [`Wire`]s.
#[derive(Clone)]
pub(crate) struct Wired<C>(pub(crate) C);

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<C> Service<Uri> for Wired<C>
where
    C: Service<Uri, Future: Send + 'static>,
{
    type Response = Wire<C::Response>;
    type Error = C::Error;
    type Future = Connecting<Wire<C::Response>, C::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(Wire { io: connecting.await?, side: SendSide::default(), line: Line::default() }) })
    }
}

/// A connection.
///
/// It stands above TLS: what TLS reads does not depend on what it wrote, and an error of its writes is remembered here.
pub(crate) struct Wire<S> {
    io: S,
    side: SendSide,
    line: Line,
}

/// Tells a connection what becomes of the request on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    is_muted: AtomicBool,
    has_failed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Line {
    /// That of the HTTP/1.1 connection that a request is on; none before there is one, and none of HTTP/2, whose
    /// connections serve other requests too.
    pub(crate) fn of(captured: &CaptureConnection) -> Option<Self> {
        let connected = captured.connection_metadata();
        let connected = connected.as_ref().filter(|connected| !connected.is_negotiated_h2())?;
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    /// The connection closes, without sending what is left to send.
    pub(crate) fn hang_up(&self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }

    /// Nothing more is read.
    pub(crate) fn mute(&self) {
        self.0.is_muted.store(true, Ordering::SeqCst);
    }

    /// Whether a write has failed. The connection must not serve another request.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::SeqCst)
    }

    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.0.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Wire<S> {
    /// The result of a write or a flush. One that waits ends when the connection is to close.
    fn or_over<T>(&self, result: Poll<io::Result<T>>, cx: &Context<'_>) -> Poll<io::Result<T>> {
        if self.side.has_failed() {
            self.line.0.has_failed.store(true, Ordering::SeqCst);
        }
        if result.is_pending() {
            *self.line.waker() = Some(cx.waker().clone());
            if self.line.is_over() {
                return Poll::Ready(Err(over()));
            }
        }
        result
    }
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the answer was over before the request was sent")
}

impl<S: Connection> Connection for Wire<S> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.line.clone())
    }
}

impl<S: Read + Unpin> Read for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.line.is_over() {
            return Poll::Ready(Ok(()));
        }
        if this.line.0.is_muted.load(Ordering::SeqCst) {
            // Only the end of the call wakes it.
            *this.line.waker() = Some(cx.waker().clone());
            return if this.line.is_over() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        if !this.side.has_failed() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let mut storage = [0; LAST_READS];
        let room = buf.remaining().min(storage.len());
        let mut read = ReadBuf::new(&mut storage[..room]);
        match Pin::new(&mut this.io).poll_read(cx, read.unfilled()) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                this.side.read(result.map(|()| read.filled().len()))?;
                buf.put_slice(read.filled());
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: Write + Unpin> Write for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { io, side, .. } = &mut *self;
        let written = side.write(buf.len(), || Pin::new(io).poll_write(cx, buf));
        self.or_over(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, side, .. } = &mut *self;
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let written = side.write(length, || Pin::new(io).poll_write_vectored(cx, bufs));
        self.or_over(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, side, .. } = &mut *self;
        let flushed = side.flush(|| Pin::new(io).poll_flush(cx));
        self.or_over(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.side.has_failed() || self.line.is_over() {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        Poll::Ready(shut)
    }
}
