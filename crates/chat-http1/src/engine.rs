//! Requests on connections that nobody but their caller polls.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
#[cfg(feature = "net")]
use chat_net::{ProxyError, ProxyServer};
use http::{HeaderValue, Request, Response, Uri, Version, header, uri};
use http_body_util::Full;
use hyper::ext::on_informational;

use crate::body::AnswerBody;
use crate::connection::Connection;
use crate::error::{ConnectError, SendError};
use crate::pool::{MAX_IDLE_TIME, Origin, Pool, close_on_time};

/// What brings a connection about.
pub trait Connect: Send + Sync + 'static {
    /// The connection.
    type Io: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static;

    /// Connects to the scheme, host and port of a URI: name, TCP and, for `https`, TLS with nothing but HTTP/1.1 agreed on.
    fn connect(&self, uri: &Uri) -> impl Future<Output = Result<Self::Io, ConnectError>> + Send;

    /// The proxy that is given the requests to a URI to forward; it is then what [`connect`](Self::connect) connects to.
    /// `None`, the default, if requests go to the server.
    #[cfg(feature = "net")]
    fn forwarder(&self, _uri: &Uri) -> Option<&ProxyServer> {
        None
    }
}

/// Sends requests over HTTP/1.1, each on a connection that is polled by whoever polls the answer. Cheap to clone; clones
/// share connections.
pub struct Engine<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    connect: C,
    pool: Arc<Pool>,
}

impl<C> Clone for Engine<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for Engine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl<C: Connect> Engine<C> {
    /// An engine without connections yet.
    pub fn new(connect: C) -> Self {
        Self::with_max_idle_time(connect, MAX_IDLE_TIME)
    }

    /// An engine whose connections wait no longer than this to be used again; zero uses none again. The default is 30 s.
    pub fn with_max_idle_time(connect: C, time: Duration) -> Self {
        Self { shared: Arc::new(Shared { connect, pool: Arc::new(Pool::new(time)) }) }
    }

    /// What brings its connections about.
    pub fn connector(&self) -> &C {
        &self.shared.connect
    }

    /// Closes idle connections when their time is up, on a runtime's clock. It is a future for a task of its own, and ends
    /// when the engine and its clones are gone.
    ///
    /// Without it, a connection whose time is up is closed at the next call.
    pub fn close_idle<F, S>(&self, sleep: S) -> impl Future<Output = ()> + use<C, F, S>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        close_on_time(Arc::downgrade(&self.shared.pool), sleep)
    }

    /// How many connections wait to be used again.
    pub fn idle_connections(&self) -> usize {
        self.shared.pool.len()
    }

    /// Sends a request, whose URI is absolute, on an idle connection or a new one. `Host` and `Content-Length` are added
    /// where it has none, and its version is taken for HTTP/1.1.
    ///
    /// An idle connection that turns out to be closed gives the request back unsent, and it goes out on another. Dropping
    /// the future closes what it runs on.
    pub fn send(&self, request: Request<Bytes>) -> Sending {
        let shared = Arc::clone(&self.shared);
        Sending(Box::pin(async move { shared.send(request).await }))
    }
}

/// The future of an answer's head.
#[must_use = "nothing is sent before it is polled"]
pub struct Sending(Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, SendError>> + Send>>);

impl Future for Sending {
    type Output = Result<Response<AnswerBody>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

impl<C: Connect> Shared<C> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<AnswerBody>, SendError> {
        let uri = request.uri().clone();
        let origin = Origin::of(&uri).ok_or_else(|| not_valid("the URI has no scheme or no host"))?;
        let mut request = of_http1(request)?;
        #[cfg(feature = "net")]
        if let Some(proxy) = self.connect.forwarder(&uri) {
            in_absolute_form(&mut request, proxy);
            let answer = self.send_on(origin, &uri, request).await?;
            return match ProxyError::refusal(proxy, answer.status(), answer.headers()) {
                Some(refusal) => Err(ConnectError::from(chat_net::ConnectError::from(refusal)).into()),
                None => Ok(answer),
            };
        }
        in_origin_form(&mut request);
        self.send_on(origin, &uri, request).await
    }

