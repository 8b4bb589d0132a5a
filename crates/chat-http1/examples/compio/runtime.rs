//! compio as a `Runtime`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chat_http1::{Runtime, set_options};
use compio::net::{TcpStream, ToSocketAddrsAsync as _};

use super::socket::Socket;

/// The sockets and timers of compio. It works only inside of a compio runtime.
pub(crate) struct Compio;

impl Runtime for Compio {
    type Stream = Socket;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs_async().await?.collect())
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Socket> {
        let tcp = TcpStream::connect(addr).await?;
        set_options(&tcp)?;
        Ok(Socket::new(tcp))
    }

    async fn sleep(&self, time: Duration) {
        compio::time::sleep(time).await;
    }
}
