//! A socket of compio with the traits of futures-io.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use compio::io::compat::AsyncStream;
use compio::net::TcpStream;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

/// The size of the two buffers of a socket. The kernel writes to one and reads from the other. compio's own limit is 64 MiB.
const BUFFER: usize = 16 << 10;

/// A socket. Dropping it closes the connection at once.
pub(crate) struct Socket(Pin<Box<AsyncStream<TcpStream>>>);

impl Socket {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self(Box::pin(AsyncStream::with_limits(BUFFER, BUFFER, tcp)))
    }
}

impl Drop for Socket {
    /// A read in the kernel keeps the socket open. compio cancels the read when the runtime runs again, and not at all if
    /// its queue is full. The shutdown ends the read.
    fn drop(&mut self) {
        let (tcp, _) = self.0.get_ref();
        let _ = SockRef::from(tcp).shutdown(Shutdown::Both);
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_close(cx)
    }
}
