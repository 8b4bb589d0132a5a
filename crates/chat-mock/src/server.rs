//! The server: its settings, and its life from bind to shutdown.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chat_proto::sessions::AssistantMessage;
use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::api_key::ApiKey;
use crate::canned;
use crate::cors::Cors;
use crate::service::{Respond, Service};
use crate::sessions::{History, Sessions};
use crate::tcp::{Shutdown, TcpServer};

/// How long [`Server::shutdown`] waits for answers in progress.
const GRACE: Duration = Duration::from_secs(5);

/// How long [`Server::shutdown`] waits for the rest of a request.
const REQUEST_GRACE: Duration = Duration::from_millis(250);

/// Builds a [`Server`].
#[must_use = "a builder does nothing until it is bound"]
pub struct ServerBuilder {
    addr: SocketAddr,
    api_key: Option<ApiKey>,
    respond: Respond,
    max_sessions: usize,
    session_id_prefix: String,
    chunk_delay: Duration,
    cors: Option<Cors>,
    #[cfg(feature = "files")]
    files: Option<crate::files::Files>,
}

impl ServerBuilder {
    /// Sets the address to listen on. The default is a free port of 127.0.0.1.
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Sets the API key that clients must send. By default, the server accepts any bearer token that is not empty.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(ApiKey::new(key));
        self
    }

    /// Sets the function that answers a question, from the history and the question's text. The history is that of the
    /// session, or under `/v1` that of the request's messages. The default returns a canned answer with two citations.
    ///
    /// ```
    /// use chat_mock::Server;
    /// use chat_proto::sessions::AssistantMessage;
    ///
    /// let builder = Server::builder()
    ///     .respond_with(|history, question| {
    ///         let text = format!("{}You asked: {question}", history.summary());
    ///         AssistantMessage::new(text, None)
    ///     });
    /// # let _ = builder;
    /// ```
    ///
    /// The function is called under a lock, so that questions are answered one at a time.
    pub fn respond_with(
        mut self,
        respond: impl Fn(&History, &str) -> AssistantMessage + Send + Sync + 'static,
    ) -> Self {
        self.respond = Box::new(respond);
        self
    }

    /// Sets the maximum number of sessions. Past it, the least recently used session is forgotten. The default is 1000,
    /// the minimum is 1.
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.max_sessions = max;
        self
    }

    /// Sets the prefix of session ids. The default is `session-`. Use a prefix with a `/`, a space or a `%` to test that a
    /// client encodes ids.
    pub fn session_id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.session_id_prefix = prefix.into();
        self
    }

    /// Sets the pause between two events of a stream. The default is zero.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = delay;
        self
    }

    /// Lets the web pages of an origin, such as `https://example.com`, ask this server, or with `*` those of all origins. By
    /// default, only pages of the server's own origin may ask.
    pub fn allow_origin(mut self, origin: HeaderValue) -> Self {
        self.cors = Some(Cors::new(origin));
        self
    }

    /// Serves the files of a folder at all paths outside of the APIs, and its `index.html` at `/`. The pages of the folder may
    /// ask this server, because they have its origin.
    #[cfg(feature = "files")]
    pub fn files(mut self, dir: impl AsRef<std::path::Path>) -> Self {
        self.files = Some(crate::files::Files::new(dir));
        self
    }

    /// Binds the address and starts to serve, in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, e.g. because it is in use.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub async fn bind(self) -> io::Result<Server> {
        let sessions = Sessions::new(self.max_sessions, self.session_id_prefix);
        let service = Service::new(self.api_key, self.respond, sessions, self.chunk_delay).with_cors(self.cors);
        #[cfg(feature = "files")]
        let service = service.with_files(self.files);
        let service = Arc::new(service);
        let listener = TcpListener::bind(self.addr).await?;
        let for_connections = Arc::clone(&service);
        let tcp = TcpServer::start(listener, move |stream, stop| serve(stream, stop, Arc::clone(&for_connections)))?;
        Ok(Server { tcp, service })
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("addr", &self.addr)
            .field("api_key", &self.api_key)
            .field("max_sessions", &self.max_sessions)
            .field("session_id_prefix", &self.session_id_prefix)
            .field("chunk_delay", &self.chunk_delay)
            .finish_non_exhaustive()
    }
}

/// A server that implements both APIs, `/v0` and `/v1`, over HTTP/1.1, and over HTTP/2 with prior knowledge.
///
/// It runs in tasks of the tokio runtime in which it was bound. Dropping it stops them and closes its connections.
#[derive(Debug)]
pub struct Server {
    tcp: TcpServer,
    service: Arc<Service>,
}

impl Server {
    /// Returns a builder for a server on a free loopback port that gives canned answers.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: None,
            respond: Box::new(|history, _| canned::answer(history)),
            max_sessions: 1000,
            session_id_prefix: "session-".to_owned(),
            chunk_delay: Duration::ZERO,
            cors: None,
            #[cfg(feature = "files")]
            files: None,
        }
    }

    /// Returns the address that it listens on. The port is the real one if port 0 was requested.
    pub fn local_addr(&self) -> SocketAddr {
        self.tcp.local_addr()
    }

    /// Returns the base URL for a client: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// Returns the number of connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.tcp.open_connections()
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted_connections(&self) -> usize {
        self.tcp.accepted_connections()
    }

    /// Returns the number of requests so far, including rejected ones.
    pub fn requests(&self) -> u64 {
        self.service.requests()
    }

    /// Waits until the server ends, which happens only when its runtime shuts down. Use it in a program that serves until
    /// it is interrupted.
    pub async fn wait(&self) {
        self.tcp.wait().await;
    }

    /// Stops accepting, closes connections that are idle or whose request is incomplete, and waits for answers in
    /// progress, for at most five seconds.
    pub async fn shutdown(self) {
        self.tcp.shutdown(GRACE).await;
    }
}

async fn serve(stream: TcpStream, mut stop: Shutdown, service: Arc<Service>) {
    // Each event must be sent when it is written. If the option cannot be set, the connection is already closed.
    let _ = stream.set_nodelay(true);
    let http = auto::Builder::new(TokioExecutor::new());
    // Each answer in progress holds a clone.
    let answers = Arc::new(());
    let in_progress = Arc::downgrade(&answers);
    let service = service_fn(move |request| {
        let (service, in_progress) = (Arc::clone(&service), in_progress.clone());
        async move { Ok::<_, Infallible>(service.respond(request, &in_progress).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // The client sees a connection error; there is nothing to do here.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.requested() => connection.as_mut().graceful_shutdown(),
    }
    // An idle connection ends now. One with an incomplete request would wait for the rest of it.
    while timeout(REQUEST_GRACE, connection.as_mut()).await.is_err() && Arc::strong_count(&answers) > 1 {}
}
