//! A connection with or without TLS, with hyper's I/O traits.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;
use hyper::rt::ReadBufCursor;

use crate::limited_read;

/// A connection of a [`Connector`](crate::Connector), with or without TLS.
pub struct Stream<S>(Inner<S>);

enum Inner<S> {
    Plain(S),
    Tls(Box<TlsStream<BudgetedSocket<S>>>),
}

impl<S> Stream<S> {
    pub(crate) fn plain(stream: S) -> Self {
        Self(Inner::Plain(stream))
    }

    pub(crate) fn tls(stream: TlsStream<BudgetedSocket<S>>) -> Self {
        Self(Inner::Tls(Box::new(stream)))
    }
}

impl<S> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Plain(_) => "Stream(plain)",
            Inner::Tls(_) => "Stream(tls)",
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> hyper::rt::Read for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Plain(io) => limited_read::poll_read(io, cx, buf),
            Inner::Tls(io) => limited_read::poll_read(io, cx, buf),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> hyper::rt::Write for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Inner::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Plain(io) => Pin::new(io).poll_flush(cx),
            Inner::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Plain(io) => Pin::new(io).poll_close(cx),
            Inner::Tls(io) => Pin::new(io).poll_close(cx),
        }
    }
}

/// Number of successful reads in a row before TLS yields to other tasks.
const READ_BUDGET: usize = 16;

/// The socket under TLS, with a limited number of reads in a row. TLS itself reads on while the records are empty.
pub(crate) struct BudgetedSocket<S> {
    socket: S,
    reads: usize,
}

impl<S> BudgetedSocket<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, reads: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BudgetedSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.reads == READ_BUDGET {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.reads = if read.is_ready() { self.reads + 1 } else { 0 };
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BudgetedSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// A socket that always has data.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_endless_read_yields_to_other_tasks() {
        let wakes = Arc::<Wakes>::default();
        let waker = Waker::from(Arc::clone(&wakes));
        let mut socket = BudgetedSocket::new(Endless);
        for turn in 1..4 {
            let mut cx = Context::from_waker(&waker);
            let reads = (0..).take_while(|_| Pin::new(&mut socket).poll_read(&mut cx, &mut [0; 8]).is_ready()).count();
            assert_eq!((reads, wakes.0.load(Ordering::SeqCst)), (READ_BUDGET, turn));
        }
    }
}
