//! async-io as a runtime.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_net::TcpStream;
use chat_http1::Runtime;

#[derive(Debug)]
pub(crate) struct AsyncIo;

impl Runtime for AsyncIo {
    type Stream = TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        async_net::resolve((host, port)).await
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(addr).await
    }

    async fn sleep(&self, time: Duration) {
        async_io::Timer::after(time).await;
    }
}
