//! The thread that the servers live on, and one row's server with what stands before it.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chat_client::driver::Config;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

use super::door::Ending;
use super::early::{EarlyServer, Then};
use super::pace::FastServer;
use super::{Caller, Door, Identity, Setup, Wire};
use crate::{Builder, Reply, ScriptServer, Server};

/// Longer than anything here may take.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// How long nothing has to happen until nothing more is expected.
const QUIET: Duration = Duration::from_millis(500);

/// How often something is looked at that nobody tells.
const LOOK: Duration = Duration::from_millis(5);

/// A thread with a runtime for servers.
#[derive(Debug)]
pub(super) struct Host {
    handle: Handle,
    identity: Identity,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    pub(super) fn start() -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::Builder::new().name("conformance servers".to_owned()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let _ = match &runtime {
                Ok(runtime) => tell.send(Ok(runtime.handle().clone())),
                Err(error) => tell.send(Err(io::Error::new(error.kind(), error.to_string()))),
            };
            if let Ok(runtime) = runtime {
                // An error says that the host is gone: a stop as well.
                let _ = runtime.block_on(stopped);
            }
        })?;
        let handle = told.recv().map_err(io::Error::other)??;
        Ok(Self { handle, identity: Identity::new(), stop: Some(stop), thread: Some(thread) })
    }

    /// A future of a moment, for any executor.
    pub(super) async fn sleep(&self, time: Duration) {
        let sleeping = self.handle.spawn(async move { tokio::time::sleep(time).await });
        // It fails when the host is gone, and then nothing is to be waited for.
        let _ = sleeping.await;
    }

    /// A server that plays replies, behind what the wire asks for.
    pub(super) fn script(&self, wire: Wire, replies: Vec<Reply>) -> io::Result<Scene<ScriptServer>> {
        self.script_that_ends(wire, replies, Ending::Told)
    }

    pub(super) fn script_that_ends(
        &self,
        wire: Wire,
        replies: Vec<Reply>,
        ending: Ending,
    ) -> io::Result<Scene<ScriptServer>> {
        let _entered = self.handle.enter();
        let server = ScriptServer::start(replies)?;
        let addr = server.local_addr();
        self.scene(wire, server, addr, ending)
    }

    /// The API's server, behind what the wire asks for.
    pub(super) fn server(&self, wire: Wire, builder: Builder) -> io::Result<Scene<Server>> {
        let server = self.handle.block_on(builder.bind())?;
        let addr = server.local_addr();
        let _entered = self.handle.enter();
        self.scene(wire, server, addr, Ending::Told)
    }

    /// A server that writes so many bytes of an event as fast as it is read, behind what the wire asks for.
    pub(super) fn fast(&self, wire: Wire, event: &'static str, limit: usize) -> io::Result<Scene<FastServer>> {
        let _entered = self.handle.enter();
        let server = FastServer::start(event, limit)?;
        let addr = server.local_addr();
        self.scene(wire, server, addr, Ending::Told)
    }

    /// A server that answers while the question is being sent. Nothing is in between, which would read the question.
    pub(super) fn early(&self, wire: Wire, then: Then) -> io::Result<Scene<EarlyServer>> {
        let _entered = self.handle.enter();
        let protocol: &[u8] = if wire.is_http2() { b"h2" } else { b"http/1.1" };
        let tls = wire.is_tls().then(|| self.identity.acceptor(&[protocol]));
        let server = EarlyServer::start(tls, wire.is_http2(), then)?;
        let addr = server.local_addr();
        Ok(self.in_front(wire, server, None, addr))
    }

    fn scene<S>(&self, wire: Wire, server: S, addr: SocketAddr, ending: Ending) -> io::Result<Scene<S>> {
        let identity = &self.identity;
        let door = match wire {
            Wire::Http1 => None,
            Wire::Http1Tls => Some(Door::tls(addr, identity, ending)?),
            Wire::Http2 => Some(Door::gateway(addr)?),
            Wire::Http2Tls => Some(Door::gateway_tls(addr, identity)?),
        };
        let addr = door.as_ref().map_or(addr, Door::local_addr);
        Ok(self.in_front(wire, server, door, addr))
    }

    /// A scene whose client goes to this address.
    fn in_front<S>(&self, wire: Wire, server: S, door: Option<Door>, addr: SocketAddr) -> Scene<S> {
        let identity = &self.identity;
        let base_url = match wire.is_tls() {
            true => format!("https://localhost:{}", addr.port()),
            false => format!("http://{addr}"),
        };
        let ca = wire.is_tls().then(|| identity.ca());
        let mut config = Config::default();
        config.timeouts.connect = Some(LONG);
        let setup = Setup { wire, base_url, config, headers: Vec::new(), ca };
        Scene { server, door, setup }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One row's server, what stands before it, and how a client gets there.
pub(super) struct Scene<S> {
    pub(super) server: S,
    door: Option<Door>,
    pub(super) setup: Setup,
}

/// What both servers count.
pub(super) trait Counts {
    fn open(&self) -> usize;
    fn accepted(&self) -> usize;
}

impl Counts for ScriptServer {
    fn open(&self) -> usize {
        self.open_connections()
    }

    fn accepted(&self) -> usize {
        self.accepted_connections()
    }
}

impl Counts for Server {
    fn open(&self) -> usize {
        self.open_connections()
    }

    fn accepted(&self) -> usize {
        self.accepted_connections()
    }
}

impl<S: Counts> Scene<S> {
    /// How many connections the client has made.
    pub(super) fn connections(&self) -> usize {
        self.door.as_ref().map_or_else(|| self.server.accepted(), Door::accepted_connections)
    }

    /// How many of the client's connections are open.
    pub(super) fn open(&self) -> usize {
        self.door.as_ref().map_or_else(|| self.server.open(), Door::open_connections)
    }

    /// Waits until no answer is under way any more: the server's connections are closed. Behind a gateway each stream has one.
    pub(super) fn quiet(&self, caller: &impl Caller) -> Result<(), String> {
        until(caller, || self.server.open() == 0)
            .map_err(|Late| format!("{} of the server's connections stay open", self.server.open()))
    }

    /// Ends the row: once the client is gone, no connection is left.
    pub(super) fn end<C: Caller>(self, caller: &C, client: C::Client) -> Result<(), String> {
        drop(client);
        until(caller, || self.open() + self.server.open() == 0)
            .map_err(|Late| format!("the client is gone and leaves {} connections open", self.open()))
    }
}

impl Scene<ScriptServer> {
    /// Waits until no call is under way, for a while on end: a connection that waits to be accepted, or shakes hands at a
    /// door, shows nowhere. One that no request has gone out on may be kept.
    pub(super) fn idle(&self, caller: &impl Caller) -> Result<(), String> {
        let busy = || self.server.open_connections().saturating_sub(self.server.idle_connections());
        let (mut quiet_since, mut requests) = (Instant::now(), 0);
        let is_quiet = || {
            let now = self.server.requests().len();
            if busy() > 0 || now != requests {
                (quiet_since, requests) = (Instant::now(), now);
            }
            quiet_since.elapsed() > QUIET
        };
        until(caller, is_quiet).map_err(|Late| format!("{} of the dropped calls are under way still", busy()))
    }
}

/// Something did not come about.
pub(super) struct Late;

/// Waits until something holds that others bring about.
pub(super) fn until(caller: &impl Caller, mut holds: impl FnMut() -> bool) -> Result<(), Late> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > LONG {
            return Err(Late);
        }
        caller.pause(LOOK);
    }
    Ok(())
}
