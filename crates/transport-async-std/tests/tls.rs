//! Untrusted certificates. The conformance suite covers a trusted private CA.

mod support;

use chat_conformance::Identity;
use support::{SERVERS, chain, once, question, run, settings, trusting};
use tokio::net::TcpListener;
use transport_async_std::{AsyncStdTransport, Client, ErrorKind};

/// Starts a server that performs only the TLS handshake. Returns its port.
fn serve_handshakes(identity: &Identity) -> u16 {
    let acceptor = identity.acceptor(&[]);
    let listener = SERVERS.block_on(TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    SERVERS.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let _ = acceptor.accept(tcp).await;
        }
    });
    port
}

#[test]
fn an_untrusted_certificate_is_a_connect_error() {
    let (identity, other) = (Identity::new(), Identity::new());
    let port = serve_handshakes(&identity);
    let client = |trusted: &Identity, host: &str| -> Client {
        let transport = AsyncStdTransport::with_tls(&settings(), trusting(trusted.ca())).unwrap();
        once(&transport, &format!("https://{host}:{port}"))
    };
    run(async {
        for (client, says) in [
            (client(&other, "localhost"), "invalid peer certificate"),
            (client(&identity, "127.0.0.2"), "not valid for name"),
        ] {
            let error = client.create(&question()).finish().await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Connect);
            assert!(chain(&error).contains(says), "{}", chain(&error));
        }
    });
}
