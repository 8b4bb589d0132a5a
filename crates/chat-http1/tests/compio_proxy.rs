//! On compio, questions through proxies: forwarded, and through tunnels with end-to-end TLS.

#[path = "../../transport-smol/tests/support/proxy.rs"]
mod proxy;
#[path = "../examples/compio/runtime.rs"]
mod runtime;
#[path = "../examples/compio/socket.rs"]
mod socket;
#[path = "../examples/compio/transport.rs"]
mod transport;

use chat_client::{Client, Error};
use chat_http1::{Connector, Proxy, tls};

use proxy::Fixture;
use runtime::Compio;
use transport::CompioTransport;

/// Asks a server through a proxy of this scheme. Returns the text of the answer and the requests to the proxy.
fn ask(fixture: &Fixture, scheme: &str, url: &str) -> (String, Vec<String>) {
    let tls = tls::config([fixture.ca.clone()], None).unwrap();
    let proxy = Proxy::url(&format!("{scheme}://{}", fixture.proxy)).unwrap();
    let asking = async {
        let transport = CompioTransport::new(Connector::new(Compio, tls, None).via(proxy)?);
        let client = Client::builder().base_url(url).api_key("sesame").build_on(transport)?;
        Ok::<_, Error>(client.session("i").ask("What is a chunk?").finish().await?.text)
    };
    let text = compio::runtime::Runtime::new().unwrap().block_on(asking).unwrap();
    (text, fixture.heads())
}

#[test]
fn questions_go_through_proxies() {
    let fixture = Fixture::new();
    let https = fixture.https_url();
    let port = https.rsplit_once(':').unwrap().1;
    let (text, heads) = ask(&fixture, "http", "http://api.example");
    assert!(text.contains("canned answer"), "{text}");
    assert!(heads.len() == 1 && heads[0].starts_with("POST http://api.example/"), "{heads:?}");

    // The proxy resolves the name, or the client does. It may try two addresses.
    let tunnels = [
        ("http", vec![format!("CONNECT localhost:{port} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n")]),
        ("socks5h", vec![format!("socks5 localhost {port}")]),
        ("socks5", vec![format!("socks5 127.0.0.1 {port}"), format!("socks5 ::1 {port}")]),
    ];
    for (scheme, expected) in tunnels {
        let (answer, heads) = ask(&fixture, scheme, &https);
        assert_eq!(answer, text);
        assert!(!heads.is_empty() && heads.iter().all(|head| expected.contains(head)), "{scheme}: {heads:?}");
    }
    assert_eq!(fixture.server.requests(), 4);
}
