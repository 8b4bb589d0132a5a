//! The sockets and timers of async-io, which work under any executor because async-io has its own thread.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_io::Timer;
use async_net::TcpStream;
use chat_http1::{Runtime, set_options};

/// async-io as a [`Runtime`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncIo;

impl Runtime for AsyncIo {
    type Stream = TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        // Runs the system's resolver on a thread for blocking calls.
        async_net::resolve((host, port)).await
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr).await?;
        set_options(&stream)?;
        Ok(stream)
    }

    async fn sleep(&self, time: Duration) {
        Timer::after(time).await;
    }
}
