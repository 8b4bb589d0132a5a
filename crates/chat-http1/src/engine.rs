//! Sends requests on connections that only their caller polls.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
use chat_net::{ConnectError, ProxyError, ProxyServer};
use http::{HeaderValue, Request, Response, Uri, Version, header, uri};
use http_body_util::Full;
use hyper::ext::on_informational;

use crate::body::AnswerBody;
use crate::connection::Connection;
use crate::error::SendError;
use crate::io::Io;
use crate::pool::{Key, MAX_IDLE_TIME, Pool, close_on_time};

/// Opens connections for an [`Engine`].
///
/// Neither the connector nor its connections need to be `Send`. An engine, its futures and its answers are `Send` if they
/// are.
#[allow(async_fn_in_trait, reason = "auto traits of the futures leak through `Engine::send`")]
pub trait Connect: 'static {
    /// The connection.
    type Io: Io;

    /// Connects to the scheme, host and port of a URI. For `https` this includes TLS, which must agree on HTTP/1.1 only.
    ///
    /// # Errors
    ///
    /// [`ConnectError::other`] wraps errors that have no variant.
    async fn connect(&self, uri: &Uri) -> Result<Self::Io, ConnectError>;

    /// The proxy that forwards requests for a URI. In this case [`connect`](Self::connect) connects to the proxy.
    /// The default is `None`: requests go to the server.
    fn forwarder(&self, _uri: &Uri) -> Option<&ProxyServer> {
        None
    }
}

/// Sends requests over HTTP/1.1. Each connection is polled by the task that polls the answer on it.
///
/// An engine is cheap to clone. Clones share their connections.
pub struct Engine<C: Connect> {
    shared: Arc<Shared<C>>,
}

struct Shared<C: Connect> {
    connect: C,
    pool: Arc<Pool<C::Io>>,
}

impl<C: Connect> Clone for Engine<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Connect> fmt::Debug for Engine<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl<C: Connect> Engine<C> {
    /// Creates an engine, which has no connections yet.
    pub fn new(connect: C) -> Self {
        Self::with_max_idle_time(connect, MAX_IDLE_TIME)
    }

    /// Creates an engine that keeps idle connections for at most this time. The default is 30 s. Zero keeps none.
    pub fn with_max_idle_time(connect: C, time: Duration) -> Self {
        Self { shared: Arc::new(Shared { connect, pool: Arc::new(Pool::new(time)) }) }
    }

    /// The connector.
    pub fn connector(&self) -> &C {
        &self.shared.connect
    }

    /// Returns a future that closes idle connections when their time is up, and reads the rest of the answers that are
    /// [drained](AnswerBody::drain). Spawn it as a task of its own. It ends when the
    /// engine and its clones are dropped.
    ///
    /// Without it, a connection whose time is up is closed at the next call.
    pub fn close_idle<F, S>(&self, sleep: S) -> impl Future<Output = ()> + use<C, F, S>
    where
        S: Fn(Duration) -> F,
        F: Future<Output = ()>,
    {
        close_on_time(Arc::downgrade(&self.shared.pool), sleep)
    }

    /// The number of idle connections. It includes those whose last answer is drained, see [`AnswerBody::drain`].
    pub fn idle_connections(&self) -> usize {
        self.shared.pool.len()
    }

    /// Sends a request on an idle connection or a new one, and returns the answer when its head has arrived.
    ///
    /// The URI must be absolute. `Host` and `Content-Length` are added if they are missing. The request is always sent as
    /// HTTP/1.1.
    ///
    /// An idle connection that turns out to be closed gives the request back unsent, and the request goes out on another
    /// one. Dropping the future closes its connection.
    ///
    /// The future is `Send` if the connector, its connections and its futures are. To name it as a type, box it.
    pub fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<AnswerBody<C::Io>>, SendError>> + use<C> {
        let shared = Arc::clone(&self.shared);
        async move { shared.send(request).await }
    }
}

