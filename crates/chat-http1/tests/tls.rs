//! TLS on real sockets: trusted certificates, and the text and class of each refusal.

#[path = "support/ca.rs"]
mod ca;
#[path = "support/async_io.rs"]
mod runtime;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_net::{TcpListener, TcpStream};
use bytes::Bytes;
use ca::{Ca, server, trusting};
use chat_client::driver::TransportError;
use chat_http1::rustls::crypto::ring;
use chat_http1::rustls::server::WebPkiClientVerifier;
use chat_http1::rustls::{ClientConfig, RootCertStore, ServerConfig};
use chat_http1::{Connector, Engine, SendError};
use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use http_body_util::BodyExt as _;
use runtime::AsyncIo;

/// A timeout that is long enough for a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Starts a server that offers HTTP/2 too and sends these bytes after each read. Returns its port.
fn serve(mut tls: ServerConfig, says: &'static [u8]) -> u16 {
    if tls.alpn_protocols.is_empty() {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    let listener = async_io::block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    thread::spawn(move || {
        async_io::block_on(async {
            while let Ok((tcp, _)) = listener.accept().await {
                match acceptor.accept(tcp).into_fallible().await {
                    Ok(tls) => _ = reply(tls, says).await,
                    // Wait for the client to close, because a reset would overtake the alert.
                    Err((_, mut tcp)) => _ = tcp.read_to_end(&mut Vec::new()).await,
                }
            }
        });
    });
    port
}

async fn reply(mut tls: TlsStream<TcpStream>, says: &[u8]) -> io::Result<()> {
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let mut heard = [0; 4096];
    while tls.read(&mut heard).await? > 0 {
        tls.write_all(says).await?;
        tls.flush().await?;
        if says.starts_with(b"HTTP/1.0") {
            break;
        }
    }
    // No `close_notify`.
    Ok(())
}

type Answered = Result<(String, Option<String>), SendError>;

/// The body of an answer, and its error.
fn ask(engine: &Engine<Connector<AsyncIo>>, url: &str) -> Answered {
    async_io::block_on(async {
        let mut body =
            engine.send(http::Request::post(url).body(Bytes::from_static(b"{}")).unwrap()).await?.into_body();
        let mut text = String::new();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap()),
                Some(Err(error)) => return Ok((text, Some(sentence(&error)))),
                None => return Ok((text, None)),
            }
        }
    })
}

fn engine(tls: ClientConfig) -> Engine<Connector<AsyncIo>> {
    Engine::new(Connector::new(AsyncIo, tls, Some(LONG)))
}

/// The class of a refusal, and its text with all sources.
fn refusal(roots: RootCertStore, url: &str) -> (TransportError, String) {
    let error = ask(&engine(trusting(roots)), url).unwrap_err();
    let refusal = (error.class(), sentence(&error));
    println!("{url}: {refusal:?}");
    refusal
}

fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn certificates_for_names_and_addresses_are_accepted() {
    let ca = Ca::new();
    let port = serve(ca.server(&NAMES, 4000), OK);
    for host in NAMES {
        let engine = engine(trusting(ca.roots()));
        for _ in 0..3 {
            assert_eq!(ask(&engine, &format!("https://{host}:{port}")).unwrap(), ("ok".to_owned(), None));
            assert_eq!(engine.idle_connections(), 1);
        }
    }
}

#[test]
fn an_untrusted_certificate_is_a_permanent_error() {
    let (ca, other) = (Ca::new(), Ca::named("another CA"));
    let good = serve(ca.server(&["localhost"], 4000), OK);
    let old = serve(ca.server(&["localhost"], 2021), OK);
    let rows = [
        (
            other.roots(),
            format!("https://localhost:{good}"),
            "TLS handshake failed: invalid peer certificate: UnknownIssuer",
        ),
        (ca.roots(), format!("https://127.0.0.1:{good}"), "certificate not valid for name \"127.0.0.1\""),
        (
            ca.roots(),
            format!("https://localhost:{old}"),
            "TLS handshake failed: invalid peer certificate: certificate expired",
        ),
    ];
    for (roots, url, expected) in rows {
        let (class, says) = refusal(roots, &url);
        assert_eq!(class, TransportError::Permanent, "{says}");
        assert!(says.contains(expected), "{says}");
    }
}

