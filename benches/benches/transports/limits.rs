//! The limits: hyper, whose bytes are thrown away.

use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Uri;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use smol_hyper::rt::FuturesIo;

use crate::measure::{Answer, Client, Tally};

/// What all ask, those that have no better idea.
pub(crate) const QUESTION: &str =
    r#"{"integration_id":"i","chat_session":{"messages":[{"role":"user","content":"How?"}]},"stream":true}"#;
/// Where they ask.
pub(crate) const PATH: &str = "/v0/chat_sessions/chat_results";

fn request(uri: &Uri) -> http::Request<Full<Bytes>> {
    let request = http::Request::post(uri.clone())
        .header("host", uri.authority().expect("our own URL").as_str())
        .header("authorization", "Bearer k")
        .header("content-type", "application/json");
    request.body(Full::from(QUESTION)).expect("a request")
}

fn uri(base_url: &str) -> Uri {
    format!("{base_url}{PATH}").parse().expect("our own URL")
}

/// hyper-util's client: a pool of connections, a task each.
pub(crate) struct Pooled {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

impl Pooled {
    pub(crate) fn new(base_url: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: legacy::Client::builder(TokioExecutor::new()).build(connector), uri: uri(base_url) }
    }
}

impl Client for Pooled {
    type Answer = Incoming;

    async fn ask(&self) -> Incoming {
        self.client.request(request(&self.uri)).await.expect("an answer").into_body()
    }
}

impl Answer for Incoming {
    async fn next(&mut self, tally: &mut Tally) -> bool {
        match self.frame().await {
            Some(frame) => {
                tally.body(frame.expect("a whole body").data_ref().expect("no trailers"));
                true
            }
            None => false,
        }
    }
}

/// A connection of its own for each question, polled by whoever reads the answer.
pub(crate) struct Inline<Io> {
    connect: fn(SocketAddr) -> Connecting<Io>,
    uri: Uri,
}

/// The future of a socket, as hyper wants it.
type Connecting<Io> = Pin<Box<dyn Future<Output = Io> + Send>>;

/// On tokio.
pub(crate) fn inline_tokio(base_url: &str) -> Inline<TokioIo<tokio::net::TcpStream>> {
    let connect: fn(SocketAddr) -> Connecting<_> = |address| {
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a connection");
            TokioIo::new(stream)
        })
    };
    Inline { connect, uri: uri(base_url) }
}

/// On async-io.
pub(crate) fn inline_async_io(base_url: &str) -> Inline<FuturesIo<async_net::TcpStream>> {
    let connect: fn(SocketAddr) -> Connecting<_> = |address| {
        Box::pin(async move {
            let stream = async_net::TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a connection");
            FuturesIo::new(stream)
        })
    };
    Inline { connect, uri: uri(base_url) }
}

impl<Io: Read + Write + Send + Unpin + 'static> Client for Inline<Io> {
    type Answer = InlineAnswer<Io>;

    async fn ask(&self) -> InlineAnswer<Io> {
        let port = self.uri.port_u16().expect("our own URL");
        let io = (self.connect)((Ipv4Addr::LOCALHOST, port).into()).await;
        let (mut sender, connection) = http1::handshake(io).await.expect("a connection");
        let mut connection = Some(connection);
        let mut request = request(&self.uri);
        // The pool does that by itself.
        *request.uri_mut() = self.uri.path().parse().expect("our own URL");
        let mut sending = Box::pin(sender.send_request(request));
        let response = poll_fn(|cx| with(&mut connection, cx, |cx| sending.as_mut().poll(cx))).await;
        InlineAnswer { body: response.expect("an answer").into_body(), connection }
    }
}

/// A body with its connection.
pub(crate) struct InlineAnswer<Io: Read + Write> {
    body: Incoming,
    connection: Option<http1::Connection<Io, Full<Bytes>>>,
}

impl<Io: Read + Write + Send + Unpin + 'static> Answer for InlineAnswer<Io> {
    async fn next(&mut self, tally: &mut Tally) -> bool {
        let Self { body, connection } = self;
        match poll_fn(|cx| with(connection, cx, |cx| Pin::new(&mut *body).poll_frame(cx))).await {
            Some(frame) => {
                tally.body(frame.expect("a whole body").data_ref().expect("no trailers"));
                true
            }
            None => false,
        }
    }
}

/// Polls what a connection feeds, and the connection where that has nothing.
fn with<T, Io: Read + Write + Unpin>(
    connection: &mut Option<http1::Connection<Io, Full<Bytes>>>,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let fed = poll(cx);
    if fed.is_pending()
        && let Some(running) = connection
    {
        if let Poll::Ready(end) = Pin::new(running).poll(cx) {
            end.expect("a connection");
            *connection = None;
        }
        return poll(cx);
    }
    fed
}
