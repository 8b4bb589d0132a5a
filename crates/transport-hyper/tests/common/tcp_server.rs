//! A TCP server that counts its connections and runs a function for each.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct TcpServer {
    pub(crate) addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl TcpServer {
    pub(crate) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(tcp));
            }
        });
        Self { addr, accepted, _tasks: tasks }
    }

    /// A server that reads a head, sends a fixed answer, and closes the connection.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut tcp| async move {
            head(&mut tcp).await;
            let _ = tcp.write_all(answer.as_bytes()).await;
        })
        .await
    }

    /// A server that accepts connections and sends nothing.
    pub(crate) async fn silent() -> Self {
        Self::start(|tcp| async move {
            let _tcp = tcp;
            std::future::pending::<()>().await;
        })
        .await
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Reads up to an empty line. Returns an empty string if the connection was closed before.
pub(crate) async fn head(tcp: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}
