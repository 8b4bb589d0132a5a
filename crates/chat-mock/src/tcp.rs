//! A TCP accept loop that owns its connections and counts them. Both servers of this crate run on it, and so can a
//! server of your own.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// The pause after a failed accept. The usual reason is a lack of file descriptors, which only time cures.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running accept loop. Dropping it stops the loop and aborts the connections.
#[derive(Debug)]
pub struct TcpServer {
    addr: SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Tells a connection that the server shuts down.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Waits until the server shuts down.
    pub async fn requested(&mut self) {
        // An error says that the server was dropped, which is a shutdown too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[derive(Debug, Default)]
struct Counters {
    open: AtomicUsize,
    accepted: AtomicUsize,
}

impl TcpServer {
    /// Starts to accept on a free port of 127.0.0.1. See [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// No port is free.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn on_free_port<S, F>(serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream, Shutdown) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Self::start(TcpListener::from_std(listener)?, serve)
    }

    /// Starts to accept, in a task of the current tokio runtime. `serve` returns the future of one connection, which
    /// runs in a task too.
    ///
    /// # Errors
    ///
    /// The listener has no local address.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn start<S, F>(listener: TcpListener, serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream, Shutdown) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Shutdown(stopped), Arc::clone(&counters), serve));
        Ok(Self { addr, counters, stop, task })
    }

    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the number of connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.counters.open.load(Ordering::Acquire)
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted_connections(&self) -> usize {
        self.counters.accepted.load(Ordering::Acquire)
    }

    /// Waits until the accept loop has ended.
    pub async fn wait(&self) {
        self.stop.closed().await;
    }

    /// Stops accepting and waits for the connections to end, for at most `grace`.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stop.send_replace(true);
        // The drop aborts the connections that are left.
        let _ = timeout(grace, &mut self.task).await;
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<S, F>(listener: TcpListener, mut stop: Shutdown, counters: Arc<Counters>, serve: S)
where
    S: Fn(TcpStream, Shutdown) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    // Dropping the set aborts the connections in it. An abort of this task drops the set.
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let open = OpenConnection::new(&counters);
                    let serving = serve(stream, for_connections.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(open);
                    });
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.requested() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Counts an open connection while it lives.
struct OpenConnection(Arc<Counters>);

impl OpenConnection {
    fn new(counters: &Arc<Counters>) -> Self {
        counters.open.fetch_add(1, Ordering::AcqRel);
        counters.accepted.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counters))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
