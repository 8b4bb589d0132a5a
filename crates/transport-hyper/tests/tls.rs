//! TLS and what ALPN chooses in it: the bundled server behind a door that speaks TLS.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_mock::Server;
use rustls::pki_types::CertificateDer;
use support::tls::{Identity, transport};
use tokio::net::{TcpListener, TcpStream};
use transport_hyper::{Client, CreateInput, ErrorKind, RetryPolicy, rustls};

/// A server behind TLS for `localhost`, with a CA that only those know who are told.
struct Door {
    addr: SocketAddr,
    ca: CertificateDer<'static>,
    h2: Arc<AtomicUsize>,
    http1: Arc<AtomicUsize>,
    server: Server,
}

impl Door {
    async fn open(protocols: &[&[u8]]) -> Self {
        let Identity { ca, acceptor } = Identity::new(protocols);
        let server = Server::builder().bind().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Self { addr: listener.local_addr().unwrap(), ca, h2: Arc::default(), http1: Arc::default(), server };
        let (inside, h2, http1) = (door.server.local_addr(), Arc::clone(&door.h2), Arc::clone(&door.http1));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, h2, http1) = (acceptor.clone(), Arc::clone(&h2), Arc::clone(&http1));
                tokio::spawn(async move {
                    let Ok(mut outer) = acceptor.accept(tcp).await else { return };
                    let spoken = if outer.get_ref().1.alpn_protocol() == Some(b"h2") { h2 } else { http1 };
                    spoken.fetch_add(1, Ordering::SeqCst);
                    let Ok(mut inner) = TcpStream::connect(inside).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        door
    }

    /// A client that trusts these roots and no others.
    fn client(&self, host: &str, roots: &[&CertificateDer<'static>]) -> Client {
        let mut retry = RetryPolicy::default();
        retry.max_retries = 0;
        Client::builder()
            .base_url(format!("https://{host}:{}", self.addr.port()))
            .api_key("k")
            .retry(retry)
            .build_on(transport(roots))
            .unwrap()
    }
}

#[tokio::test]
async fn http2_is_chosen_and_calls_share_its_connection() {
    let door = Door::open(&[b"h2", b"http/1.1"]).await;
    let client = door.client("localhost", &[&door.ca]);
    client.create(&CreateInput::new("i", "first")).finish().await.unwrap();
    let mut input = CreateInput::new("i", "What is a transport?");
    input.stream = true;
    let (mut one, mut two) = (client.create(&input), client.create(&input));
    assert!(one.next().await.unwrap().is_ok());
    assert!(two.next().await.unwrap().is_ok());
    // A stream that is dropped is reset; its connection goes on.
    drop(one);
    assert!(two.finish().await.unwrap().finish_reason.is_some());
    client.create(&input).finish().await.unwrap();
    assert_eq!((door.h2.load(Ordering::SeqCst), door.http1.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn http1_is_spoken_where_nothing_else_is() {
    let door = Door::open(&[b"http/1.1"]).await;
    let client = door.client("localhost", &[&door.ca]);
    for _ in 0..2 {
        client.session("i").ask("m").finish().await.unwrap();
    }
    assert_eq!((door.h2.load(Ordering::SeqCst), door.http1.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_no_connection() {
    let door = Door::open(&[b"h2"]).await;
    let other = Door::open(&[b"h2"]).await;
    for (client, says) in [
        (door.client("localhost", &[&other.ca]), "invalid peer certificate"),
        (door.client("127.0.0.1", &[&door.ca]), "not valid for name"),
    ] {
        let error = client.create(&CreateInput::new("i", "m")).finish().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Connect);
        let mut chain = String::new();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            chain += &format!("{cause}; ");
            source = cause.source();
        }
        assert!(chain.contains(says), "{chain}");
    }
    assert_eq!(door.server.requests(), 0);
}
