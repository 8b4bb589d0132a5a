//! The server: what can be set, and its life from bind to shutdown.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::Library;
use crate::accept::{Accepting, Stop};
use crate::key::Key;
use crate::service::Service;
use crate::sessions::Sessions;

/// How long [`Server::shutdown`] waits for answers that are on their way.
const GRACE: Duration = Duration::from_secs(5);

/// How long it waits for the rest of a request that is on its way: less than anybody would notice.
const LAST_CALL: Duration = Duration::from_millis(250);

/// What a [`Server`] is made from.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is bound"]
pub struct Builder {
    addr: SocketAddr,
    api_key: Option<Key>,
    library: Option<Library>,
    max_sessions: usize,
    session_id_prefix: String,
    chunk_delay: Duration,
}

impl Builder {
    /// Where to listen. The default is a free port of 127.0.0.1.
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// The only key to take. Without it, any bearer that is not empty will do.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Key::new(key));
        self
    }

    /// The documents to answer from. The default is [`Library::bundled`].
    pub fn library(mut self, library: Library) -> Self {
        self.library = Some(library);
        self
    }

    /// How many sessions to remember; past it the one that was used the longest ago is forgotten. The default is 1000,
    /// the least is 1.
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.max_sessions = max;
        self
    }

    /// What every session's id begins with. The default is `session-`. A prefix with a `/`, a space or a `%` shows
    /// whether a client encodes the ids it sends.
    pub fn session_id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.session_id_prefix = prefix.into();
        self
    }

    /// How long to wait between two events of a stream, so that a person sees it stream. The default is zero.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = delay;
        self
    }

    /// Binds the address and starts to serve, in tasks of the tokio runtime this is called in.
    ///
    /// # Errors
    ///
    /// The address can't be listened on: it is taken, not this machine's, or not allowed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn bind(self) -> io::Result<Server> {
        let service = Arc::new(Service::new(
            self.api_key,
            self.library.unwrap_or_else(Library::bundled),
            Sessions::new(self.max_sessions, self.session_id_prefix),
            self.chunk_delay,
        ));
        let listener = TcpListener::bind(self.addr).await?;
        let for_connections = Arc::clone(&service);
        let accepting =
            Accepting::start(listener, move |stream, stop| serve(stream, stop, Arc::clone(&for_connections)))?;
        Ok(Server { accepting, service })
    }
}

/// The API's server side on a socket: HTTP/1.1, and HTTP/2 with prior knowledge.
///
/// It runs in tasks of its own. Dropping it stops them at once and closes its connections.
#[derive(Debug)]
pub struct Server {
    accepting: Accepting,
    service: Arc<Service>,
}

impl Server {
    /// A server on a free loopback port, with the bundled documents, unless told otherwise.
    pub fn builder() -> Builder {
        Builder {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: None,
            library: None,
            max_sessions: 1000,
            session_id_prefix: "session-".to_owned(),
            chunk_delay: Duration::ZERO,
        }
    }

    /// Where it listens; the port is the true one if port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.accepting.addr()
    }

    /// The base URL for a client: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.accepting.open()
    }

    /// How many connections there have been.
    pub fn accepted_connections(&self) -> usize {
        self.accepting.accepted()
    }

    /// How many requests there have been, the refused ones included.
    pub fn requests(&self) -> u64 {
        self.service.requests()
    }

    /// Waits for as long as it serves: without end, unless its runtime is shut down. For a program that serves until
    /// it is interrupted.
    pub async fn wait(&self) {
        self.accepting.wait().await;
    }

    /// Stops accepting, closes idle connections and those whose request has not come whole, and lets answers that are on
    /// their way finish, for at most five seconds.
    pub async fn shutdown(self) {
        self.accepting.shutdown(GRACE).await;
    }
}

async fn serve(stream: TcpStream, mut stop: Stop, service: Arc<Service>) {
    // Each event is to be seen when it is written. If the option can't be set, the connection is gone already.
    let _ = stream.set_nodelay(true);
    let http = auto::Builder::new(TokioExecutor::new());
    // Each answer that is under way holds one more.
    let answers = Arc::new(());
    let under_way = Arc::downgrade(&answers);
    let service = service_fn(move |request| {
        let (service, under_way) = (Arc::clone(&service), under_way.clone());
        async move { Ok::<_, Infallible>(service.respond(request, &under_way).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // What goes wrong on a connection is the client's to notice: nobody is here to be told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.asked() => connection.as_mut().graceful_shutdown(),
    }
    // An idle connection ends now. One whose request has not come whole would wait for the rest of it.
    while timeout(LAST_CALL, connection.as_mut()).await.is_err() && Arc::strong_count(&answers) > 1 {}
}