#[test]
fn other_connect_errors_may_be_retried() {
    let ca = Ca::new();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let not_tls = plain.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut tcp, _)) = plain.accept() {
            let _ = io::Write::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let mut h2 = ca.server(&["localhost"], 4000);
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let h2 = serve(h2, OK);
    let rows = [
        (format!("https://{gone}"), "connection to 127.0.0.1:"),
        (format!("https://{not_tls}"), "TLS handshake failed: received corrupt message of type InvalidContentType"),
        (format!("https://localhost:{h2}"), "TLS handshake failed: received fatal alert: NoApplicationProtocol"),
        ("https://a..b".to_owned(), "the name a..b could not be resolved: "),
    ];
    for (url, expected) in rows {
        let (class, says) = refusal(ca.roots(), &url);
        assert_eq!(class, TransportError::Connect, "{says}");
        assert!(says.starts_with(expected), "{says}");
    }
}

/// In TLS 1.3 the client has sent its request when the server rejects its certificate. The server has not read it.
#[test]
fn a_rejected_client_certificate_is_a_connect_error() {
    let ca = Ca::new();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()), provider).build().unwrap();
    let (chain, key) = ca.certificate(&["localhost"], 4000);
    let port = serve(server().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap(), OK);
    let url = format!("https://localhost:{port}");
    for _ in 0..5 {
        let (class, says) = refusal(ca.roots(), &url);
        assert_eq!(class, TransportError::Connect, "{says}");
        assert!(says.ends_with("received fatal alert: CertificateRequired"), "{says}");
    }
    let (chain, key) = ca.certificate(&["client"], 4000);
    let provider = Arc::new(ring::default_provider());
    let known = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let known = known.with_root_certificates(ca.roots()).with_client_auth_cert(chain, key).unwrap();
    assert_eq!(ask(&engine(known), &url).unwrap(), ("ok".to_owned(), None));
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    let ca = Ca::new();
    let port = serve(ca.server(&["localhost"], 4000), b"HTTP/1.0 200 OK\r\n\r\nok");
    let (text, error) = ask(&engine(trusting(ca.roots())), &format!("https://localhost:{port}")).unwrap();
    assert_eq!(text, "ok");
    let error = error.expect("the answer may be truncated");
    assert!(error.contains("close_notify"), "{error}");
    println!("{error}");
}

/// The server closes TLS and keeps the socket open, but does not read from it any more.
#[test]
fn a_connection_whose_peer_closed_tls_is_not_used_again() {
    const CALLS: usize = 3;
    let ca = Ca::new();
    let acceptor = TlsAcceptor::from(Arc::new(ca.server(&["localhost"], 4000)));
    let listener = async_io::block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (closed, on_close) = std::sync::mpsc::channel();
    thread::spawn(move || {
        async_io::block_on(async {
            let mut held = Vec::new();
            while let Ok((tcp, _)) = listener.accept().await {
                // `close_notify` must not wait until the answer is acknowledged.
                tcp.set_nodelay(true).unwrap();
                let mut tls = acceptor.accept(tcp).await.unwrap();
                assert!(tls.read(&mut [0; 4096]).await.unwrap() > 0);
                tls.write_all(OK).await.unwrap();
                tls.get_mut().1.send_close_notify();
                tls.flush().await.unwrap();
                held.push(tls);
                closed.send(()).unwrap();
            }
        });
    });
    let engine = engine(trusting(ca.roots()));
    for _ in 0..CALLS {
        assert_eq!(ask(&engine, &format!("https://localhost:{port}")).unwrap(), ("ok".to_owned(), None));
        on_close.recv_timeout(LONG).unwrap();
    }
}

#[test]
fn the_connect_timeout_covers_the_handshake() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let engine =
        Engine::new(Connector::new(AsyncIo, trusting(RootCertStore::empty()), Some(Duration::from_millis(300))));
    let error = ask(&engine, &format!("https://{}", silent.local_addr().unwrap())).unwrap_err();
    assert_eq!(
        (error.class(), sentence(&error).as_str()),
        (TransportError::ConnectTimeout, "no connection within 300ms")
    );
}
