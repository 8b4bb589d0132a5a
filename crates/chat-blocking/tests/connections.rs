//! Settings of connections: certificate roots, a client certificate, a proxy.

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use chat_blocking::rustls::crypto::ring::default_provider;
use chat_blocking::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use chat_blocking::rustls::server::WebPkiClientVerifier;
use chat_blocking::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use chat_blocking::{AsyncIo, Client, Connector, ErrorKind, Proxy, SmolTransport, tls};
use chat_mock::faults::RESULT;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::{never, question};

/// Reads a request and answers it. Returns the request.
fn answer(stream: &mut (impl Read + Write)) -> io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", RESULT.len());
    stream.write_all(&[head.as_bytes(), RESULT.as_bytes()].concat())?;
    stream.flush()?;
    Ok(String::from_utf8_lossy(&request).into_owned())
}

fn client(base_url: &str, connector: Connector<AsyncIo>) -> Client {
    let settings = Client::builder().base_url(base_url).api_key("sesame").retry(never()).settings().unwrap();
    Client::new(settings, SmolTransport::with_connector(connector))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(ca: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, ca).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

/// A server that requires a client certificate of its CA.
fn asking(ca: &CertifiedIssuer<'static, KeyPair>) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let (chain, key) = identity(ca, "localhost");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            // The handshake fails if the client is rejected.
            let _ = answer(&mut StreamOwned::new(tls, tcp));
        }
    });
    addr
}

#[test]
fn a_private_root_is_trusted_and_a_client_certificate_is_sent() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let url = format!("https://localhost:{}", asking(&ca).port());
    let ask = |roots: Vec<CertificateDer<'static>>, shown: Option<Identity>| {
        let tls = tls::config(roots, shown).unwrap();
        client(&url, Connector::new(AsyncIo, tls, None)).create(&question()).finish()
    };
    let root = || vec![ca.der().clone()];
    assert_eq!(ask(root(), Some(identity(&ca, "me"))).unwrap().text, "Yes, no.");
    for (error, says) in [
        (ask(root(), None).unwrap_err(), "CertificateRequired"),
        (ask(Vec::new(), None).unwrap_err(), "invalid peer certificate: UnknownIssuer"),
    ] {
        assert_eq!(error.kind(), &ErrorKind::Connect);
        assert!(format!("{error:#}").contains(says), "{error:#}");
    }
}

#[test]
fn requests_go_to_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::url(&format!("u:p@{}", listener.local_addr().unwrap())).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            tell.send(answer(&mut tcp).unwrap()).unwrap();
        }
    });
    let connector = Connector::new(AsyncIo, tls::config([], None).unwrap(), None).via(proxy).unwrap();
    let answer = client("http://api.example/base", connector).create(&question()).finish().unwrap();
    assert_eq!(answer.text, "Yes, no.");
    let request = told.recv().unwrap();
    assert!(
        request.starts_with("POST http://api.example/base/v0/chat_sessions/chat_results HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nproxy-authorization: Basic dTpw\r\n"), "{request}");
}