    /// Sends a request, in the form that suits who is at the other end, on an idle connection or a new one.
    async fn send_on(
        &self,
        origin: Origin,
        uri: &Uri,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<AnswerBody>, SendError> {
        while let Some(idle) = self.pool.take(&origin) {
            match exchange(idle, request).await {
                Ok(answered) => return Ok(self.answer(origin, answered)),
                Err(Unanswered { unsent: Some(unsent), .. }) => request = *unsent,
                Err(Unanswered { error, unsent: None }) => return Err(SendError::lost(error)),
            }
        }
        let io = self.connect.connect(uri).await?;
        let connection = Connection::open(io).await.map_err(SendError::unsent)?;
        match exchange(connection, request).await {
            Ok(answered) => Ok(self.answer(origin, answered)),
            Err(Unanswered { error, unsent: Some(_) }) => Err(SendError::unsent(error)),
            Err(Unanswered { error, unsent: None }) => Err(SendError::lost(error)),
        }
    }

    fn answer(&self, origin: Origin, answered: Answered) -> Response<AnswerBody> {
        let (connection, response) = answered;
        response.map(|incoming| AnswerBody::new(incoming, connection, origin, Arc::clone(&self.pool)))
    }
}

type Answered = (Connection, Response<hyper::body::Incoming>);

/// A request without an answer, given back if no byte of it went out.
struct Unanswered {
    error: hyper::Error,
    unsent: Option<Box<Request<Full<Bytes>>>>,
}

/// Sends a request on a connection and drives it to the head of the answer.
async fn exchange(mut connection: Connection, mut request: Request<Full<Bytes>>) -> Result<Answered, Unanswered> {
    connection.seen.begin_request();
    let seen = Arc::clone(&connection.seen);
    on_informational(&mut request, move |_| seen.count_interim());
    let mut answer = pin!(connection.sender.try_send_request(request));
    let answer = poll_fn(|cx| connection.driver.poll(cx, |cx| answer.as_mut().poll(cx))).await;
    if connection.seen.is_flooded() {
        // The clocks of the call end it, wherever the answer after the interim ones may be.
        pending::<()>().await;
    }
    match answer {
        Ok(response) => Ok((connection, response)),
        Err(mut error) => {
            let unsent = error.take_message().map(Box::new);
            Err(Unanswered { error: error.into_error(), unsent })
        }
    }
}

/// The request can't be sent anywhere.
fn not_valid(why: &'static str) -> ConnectError {
    ConnectError::new(TransportError::Connect, why)
}

/// The request as HTTP/1.1 has it: with the host in a header. Of some other versions hyper would panic.
fn of_http1(request: Request<Bytes>) -> Result<Request<Full<Bytes>>, ConnectError> {
    let mut request = request.map(Full::new);
    *request.version_mut() = Version::HTTP_11;
    let uri = request.uri();
    let default = if uri.scheme() == Some(&uri::Scheme::HTTPS) { 443 } else { 80 };
    let host = uri.host().unwrap_or_default();
    let host = match uri.port_u16().filter(|&port| port != default) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    let host = host.map_err(|_| not_valid("the host is not a valid header value"))?;
    request.headers_mut().entry(header::HOST).or_insert(host);
    Ok(request)
}

/// What a server wants to read in the first line: the path alone.
fn in_origin_form(request: &mut Request<Full<Bytes>>) {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| uri::PathAndQuery::from_static("/")));
}

/// What a proxy wants to read: the whole URI, but for a user in it, and who asks.
#[cfg(feature = "net")]
fn in_absolute_form(request: &mut Request<Full<Bytes>>, proxy: &ProxyServer) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let host = parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once('@'));
    if let Some((_, host)) = host {
        parts.authority = Some(host.parse().expect("is an authority as much as with a user"));
    }
    *request.uri_mut() = Uri::from_parts(parts).expect("was one before");
    if let Some(authorization) = proxy.authorization() {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
}
