//! A gateway that speaks HTTP/2 to the client and HTTP/1.1 to the server behind it, as those in the world do.
//!
//! What breaks behind it becomes a stream that is reset, so that the same faults can be had over HTTP/2.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transport_hyper::HyperTransport;

use super::tls::Identity;

type Inner = legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) struct Gateway {
    pub(crate) addr: SocketAddr,
    pub(crate) identity: Identity,
    open: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    // Dropping it ends the gateway and its connections.
    _tasks: JoinSet<()>,
}

impl Gateway {
    pub(crate) async fn open() -> Self {
        let identity = Identity::new(&[b"h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (open, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let inner: Inner = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let mut tasks = JoinSet::new();
        let (acceptor, counts) = (identity.acceptor.clone(), (Arc::clone(&open), Arc::clone(&accepted)));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, inner, (open, accepted)) = (acceptor.clone(), inner.clone(), counts.clone());
                connections.spawn(async move {
                    tcp.set_nodelay(true).unwrap();
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    accepted.fetch_add(1, Ordering::SeqCst);
                    open.fetch_add(1, Ordering::SeqCst);
                    let service = service_fn(move |request| forward(inner.clone(), request));
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        // Tests of cancellation reset faster than an attacker would be allowed to.
                        .max_pending_accept_reset_streams(10_000)
                        .serve_connection(TokioIo::new(tls), service)
                        .await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, identity, open, accepted, _tasks: tasks }
    }

    /// The base URL of a server behind the gateway: its port is the path's first segment.
    pub(crate) fn url(&self, behind: SocketAddr) -> String {
        format!("https://localhost:{}/{}", self.addr.port(), behind.port())
    }

    pub(crate) fn transport(&self) -> HyperTransport {
        self.identity.transport()
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted_connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// An error resets the stream, here and in the body.
async fn forward(inner: Inner, request: Request<Incoming>) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let (port, path) = head.uri.path()[1..].split_once('/').ok_or("no port")?;
    let mut behind = Request::new(Full::new(body.collect().await?.to_bytes()));
    *behind.method_mut() = head.method;
    *behind.uri_mut() = format!("http://127.0.0.1:{port}/{path}").parse::<Uri>()?;
    *behind.headers_mut() = head.headers;
    behind.headers_mut().remove(HOST);
    let mut response = inner.request(behind).await?;
    // These are each connection's own.
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok(response)
}
