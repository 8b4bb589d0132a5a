//! A runtime, connections and futures that are not `Send`, on one thread.

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use async_net::TcpStream;
use bytes::Bytes;
use chat_http1::{Connect, ConnectError, Connector, Engine, Runtime, Stream, tls};
use futures_io::{AsyncRead, AsyncWrite};
use http::{Request, Uri};
use http_body_util::BodyExt as _;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A socket with an `Rc`. It counts the sockets that are open.
struct LocalSocket {
    tcp: TcpStream,
    open: Rc<Cell<usize>>,
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl AsyncRead for LocalSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for LocalSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_close(cx)
    }
}

/// A runtime with an `Rc`, which its futures hold too.
struct LocalRuntime {
    open: Rc<Cell<usize>>,
}

impl Runtime for LocalRuntime {
    type Stream = LocalSocket;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let _held = Rc::clone(&self.open);
        async_net::resolve((host, port)).await
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<LocalSocket> {
        let open = Rc::clone(&self.open);
        let tcp = TcpStream::connect(addr).await?;
        open.set(open.get() + 1);
        Ok(LocalSocket { tcp, open })
    }

    async fn sleep(&self, time: Duration) {
        let _held = Rc::clone(&self.open);
        async_io::Timer::after(time).await;
    }
}

/// A connector with an `Rc` of its own around another one.
struct LocalConnector {
    inner: Connector<LocalRuntime>,
    attempts: Rc<Cell<usize>>,
}

impl Connect for LocalConnector {
    type Io = Stream<LocalSocket>;

    async fn connect(&self, uri: &Uri) -> Result<Self::Io, ConnectError> {
        let attempts = Rc::clone(&self.attempts);
        let connected = self.inner.connect(uri).await;
        attempts.set(attempts.get() + 1);
        connected
    }
}

/// A server that accepts one connection and answers each request on it.
fn serve() -> (String, thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut requests = 0;
        while tcp.read(&mut [0; 4096]).unwrap() > 0 {
            requests += 1;
            tcp.write_all(OK).unwrap();
        }
        requests
    });
    (url, server)
}

#[test]
fn an_engine_works_with_connections_and_futures_that_are_not_send() {
    let (url, server) = serve();
    let (open, attempts) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let runtime = LocalRuntime { open: Rc::clone(&open) };
    let inner = Connector::new(runtime, tls::config([], None).unwrap(), Some(Duration::from_secs(60)));
    let engine = Engine::new(LocalConnector { inner, attempts: Rc::clone(&attempts) });
    async_io::block_on(async {
        for _ in 0..2 {
            let request = Request::post(&url).body(Bytes::from_static(b"{}")).unwrap();
            let answer = engine.send(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
        }
    });
    assert_eq!((attempts.get(), open.get(), engine.idle_connections()), (1, 1, 1), "both requests use one connection");
    drop(engine);
    assert_eq!(open.get(), 0);
    assert_eq!(server.join().unwrap(), 2);
}
