//! Connections: opened, kept, taken again.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chat_client::{Build, Settings};
use chat_proto::{Error, Source};
use http::Uri;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};

use crate::Client;
use crate::cancel::{Canceller, Waiting};
use crate::connection::Connection;
use crate::dial::dial;
use crate::proxy::Proxy;
use crate::socket::Socket;
use crate::tls;

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
/// let connector = Connector::with_roots(private_ca)?.via(Proxy::from_env()?);
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

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) is_https: bool,
    /// A name or an address, without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    pub(crate) fn of(uri: &Uri) -> Self {
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Self { is_https, host: host.to_owned(), port }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Host and port, as they stand in a URL.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl Connector {
    /// One that trusts the default roots, which are a feature of this crate, and these.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming `tls`, if one of them is none, or the machine's are wanted
    /// and can't be had.
    pub fn with_roots(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, Error> {
        let refuse = |error: Source| Error::invalid_request("tls", "can't be set up").with_source(error);
        Ok(Self::with_tls(tls::config(roots).map_err(refuse)?))
    }

    /// One with TLS of one's own: other roots alone, client certificates, another provider. Its ALPN protocols are set here,
    /// to HTTP/1.1.
    pub fn with_tls(mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tls: Arc::new(tls), proxy: Proxy::none(), kept: Mutex::default() }
    }

    /// Goes through a proxy. Without this it does not, whatever the environment says.
    #[must_use]
    pub fn via(self, proxy: Proxy) -> Self {
        Self { proxy, ..self }
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
        let way = self.proxy.way_to(origin);
        let next = way.map_or(origin, |way| &way.origin);
        let mut socket = Socket::new(dial(next, deadline, canceller)?);
        canceller.waits_for(Waiting::Socket(Arc::downgrade(socket.tcp())));
        socket.set_deadline(deadline);
        if !origin.is_https {
            return Ok(Connection::plain(socket, way.cloned()));
        }
        if let Some(way) = way {
            way.tunnel(&mut socket, origin)?;
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

impl Build for Connector {
    type Client = Client;

    fn build(settings: Settings) -> Result<Client, Error> {
        Ok(Client::new(settings, Self::with_roots([])?.via(Proxy::from_env()?)))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("kept", &self.lock().len()).finish_non_exhaustive()
    }
}
