//! compio as a `Runtime`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use chat_http1::{Runtime, set_options};
use compio::io::compat::AsyncStream;
use compio::net::{TcpStream, ToSocketAddrsAsync as _};

/// The size of the two buffers of a connection. The kernel reads into one and writes from the other.
const BUFFER: usize = 16 << 10;

/// The sockets and timers of compio. Use it inside of a compio runtime.
pub(crate) struct Compio;

/// A socket with the traits of futures-io. It owns the buffers that the kernel uses.
pub(crate) type Socket = Pin<Box<AsyncStream<TcpStream>>>;

impl Runtime for Compio {
    type Stream = Socket;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs_async().await?.collect())
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Socket> {
        let stream = TcpStream::connect(addr).await?;
        set_options(&stream)?;
        Ok(Box::pin(AsyncStream::with_limits(BUFFER, BUFFER, stream)))
    }

    async fn sleep(&self, time: Duration) {
        compio::time::sleep(time).await;
    }
}
