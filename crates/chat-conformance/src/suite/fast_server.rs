//! A server that streams as fast as it can.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_mock::tcp::TcpServer;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server that streams the same event over and over, as fast as the socket accepts it.
pub(crate) struct FastServer {
    tcp: TcpServer,
    written: Arc<AtomicUsize>,
}

impl FastServer {
    /// Starts a server in the current tokio runtime. It ends the stream after `limit` bytes.
    pub(crate) fn start(event: &'static str, limit: usize) -> io::Result<Self> {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let tcp = TcpServer::on_free_port(move |stream, _| {
            let counter = Arc::clone(&counter);
            async move {
                // An error means that the client closed the connection.
                let _ = pour(stream, event, limit, &counter).await;
            }
        })?;
        Ok(Self { tcp, written })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr()
    }

    /// Returns the number of bytes that the socket accepted.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.tcp.open_connections()
    }

    pub(crate) fn accepted_connections(&self) -> usize {
        self.tcp.accepted_connections()
    }
}

async fn pour(mut stream: TcpStream, event: &str, limit: usize, written: &AtomicUsize) -> io::Result<()> {
    // The system doubles this size for its own use.
    SockRef::from(&stream).set_send_buffer_size(64 << 10)?;
    // The request is small, and its body is a JSON object.
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await?;
    let events = event.repeat(1000);
    while written.load(Ordering::SeqCst) < limit {
        let mut rest = events.as_bytes();
        while !rest.is_empty() {
            let n = stream.write(rest).await?;
            written.fetch_add(n, Ordering::SeqCst);
            rest = &rest[n..];
        }
    }
    stream.shutdown().await
}
