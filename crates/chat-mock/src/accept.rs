//! The accept loop that both servers share: it owns its connections and counts them.

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

/// How long to wait after a failed accept: it is most often a lack of file descriptors, which only time cures.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running accept loop. Dropping it stops the loop and aborts the connections.
#[derive(Debug)]
pub(crate) struct Accepting {
    addr: SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Tells a connection to come to its end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until the server is asked to stop.
    pub(crate) async fn asked(&mut self) {
        // An error says that the server was dropped: a stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[derive(Debug, Default)]
struct Counters {
    open: AtomicUsize,
    accepted: AtomicUsize,
}

impl Accepting {
    /// Starts to accept on a free port of 127.0.0.1; the rest is as [`start`](Self::start) has it.
    pub(crate) fn on_free_port<S, F>(serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream, Stop) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Self::start(TcpListener::from_std(listener)?, serve)
    }

    /// Starts to accept, in a task of its own; `serve` makes the future of one connection.
    pub(crate) fn start<S, F>(listener: TcpListener, serve: S) -> io::Result<Self>
    where
        S: Fn(TcpStream, Stop) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let (stop, asked) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Stop(asked), Arc::clone(&counters), serve));
        Ok(Self { addr, counters, stop, task })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn open(&self) -> usize {
        self.counters.open.load(Ordering::Acquire)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.counters.accepted.load(Ordering::Acquire)
    }

    /// Waits for the loop's end.
    pub(crate) async fn wait(&self) {
        self.stop.closed().await;
    }

    /// Stops accepting, and waits for the connections to come to their end, at most for `grace`.
    pub(crate) async fn shutdown(mut self, grace: Duration) {
        self.stop.send_replace(true);
        // Whoever is late is aborted by the drop.
        let _ = timeout(grace, &mut self.task).await;
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<S, F>(listener: TcpListener, mut stop: Stop, counters: Arc<Counters>, serve: S)
where
    S: Fn(TcpStream, Stop) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    // Dropping the set, as an abort of this task does, aborts what is in it.
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let open = Open::new(&counters);
                    let serving = serve(stream, for_connections.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(open);
                    });
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.asked() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One open connection, counted for as long as this lives.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: &Arc<Counters>) -> Self {
        counters.open.fetch_add(1, Ordering::AcqRel);
        counters.accepted.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
