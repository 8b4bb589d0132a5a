//! The limits: hyper clients that discard the bytes.

use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chat_bench::clients::{Pooled, request, uri};
use http::Uri;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use smol_hyper::rt::FuturesIo;

use crate::measure::{Answer, Client, Counts};

impl Client for Pooled {
    type Answer = Incoming;

    async fn ask(&self) -> Incoming {
        self.ask().await
    }
}

impl Answer for Incoming {
    async fn next(&mut self, counts: &mut Counts) -> bool {
        match self.frame().await {
            Some(frame) => {
                counts.body(frame.expect("a complete body").data_ref().expect("no trailers"));
                true
            }
            None => false,
        }
    }
}

/// A connection per request, polled by the reader of the answer.
pub(crate) struct Inline<Io> {
    connect: fn(SocketAddr) -> ConnectFuture<Io>,
    uri: Uri,
}

/// Future of a socket.
type ConnectFuture<Io> = Pin<Box<dyn Future<Output = Io> + Send>>;

/// On tokio.
pub(crate) fn inline_tokio(base_url: &str) -> Inline<TokioIo<tokio::net::TcpStream>> {
    let connect: fn(SocketAddr) -> ConnectFuture<_> = |address| {
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
    let connect: fn(SocketAddr) -> ConnectFuture<_> = |address| {
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
        let port = self.uri.port_u16().expect("a valid URL");
        let io = (self.connect)((Ipv4Addr::LOCALHOST, port).into()).await;
        let (mut sender, connection) = http1::handshake(io).await.expect("a connection");
        let mut connection = Some(connection);
        let mut request = request(&self.uri);
        // hyper-util's client does this itself.
        *request.uri_mut() = self.uri.path().parse().expect("a valid URL");
        let mut sending = Box::pin(sender.send_request(request));
        let response = poll_fn(|cx| poll_with(&mut connection, cx, |cx| sending.as_mut().poll(cx))).await;
        InlineAnswer { body: response.expect("an answer").into_body(), connection }
    }
}

/// A body with its connection.
pub(crate) struct InlineAnswer<Io: Read + Write> {
    body: Incoming,
    connection: Option<http1::Connection<Io, Full<Bytes>>>,
}

impl<Io: Read + Write + Send + Unpin + 'static> Answer for InlineAnswer<Io> {
    async fn next(&mut self, counts: &mut Counts) -> bool {
        let Self { body, connection } = self;
        match poll_fn(|cx| poll_with(connection, cx, |cx| Pin::new(&mut *body).poll_frame(cx))).await {
            Some(frame) => {
                counts.body(frame.expect("a complete body").data_ref().expect("no trailers"));
                true
            }
            None => false,
        }
    }
}

/// Polls a future or body of a connection, and the connection if it is pending.
fn poll_with<T, Io: Read + Write + Unpin>(
    connection: &mut Option<http1::Connection<Io, Full<Bytes>>>,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let polled = poll(cx);
    if polled.is_pending()
        && let Some(running) = connection
    {
        if let Poll::Ready(end) = Pin::new(running).poll(cx) {
            end.expect("a connection");
            *connection = None;
        }
        return poll(cx);
    }
    polled
}
