//! Connections: opened, kept, taken again.

use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chat_client::{Build, Settings};
pub(crate) use chat_net::Origin;
use chat_net::{Handshake, Proxy, ProxyError, ProxyServer, Scheme, Step, tls};
use chat_proto::Error;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};

use crate::Client;
use crate::cancel::{Canceller, Waiting};
use crate::connection::Connection;
use crate::dial::{dial, resolve};
use crate::socket::{Expired, Socket};

/// How long a connection is kept without use: shorter than most servers keep theirs, as one that a server closes while the
/// next request is on its way is a request that may or may not have been read.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// How many connections are kept.
const KEPT: usize = 8;

/// Opens a [`Client`]'s connections, with TLS where the URL says `https`, and keeps those whose answer was whole: up to 8,
/// for 30 seconds. One that was closed meanwhile is not used; nor is one on which something came that was not asked for.
///
/// [`Client::builder`] makes one by itself, with the default roots and the proxies of the environment. Another one goes into
/// [`Client::new`]:
///
/// ```
/// # fn main() -> Result<(), chat_blocking::Error> {
/// # let private_ca = Vec::new();
/// use chat_blocking::{Client, Connector, Proxy};
///
/// let connector = Connector::with_roots(private_ca)?.via(Proxy::from_env())?;
/// let client = Client::new(Client::builder().api_key("k").settings()?, connector);
/// # Ok(())
/// # }
/// ```
///
/// A new connection costs a thread for the look-up of its name and one for each address that is tried, as neither can be
/// interrupted. They end with it, or by themselves once its time is up.
pub struct Connector {
    tls: Arc<ClientConfig>,
    proxy: Proxy,
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    origin: Origin,
    connection: Connection,
    since: Instant,
}

impl Connector {
    /// One that trusts the default roots, which are a feature of this crate, and these.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming `tls`, if one of them is none, or the machine's are wanted
    /// and can't be had.
    pub fn with_roots(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, Error> {
        Ok(Self::with_tls(tls::config(roots, None)?))
    }

    /// One with TLS of one's own: other roots alone, client certificates, another provider. Its ALPN protocols are set here,
    /// to HTTP/1.1.
    pub fn with_tls(mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tls: Arc::new(tls), proxy: Proxy::none(), kept: Mutex::default() }
    }

    /// Goes through a proxy. Without this it does not, whatever the environment says.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming `proxy` or the variable of the environment, if the proxy's
    /// URL is an `https://` one: TLS is not spoken to proxies here.
    pub fn via(self, proxy: Proxy) -> Result<Self, Error> {
        Ok(Self { proxy: proxy.only(&Scheme::WITHOUT_TLS)?, ..self })
    }

    /// A connection that was kept, and is as it was.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut kept = self.lock();
                kept.retain(|one| one.since.elapsed() < KEPT_FOR);
                // The newest is the one that is most likely to be there still.
                let newest = kept.iter().rposition(|one| one.origin == *origin)?;
                kept.remove(newest).connection
            };
            if connection.is_unused() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next call. Its answer must be whole.
    pub(crate) fn keep(&self, origin: Origin, connection: Connection) {
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(Kept { origin, connection, since: Instant::now() });
    }

    /// A new connection: name, TCP, proxy and TLS, all before the deadline.
    pub(crate) fn open(
        &self,
        origin: &Origin,
        deadline: Option<Instant>,
        canceller: &Canceller,
    ) -> io::Result<Connection> {
        let via = self.proxy.select(origin).map_err(io::Error::other)?;
        let socket = match via {
            Some(via) => through(via, origin, deadline, canceller)?,
            None => reach(origin, deadline, canceller)?,
        };
        if !origin.is_https {
            return Ok(Connection::plain(socket, via.filter(|via| via.forwards(origin)).cloned()));
        }
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let tls = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        Connection::tls(tls, socket)
    }

    /// The list is valid after each change.
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket to a server, or to a proxy.
fn reach(origin: &Origin, deadline: Option<Instant>, canceller: &Canceller) -> io::Result<Socket> {
    let mut socket = Socket::new(dial(origin, deadline, canceller)?);
    canceller.waits_for(Waiting::Socket(Arc::downgrade(socket.tcp())));
    socket.set_deadline(deadline);
    Ok(socket)
}

/// A socket to a proxy, behind which is the server; or, where it forwards, the proxy itself.
fn through(via: &ProxyServer, origin: &Origin, deadline: Option<Instant>, canceller: &Canceller) -> io::Result<Socket> {
    let address =
        if via.wants_address(origin) {
            let found = resolve(origin, deadline, canceller);
            Some(found.map_err(|error| {
                unless_late(error, |source| ProxyError::Name { target: origin.to_string(), source })
            })?)
        } else {
            None
        };
    let reached = reach(via.origin(), deadline, canceller);
    let mut socket = reached.map_err(|error| {
        unless_late(error, |error| ProxyError::Unreachable { proxy: via.to_string(), source: error.into() })
    })?;
    if !via.forwards(origin) {
        shake_hands(&mut socket, Handshake::new(via, origin, address))?;
    }
    Ok(socket)
}

fn shake_hands(socket: &mut Socket, mut handshake: Handshake) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let moved = match handshake.step().map_err(io::Error::other)? {
            Step::Write(bytes) => socket.write_all(&bytes),
            Step::Read => socket.read(&mut buffer).map(|count| handshake.handle_data(&buffer[..count])),
            Step::Open(early) if early.is_empty() => return Ok(()),
            // Neither TLS nor HTTP/1.1 begins with the server.
            Step::Open(_) => Err(io::Error::new(ErrorKind::InvalidData, "something came before it was asked for")),
        };
        moved.map_err(|error| unless_late(error, |error| handshake.broken(error)))?;
    }
}

/// Says what failed on the way through a proxy. That the time is up is another thing, and stays as it is.
fn unless_late(error: io::Error, what: impl FnOnce(io::Error) -> ProxyError) -> io::Error {
    if Expired::is(&error) { error } else { io::Error::other(what(error)) }
}

impl Build for Connector {
    type Client = Client;

    fn build(settings: Settings) -> Result<Client, Error> {
        let connector = Self::with_roots(settings.root_certificates.clone())?.via(Proxy::from_env())?;
        if let Ok(uri) = settings.endpoint.base_url().parse() {
            connector.proxy.select(&Origin::of(&uri))?;
        }
        Ok(Client::new(settings, connector))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("kept", &self.lock().len()).finish_non_exhaustive()
    }
}