impl<C: Connect> Shared<C> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<AnswerBody<C::Io>>, SendError> {
        let uri = request.uri().clone();
        let key = Key::of(&uri).ok_or_else(|| invalid("the URI has no scheme or no host"))?;
        let mut request = to_http1(request)?;
        if let Some(proxy) = self.connect.forwarder(&uri) {
            to_absolute_form(&mut request, proxy);
            let answer = self.send_on(key, &uri, request).await?;
            return match ProxyError::refusal(proxy, answer.status(), answer.headers()) {
                Some(refusal) => Err(ConnectError::from(refusal).into()),
                None => Ok(answer),
            };
        }
        to_origin_form(&mut request);
        self.send_on(key, &uri, request).await
    }

    /// Sends a request that already has the right form for its peer.
    async fn send_on(
        &self,
        key: Key,
        uri: &Uri,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<AnswerBody<C::Io>>, SendError> {
        while let Some(idle) = self.pool.take(&key) {
            match exchange(idle, request).await {
                Ok(answered) => return Ok(self.answer(key, answered)),
                Err(Unanswered { unsent: Some(unsent), .. }) => request = *unsent,
                Err(Unanswered { error, unsent: None }) => return Err(SendError::lost(error)),
            }
        }
        let io = self.connect.connect(uri).await?;
        let connection = Connection::open(io).await.map_err(SendError::unsent)?;
        match exchange(connection, request).await {
            Ok(answered) => Ok(self.answer(key, answered)),
            Err(Unanswered { error, unsent: Some(_) }) => Err(SendError::unsent(error)),
            Err(Unanswered { error, unsent: None }) => Err(SendError::lost(error)),
        }
    }

    fn answer(&self, key: Key, answered: Answered<C::Io>) -> Response<AnswerBody<C::Io>> {
        let (connection, response) = answered;
        response.map(|incoming| AnswerBody::new(incoming, connection, key, Arc::clone(&self.pool)))
    }
}

type Answered<T> = (Connection<T>, Response<hyper::body::Incoming>);

/// A request without an answer. The request is given back if no byte of it was sent.
struct Unanswered {
    error: hyper::Error,
    unsent: Option<Box<Request<Full<Bytes>>>>,
}

/// Sends a request on a connection, and drives the connection until the head of the answer is here.
async fn exchange<T: Io>(
    mut connection: Connection<T>,
    mut request: Request<Full<Bytes>>,
) -> Result<Answered<T>, Unanswered> {
    connection.status.begin_request();
    let status = Arc::clone(&connection.status);
    on_informational(&mut request, move |_| status.count_interim());
    let mut answer = pin!(connection.sender.try_send_request(request));
    let answer = poll_fn(|cx| connection.driver.poll(cx, |cx| answer.as_mut().poll(cx))).await;
    if connection.status.is_flooded() {
        // The answer may be here already. The timeouts of the call end it all the same.
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

fn invalid(why: &'static str) -> ConnectError {
    ConnectError::other(TransportError::Connect, why)
}

/// Prepares a request for HTTP/1.1: sets `Host` and the version. hyper panics for some other versions.
fn to_http1(request: Request<Bytes>) -> Result<Request<Full<Bytes>>, ConnectError> {
    let mut request = request.map(Full::new);
    *request.version_mut() = Version::HTTP_11;
    let uri = request.uri();
    let default = if uri.scheme() == Some(&uri::Scheme::HTTPS) { 443 } else { 80 };
    let host = uri.host().unwrap_or_default();
    let host = match uri.port_u16().filter(|&port| port != default) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    let host = host.map_err(|_| invalid("the host is not a valid header value"))?;
    request.headers_mut().entry(header::HOST).or_insert(host);
    Ok(request)
}

/// Reduces the URI to the path and query, which is the form for a server.
fn to_origin_form(request: &mut Request<Full<Bytes>>) {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| uri::PathAndQuery::from_static("/")));
}

/// Removes user and password from the URI and adds the proxy's credentials, which is the form for a proxy.
fn to_absolute_form(request: &mut Request<Full<Bytes>>, proxy: &ProxyServer) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let host = parts.authority.as_ref().and_then(|authority| authority.as_str().rsplit_once('@'));
    if let Some((_, host)) = host {
        parts.authority = Some(host.parse().expect("an authority without its user is an authority"));
    }
    *request.uri_mut() = Uri::from_parts(parts).expect("the parts come from a valid URI");
    if let Some(authorization) = proxy.authorization() {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
}
