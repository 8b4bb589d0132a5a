//! TLS: whom the client trusts, whom the server trusts, and what each refusal says.

mod local;

use std::time::Duration;

use local::{BEST, Ca, Door, LONG, acceptor, ask, builder, client, settings, with_best};
use transport_hyper::{Client, Error, ErrorKind, HyperTransport, HyperTransportBuilder, rustls};

/// What a handshake that failed says. No server has read anything.
async fn refusal(builder: HyperTransportBuilder, door: &Door, host: &str) -> String {
    let error = ask(&client(builder, &door.url(host))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect, "{error:#}");
    assert_eq!(door.server.requests(), 0);
    let text = format!("{error:#}");
    println!("{text}");
    text
}

#[tokio::test]
async fn a_private_ca_is_trusted_beside_the_bundled_ones_or_in_their_place() {
    let ca = Ca::new();
    let door = Door::open(acceptor(ca.identity("localhost"), &[BEST], None)).await;
    let beside = builder().root_certificates([ca.root()]);
    ask(&client(beside, &door.url("localhost"))).await.unwrap();

    let mut store = rustls::RootCertStore::empty();
    store.add(ca.root()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let own = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    ask(&client(builder().tls(own.clone()), &door.url("localhost"))).await.unwrap();
    assert_eq!(door.spoken(), with_best(2));

    // What can't be meant is refused.
    let refused = |result: Result<HyperTransport, Error>| result.unwrap_err().to_string();
    let both = builder().tls(own.clone()).root_certificates([ca.root()]);
    assert_eq!(
        refused(both.build(&settings(LONG))),
        "tls can't be combined with other certificates: set them in the TLS configuration"
    );
    let mut named = own;
    named.alpn_protocols = vec![b"http/1.1".to_vec()];
    let says = "tls has ALPN protocols: leave them empty, the transport sets them";
    assert_eq!(refused(HyperTransport::with_tls(&settings(LONG), named)), says);
    let no_certificate = builder().root_certificates([b"none".to_vec().into()]).build(&settings(LONG)).unwrap_err();
    assert!(format!("{no_certificate:#}").starts_with("tls can't be set up: "), "{no_certificate:#}");
}

#[tokio::test]
async fn each_certificate_that_is_not_good_says_why() {
    let (ca, other) = (Ca::new(), Ca::named("another CA"));
    let trusting = || builder().root_certificates([ca.root()]);
    let good = Door::open(acceptor(ca.identity("localhost"), &[BEST], None)).await;
    let expired = Door::open(acceptor(ca.expired_identity("localhost"), &[BEST], None)).await;
    let unknown = Door::open(acceptor(other.identity("localhost"), &[BEST], None)).await;

    let text = refusal(trusting(), &good, "127.0.0.1").await;
    assert!(text.contains("certificate not valid for name \"127.0.0.1\"; certificate is only valid for"), "{text}");
    let text = refusal(trusting(), &expired, "localhost").await;
    assert!(text.contains("invalid peer certificate: certificate expired"), "{text}");
    let text = refusal(trusting(), &unknown, "localhost").await;
    assert_eq!(text, "could not connect: TLS failed: invalid peer certificate: UnknownIssuer");
    // The bundled roots alone do not vouch for a private CA.
    let text = refusal(builder(), &good, "localhost").await;
    assert_eq!(text, "could not connect: TLS failed: invalid peer certificate: UnknownIssuer");
    // It would not be good the next time either.
    let transport = builder().build(&settings(LONG)).unwrap();
    let client = Client::builder().base_url(good.url("localhost")).api_key("k").build_on(transport).unwrap();
    assert_eq!(ask(&client).await.unwrap_err().attempts(), 1);
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let (ca, other) = (Ca::new(), Ca::named("another CA"));
    for protocols in [&[BEST][..], &[b"http/1.1"]] {
        let trusting = || builder().root_certificates([ca.root()]);
        let door = Door::open(ca.asking(ca.identity("localhost"), protocols)).await;
        for _ in 0..5 {
            let text = refusal(trusting(), &door, "localhost").await;
            assert!(text.ends_with("received fatal alert: CertificateRequired"), "{text}");
            let (chain, key) = other.identity("client");
            let text = refusal(trusting().client_certificate(chain, key), &door, "localhost").await;
            assert!(text.contains("received fatal alert: "), "{text}");
        }
        let (chain, key) = ca.expired_identity("client");
        let text = refusal(trusting().client_certificate(chain, key), &door, "localhost").await;
        assert!(text.ends_with("received fatal alert: CertificateExpired"), "{text}");

        let (chain, key) = ca.identity("client");
        let client = client(trusting().client_certificate(chain, key), &door.url("localhost"));
        ask(&client).await.unwrap();
        assert_eq!(door.server.requests(), 1);
    }
    // A key that is not the certificate's.
    let (chain, _) = ca.identity("client");
    let (_, key) = ca.identity("client");
    let error = builder().client_certificate(chain, key).build(&settings(Duration::ZERO)).unwrap_err();
    assert_eq!(format!("{error:#}"), "tls can't be set up: keys may not be consistent: KeyMismatch");
}

#[tokio::test]
async fn what_speaks_no_tls_says_so() {
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
