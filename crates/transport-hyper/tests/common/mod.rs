//! Shared by several tests: a private CA, a TLS server, a TCP server, and clients.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod tcp_server;

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

/// Longer than any step of a test takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until another task has made the condition true.
pub(crate) async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < TIMEOUT, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A certificate chain and its key.
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

    /// Issues a certificate for a name.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// Issues an expired certificate for a name.
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

    /// A TLS acceptor that requires a client certificate of this CA.
    pub(crate) fn requiring_client_certificate(&self, identity: Identity, protocols: &[&[u8]]) -> TlsAcceptor {
        acceptor(identity, protocols, Some(self.verifier().build().unwrap()))
    }

    /// A TLS acceptor that requests a client certificate of this CA, but does not require one.
    pub(crate) fn requesting_client_certificate(&self, identity: Identity) -> TlsAcceptor {
        acceptor(identity, &[], Some(self.verifier().allow_unauthenticated().build().unwrap()))
    }

    fn verifier(&self) -> ClientCertVerifierBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(self.root()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
    }
}

/// A TLS acceptor.
pub(crate) fn acceptor(
    (chain, key): Identity,
    protocols: &[&[u8]],
    verifier: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key).unwrap();
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(tls))
}

/// The ALPN protocol that the transport prefers: HTTP/2, if it is built in.
pub(crate) const PREFERRED: &[u8] = if cfg!(feature = "http2") { b"h2" } else { b"http/1.1" };

/// The result of [`TlsServer::connections`] for so many connections with the preferred protocol.
pub(crate) fn preferred(count: usize) -> (usize, usize) {
    if cfg!(feature = "http2") { (count, 0) } else { (0, count) }
}

/// The bundled server behind TLS.
pub(crate) struct TlsServer {
    pub(crate) addr: SocketAddr,
    pub(crate) h2: Arc<AtomicUsize>,
    pub(crate) http1: Arc<AtomicUsize>,
    pub(crate) backend: Server,
    _tasks: JoinSet<()>,
}

impl TlsServer {
    pub(crate) async fn start(acceptor: TlsAcceptor) -> Self {
        let backend = Server::builder().bind().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, inside) = (listener.local_addr().unwrap(), backend.local_addr());
        let (h2, http1) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&h2), Arc::clone(&http1));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, counts) = (acceptor.clone(), counts.clone());
                connections.spawn(async move {
                    let Ok(mut outer) = acceptor.accept(tcp).await else { return };
                    let count = if outer.get_ref().1.alpn_protocol() == Some(b"h2") { counts.0 } else { counts.1 };
                    count.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut inner) = TcpStream::connect(inside).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        Self { addr, h2, http1, backend, _tasks: tasks }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.addr.port())
    }

    /// Number of connections with HTTP/2 and with HTTP/1.1.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.h2.load(Ordering::SeqCst), self.http1.load(Ordering::SeqCst))
    }
}

/// A builder that ignores the proxies of the environment.
pub(crate) fn builder() -> HyperTransportBuilder {
    HyperTransport::builder().proxy(Proxy::none())
}

pub(crate) fn settings(connect_timeout: Duration) -> TransportSettings {
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(connect_timeout);
    settings
}

/// A client without retries.
pub(crate) fn client(builder: HyperTransportBuilder, url: &str) -> Client {
    client_within(builder, url, TIMEOUT)
}

pub(crate) fn client_within(builder: HyperTransportBuilder, url: &str, connect_timeout: Duration) -> Client {
    let mut retry = RetryPolicy::default();
    retry.max_retries = 0;
    let mut timeouts = transport_hyper::Timeouts::default();
    timeouts.connect = Some(connect_timeout);
    let transport = builder.build(&settings(connect_timeout)).unwrap();
    Client::builder().base_url(url).api_key("k").retry(retry).timeouts(timeouts).build_on(transport).unwrap()
}

/// Asks a question and reads the streamed answer.
pub(crate) async fn ask(client: &Client) -> Result<Answer, Error> {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    client.create(&input).finish().await
}
