//! The sockets and timers of async-std.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use async_io::Async;
use async_std::net::ToSocketAddrs;
use async_std::task;
use chat_http1::{Runtime, set_options};

/// async-std as a [`Runtime`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    /// The type that async-std's `TcpStream` wraps. It gives access to the socket's options.
    type Stream = Async<TcpStream>;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        // Runs the system's resolver on a thread for blocking calls.
        Ok((host, port).to_socket_addrs().await?.collect())
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Self::Stream> {
        let stream = Async::<TcpStream>::connect(addr).await?;
        set_options(&stream)?;
        Ok(stream)
    }

    async fn sleep(&self, time: Duration) {
        task::sleep(time).await;
    }
}
