//! What the tests of proxies, of connecting and of TLS share: a private CA, a door of TLS before the bundled server,
//! and an error as its reader sees it.
#![allow(dead_code, reason = "each test file takes its part")]

pub(crate) mod peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat_mock::Server;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use transport_hyper::driver::TransportSettings;
use transport_hyper::sessions::CreateInput;
use transport_hyper::{Answer, Client, Error, HyperTransport, HyperTransportBuilder, Proxy, RetryPolicy, rustls};

/// Longer than anything here may take.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Waits until something that another task brings about holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A certificate with those that vouch for it, and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A private CA.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(crate) fn new() -> Self {
        Self::named("a private CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Vouches for a name.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// Vouched for a name, long ago.
    pub(crate) fn expired_identity(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// A server's side of TLS that wants a certificate of this CA.
    pub(crate) fn asking(&self, identity: Identity, protocols: &[&[u8]]) -> TlsAcceptor {
        acceptor(identity, protocols, Some(self.verifier().build().unwrap()))
    }

    /// A server's side of TLS that asks for a certificate of this CA, and does without one.
    pub(crate) fn asking_politely(&self, identity: Identity) -> TlsAcceptor {
        acceptor(identity, &[], Some(self.verifier().allow_unauthenticated().build().unwrap()))
    }

    fn verifier(&self) -> ClientCertVerifierBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(self.root()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
    }
}

/// A server's side of TLS.
pub(crate) fn acceptor(
    (chain, key): Identity,
    protocols: &[&[u8]],
    asks: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = match asks {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key).unwrap();
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(tls))
}

/// What the transport speaks to a server that offers it: HTTP/2, where that is built in.
pub(crate) const BEST: &[u8] = if cfg!(feature = "http2") { b"h2" } else { b"http/1.1" };

/// So many connections with that, as [`Door::spoken`] counts them.
pub(crate) fn with_best(count: usize) -> (usize, usize) {
    if cfg!(feature = "http2") { (count, 0) } else { (0, count) }
}

/// The bundled server behind TLS.
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    pub(crate) h2: Arc<AtomicUsize>,
    pub(crate) http1: Arc<AtomicUsize>,
    pub(crate) server: Server,
    _tasks: JoinSet<()>,
}

impl Door {
    pub(crate) async fn open(acceptor: TlsAcceptor) -> Self {
        let server = Server::builder().bind().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, inside) = (listener.local_addr().unwrap(), server.local_addr());
        let (h2, http1) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&h2), Arc::clone(&http1));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, counts) = (acceptor.clone(), counts.clone());
                connections.spawn(async move {
                    let Ok(mut outer) = acceptor.accept(tcp).await else { return };
                    let spoken = if outer.get_ref().1.alpn_protocol() == Some(b"h2") { counts.0 } else { counts.1 };
                    spoken.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut inner) = TcpStream::connect(inside).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        Self { addr, h2, http1, server, _tasks: tasks }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.addr.port())
    }

    /// How many connections there were with HTTP/2 and with HTTP/1.1.
    pub(crate) fn spoken(&self) -> (usize, usize) {
        (self.h2.load(Ordering::SeqCst), self.http1.load(Ordering::SeqCst))
    }
}

/// A transport's settings that this machine's environment has no part in.
pub(crate) fn builder() -> HyperTransportBuilder {
    HyperTransport::builder().proxy(Proxy::none())
}

pub(crate) fn settings(connect_timeout: Duration) -> TransportSettings {
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(connect_timeout);
    settings
}

/// A client that tries once.
pub(crate) fn client(builder: HyperTransportBuilder, url: &str) -> Client {
    client_within(builder, url, LONG)
}

pub(crate) fn client_within(builder: HyperTransportBuilder, url: &str, connect_timeout: Duration) -> Client {
    let mut retry = RetryPolicy::default();
    retry.max_retries = 0;
    let mut timeouts = transport_hyper::Timeouts::default();
    timeouts.connect = Some(connect_timeout);
    let transport = builder.build(&settings(connect_timeout)).unwrap();
    Client::builder().base_url(url).api_key("k").retry(retry).timeouts(timeouts).build_on(transport).unwrap()
}

/// Asks for a stream.
pub(crate) async fn ask(client: &Client) -> Result<Answer, Error> {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    client.create(&input).finish().await
}
