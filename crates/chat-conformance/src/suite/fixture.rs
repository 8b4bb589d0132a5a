//! The thread that the servers run on, and the fixture of a row: its server and a gateway in front of it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use chat_client::driver::Config;
use chat_mock::{ScriptServer, ScriptedReply, Server, ServerBuilder};
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

use super::early_server::{EarlyServer, Then};
use super::fast_server::FastServer;
use super::gateway::Gateway;
use super::gateway::TlsClose;
use super::harness::{Caller, KeyPlace, Setup, TlsCache};
use super::identity::Identity;
use super::wire::Wire;

/// Longer than any wait takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// After this time without activity, no more activity is expected.
const QUIET_TIME: Duration = Duration::from_millis(500);

/// The interval at which a condition is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A thread with a tokio runtime for servers.
#[derive(Debug)]
pub(crate) struct Servers {
    handle: Handle,
    identity: Identity,
    tls_cache: TlsCache,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Servers {
    pub(crate) fn start() -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (send_handle, handle) = mpsc::channel();
        let thread = thread::Builder::new().name("conformance servers".to_owned()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let _ = match &runtime {
                Ok(runtime) => send_handle.send(Ok(runtime.handle().clone())),
                Err(error) => send_handle.send(Err(io::Error::new(error.kind(), error.to_string()))),
            };
            if let Ok(runtime) = runtime {
                // An error means that the value was dropped.
                let _ = runtime.block_on(stopped);
            }
        })?;
        let handle = handle.recv().map_err(io::Error::other)??;
        Ok(Self {
            handle,
            identity: Identity::new(),
            tls_cache: TlsCache::default(),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Timer future that works on any executor.
    pub(crate) async fn sleep(&self, time: Duration) {
        let sleeping = self.handle.spawn(async move { tokio::time::sleep(time).await });
        // It fails only when the runtime is shut down.
        let _ = sleeping.await;
    }

    /// Starts a server that plays replies, behind the gateway that the wire needs.
    pub(crate) fn script(&self, wire: Wire, replies: Vec<ScriptedReply>) -> io::Result<Fixture<ScriptServer>> {
        self.script_that_closes(wire, replies, TlsClose::Graceful)
    }

    pub(crate) fn script_that_closes(
        &self,
        wire: Wire,
        replies: Vec<ScriptedReply>,
        tls_close: TlsClose,
    ) -> io::Result<Fixture<ScriptServer>> {
        let _entered = self.handle.enter();
        let server = ScriptServer::start(replies)?;
        let addr = server.local_addr();
        self.fixture(wire, server, addr, tls_close)
    }

    /// Starts a mock server, behind the gateway that the wire needs.
    pub(crate) fn server(&self, wire: Wire, builder: ServerBuilder) -> io::Result<Fixture<Server>> {
        let server = self.handle.block_on(builder.bind())?;
        let addr = server.local_addr();
        let _entered = self.handle.enter();
        self.fixture(wire, server, addr, TlsClose::Graceful)
    }

    /// Starts a server that writes this many bytes as fast as it can, behind the gateway that the wire needs.
    pub(crate) fn fast(&self, wire: Wire, event: &'static str, limit: usize) -> io::Result<Fixture<FastServer>> {
        let _entered = self.handle.enter();
        let server = FastServer::start(event, limit)?;
        let addr = server.local_addr();
        self.fixture(wire, server, addr, TlsClose::Graceful)
    }

    /// Starts a server that answers while the question is being sent. It has no gateway, which would read the question.
    pub(crate) fn early(&self, wire: Wire, then: Then) -> io::Result<Fixture<EarlyServer>> {
        let _entered = self.handle.enter();
        let protocol: &[u8] = if wire.is_http2() { b"h2" } else { b"http/1.1" };
        let tls = wire.is_tls().then(|| self.identity.acceptor(&[protocol]));
        let server = EarlyServer::start(tls, wire.is_http2(), then)?;
        let addr = server.local_addr();
        Ok(self.fixture_at(wire, server, None, addr))
    }

    fn fixture<S>(&self, wire: Wire, server: S, addr: SocketAddr, tls_close: TlsClose) -> io::Result<Fixture<S>> {
        let identity = &self.identity;
        let gateway = match wire {
            Wire::Http1 => None,
            Wire::Http1Tls => Some(Gateway::tls(addr, identity, tls_close)?),
            Wire::Http2 => Some(Gateway::http2(addr)?),
            Wire::Http2Tls => Some(Gateway::http2_tls(addr, identity)?),
        };
        let addr = gateway.as_ref().map_or(addr, Gateway::local_addr);
        Ok(self.fixture_at(wire, server, gateway, addr))
    }

    /// Returns a fixture whose client connects to this address.
    fn fixture_at<S>(&self, wire: Wire, server: S, gateway: Option<Gateway>, addr: SocketAddr) -> Fixture<S> {
        let identity = &self.identity;
        let base_url = match wire.is_tls() {
            true => format!("https://localhost:{}", addr.port()),
            false => format!("http://{addr}"),
        };
        let ca = wire.is_tls().then(|| identity.ca());
        let mut config = Config::default();
        config.timeouts.connect = Some(LONG);
        let tls_cache = Arc::clone(&self.tls_cache);
        let ca_pem = wire.is_tls().then(|| identity.ca_pem());
        let setup = Setup { wire, base_url, config, headers: Vec::new(), key: KeyPlace::Bearer, ca, ca_pem, tls_cache };
        Fixture { server, gateway, setup }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A row's server, the gateway in front of it, and the settings of the client.
pub(crate) struct Fixture<S> {
    pub(crate) server: S,
    gateway: Option<Gateway>,
    pub(crate) setup: Setup,
}

/// The connections that a server counts.
pub(crate) trait ConnectionCounts {
    fn open(&self) -> usize;
    fn accepted(&self) -> usize;
}

impl ConnectionCounts for FastServer {
    fn open(&self) -> usize {
        self.open_connections()
    }

    fn accepted(&self) -> usize {
        self.accepted_connections()
    }
}

impl ConnectionCounts for EarlyServer {
    fn open(&self) -> usize {
        self.open_connections()
    }

    fn accepted(&self) -> usize {
        self.accepted_connections()
    }
}

impl ConnectionCounts for ScriptServer {
    fn open(&self) -> usize {
        self.open_connections()
    }

    fn accepted(&self) -> usize {
        self.accepted_connections()
    }
}

impl ConnectionCounts for Server {
    fn open(&self) -> usize {
        self.open_connections()
    }

    fn accepted(&self) -> usize {
        self.accepted_connections()
    }
}

impl<S: ConnectionCounts> Fixture<S> {
    /// Returns the number of connections that the client has opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.gateway.as_ref().map_or_else(|| self.server.accepted(), Gateway::accepted_connections)
    }

    /// Returns the number of the client's connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.gateway.as_ref().map_or_else(|| self.server.open(), Gateway::open_connections)
    }

    /// Waits until the server's connections are closed. Behind an HTTP/2 gateway, each stream has one.
    pub(crate) fn wait_closed(&self, caller: &impl Caller) -> Result<(), String> {
        wait_until(caller, || self.server.open() == 0)
            .map_err(|TimedOut| format!("{} of the server's connections stay open", self.server.open()))
    }

    /// Drops the client, and waits until all connections are closed.
    pub(crate) fn finish<C: Caller>(self, caller: &C, client: C::Client) -> Result<(), String> {
        drop(client);
        wait_until(caller, || self.open() + self.server.open() == 0)
            .map_err(|TimedOut| format!("the client was dropped and left {} connections open", self.open()))
    }
}

impl Fixture<ScriptServer> {
    /// Returns the host and the port that the client connects to, from a base URL without a path.
    pub(crate) fn authority(&self) -> String {
        self.setup.base_url.split_once("//").map_or("", |(_, authority)| authority).to_owned()
    }

    /// Waits until no call is in progress, and stays so for a while: a connection that is not accepted yet, or is in its TLS
    /// handshake, is not counted. Connections without a request may stay open.
    pub(crate) fn wait_idle(&self, caller: &impl Caller) -> Result<(), String> {
        let busy = || self.server.open_connections().saturating_sub(self.server.idle_connections());
        let (mut quiet_since, mut requests) = (Instant::now(), 0);
        let is_quiet = || {
            let now = self.server.requests().len();
            if busy() > 0 || now != requests {
                (quiet_since, requests) = (Instant::now(), now);
            }
            quiet_since.elapsed() > QUIET_TIME
        };
        wait_until(caller, is_quiet)
            .map_err(|TimedOut| format!("{} of the dropped calls are still in progress", busy()))
    }
}

/// The condition did not become true in time.
pub(crate) struct TimedOut;

/// Waits until a condition is true.
pub(crate) fn wait_until(caller: &impl Caller, mut condition: impl FnMut() -> bool) -> Result<(), TimedOut> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > LONG {
            return Err(TimedOut);
        }
        caller.pause(POLL_INTERVAL);
    }
    Ok(())
}
