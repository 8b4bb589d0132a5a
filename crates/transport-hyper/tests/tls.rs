//! TLS: trusted and rejected certificates of servers and clients, and the texts of the errors.

mod common;

use std::time::Duration;

use common::{Ca, PREFERRED, TIMEOUT, TlsServer, acceptor, ask, builder, client, preferred, settings};
use transport_hyper::{Client, Error, ErrorKind, HyperTransport, HyperTransportBuilder, rustls};

/// The text of the error of a failed handshake. Checks that the server has read no request.
async fn refusal(builder: HyperTransportBuilder, server: &TlsServer, host: &str) -> String {
    let error = ask(&client(builder, &server.url(host))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect, "{error:#}");
    assert_eq!(server.backend.requests(), 0);
    let text = format!("{error:#}");
    println!("{text}");
    text
}

#[tokio::test]
async fn a_private_ca_can_be_added_to_or_replace_the_bundled_ones() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("localhost"), &[PREFERRED], None)).await;
    let beside = builder().root_certificates([ca.root()]);
    ask(&client(beside, &server.url("localhost"))).await.unwrap();

    let mut store = rustls::RootCertStore::empty();
    store.add(ca.root()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let own = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    ask(&client(builder().tls(own.clone()), &server.url("localhost"))).await.unwrap();
    assert_eq!(server.connections(), preferred(2));

    // Contradictory settings are rejected.
    let refused = |result: Result<HyperTransport, Error>| result.unwrap_err().to_string();
    let both = builder().tls(own.clone()).root_certificates([ca.root()]);
    assert_eq!(
        refused(both.build(&settings(TIMEOUT))),
        "tls can't be combined with other certificates: set them in the TLS configuration"
    );
    let mut named = own;
    named.alpn_protocols = vec![b"http/1.1".to_vec()];
    let says = "tls has ALPN protocols: leave them empty, the transport sets them";
    assert_eq!(refused(HyperTransport::with_tls(&settings(TIMEOUT), named)), says);
    let no_certificate = builder().root_certificates([b"none".to_vec().into()]).build(&settings(TIMEOUT)).unwrap_err();
    assert!(format!("{no_certificate:#}").starts_with("tls could not be configured: "), "{no_certificate:#}");
}

#[tokio::test]
async fn each_rejected_certificate_names_the_reason() {
    let (ca, other) = (Ca::new(), Ca::named("another CA"));
    let trusting = || builder().root_certificates([ca.root()]);
    let good = TlsServer::start(acceptor(ca.identity("localhost"), &[PREFERRED], None)).await;
    let expired = TlsServer::start(acceptor(ca.expired_identity("localhost"), &[PREFERRED], None)).await;
    let unknown = TlsServer::start(acceptor(other.identity("localhost"), &[PREFERRED], None)).await;

    let text = refusal(trusting(), &good, "127.0.0.1").await;
    assert!(text.contains("certificate not valid for name \"127.0.0.1\"; certificate is only valid for"), "{text}");
    let text = refusal(trusting(), &expired, "localhost").await;
    assert!(text.contains("invalid peer certificate: certificate expired"), "{text}");
    let text = refusal(trusting(), &unknown, "localhost").await;
    assert_eq!(text, "could not connect: TLS handshake failed: invalid peer certificate: UnknownIssuer");
    // The bundled roots do not include a private CA.
    let text = refusal(builder(), &good, "localhost").await;
    assert_eq!(text, "could not connect: TLS handshake failed: invalid peer certificate: UnknownIssuer");
    // There are no retries, because the certificate would be rejected again.
    let transport = builder().build(&settings(TIMEOUT)).unwrap();
    let client = Client::builder().base_url(good.url("localhost")).api_key("k").build_on(transport).unwrap();
    assert_eq!(ask(&client).await.unwrap_err().attempts(), 1);
}

#[tokio::test]
async fn a_server_may_require_a_client_certificate() {
    let (ca, other) = (Ca::new(), Ca::named("another CA"));
    for protocols in [&[PREFERRED][..], &[b"http/1.1"]] {
        let trusting = || builder().root_certificates([ca.root()]);
        let server = TlsServer::start(ca.requiring_client_certificate(ca.identity("localhost"), protocols)).await;
        for _ in 0..5 {
            let text = refusal(trusting(), &server, "localhost").await;
            assert!(text.ends_with("received fatal alert: CertificateRequired"), "{text}");
            let (chain, key) = other.identity("client");
            let text = refusal(trusting().client_certificate(chain, key), &server, "localhost").await;
            assert!(text.contains("received fatal alert: "), "{text}");
        }
        let (chain, key) = ca.expired_identity("client");
        let text = refusal(trusting().client_certificate(chain, key), &server, "localhost").await;
        assert!(text.ends_with("received fatal alert: CertificateExpired"), "{text}");

        let (chain, key) = ca.identity("client");
        let client = client(trusting().client_certificate(chain, key), &server.url("localhost"));
        ask(&client).await.unwrap();
        assert_eq!(server.backend.requests(), 1);
    }
    // The key does not belong to the certificate.
    let (chain, _) = ca.identity("client");
    let (_, key) = ca.identity("client");
    let error = builder().client_certificate(chain, key).build(&settings(Duration::ZERO)).unwrap_err();
    assert_eq!(format!("{error:#}"), "tls could not be configured: keys may not be consistent: KeyMismatch");
}

#[tokio::test]
async fn a_server_without_tls_is_reported() {
    let plain = chat_mock::Server::builder().bind().await.unwrap();
    let url = format!("https://{}", plain.local_addr());
    let error = ask(&client(builder(), &url)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    println!("{error:#}");
    assert!(
        format!("{error:#}").contains("received corrupt message of type InvalidContentType"),
        "{}",
        format!("{error:#}")
    );
}
