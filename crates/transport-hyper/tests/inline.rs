//! Connections that whoever reads the answer moves.
#![cfg(feature = "inline")]

mod local;

use std::net::SocketAddr;
use std::time::Duration;

use chat_mock::{Reply, ScriptServer, Server, Step};
use local::peer::Peer;
use local::{Ca, Door, acceptor, ask, builder, client, client_within, until};
use transport_hyper::{Connections, CreateInput, HyperTransportBuilder, Proxy};

const CHUNK: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Hel\",\"chat_session_id\":\"s-1\"}\n\n";
const LAST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"lo\",\"finish_reason\":\"stop\"}\n\n";

fn inline() -> HyperTransportBuilder {
    builder().connections(Connections::Inline)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_no_task_and_serves_again() {
    let ca = Ca::new();
    let door = Door::open(acceptor(ca.identity("localhost"), &[b"h2", b"http/1.1"], None)).await;
    let client = client(inline().root_certificates([ca.root()]), &door.url("localhost"));
    for _ in 0..5 {
        ask(&client).await.unwrap();
    }
    assert_eq!(door.spoken(), (0, 1));

    let server = ScriptServer::start(vec![Reply::sse_chunked([CHUNK]).then(Step::Stall)]).unwrap();
    let client = local::client(inline(), &server.url());
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut input = CreateInput::new("i", "m");
    input.stream = true;
    let mut reply = client.create(&input);
    assert_eq!(reply.next().await.unwrap().unwrap().text(), Some("Hel"));
    assert!(tasks() <= before + 1, "the server's own");
    drop(reply);
    until("the close", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn a_connection_that_went_stale_is_not_the_callers_concern() {
    let server = ScriptServer::start(vec![Reply::sse_chunked([CHUNK, LAST]).then(Step::Close)]).unwrap();
    // It tries once.
    let client = client(inline(), &server.url());
    for n in 1..=20 {
        assert_eq!(ask(&client).await.unwrap().content, "Hello");
        assert_eq!(server.requests().len(), n);
        until("the close", || server.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn a_plain_request_goes_through_a_tunnel() {
    let server = Server::builder().bind().await.unwrap();
    let to = server.local_addr();
    let proxy = Peer::start(move |mut client| async move {
        let asked = local::peer::head(&mut client).await;
        assert!(asked.starts_with("CONNECT api.example:80 "), "{asked}");
        let mut target = tokio::net::TcpStream::connect(to).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut client, b"HTTP/1.1 200 Fine\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut target).await;
    })
    .await;
    let through = inline().proxy(Proxy::url(&format!("http://{}", proxy.addr)).unwrap());
    ask(&client(through, "http://api.example")).await.unwrap();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn failures_are_those_of_pooled_connections_to_the_word() {
    let ca = Ca::new();
    let door = Door::open(acceptor(ca.identity("localhost"), &[b"http/1.1"], None)).await;
    let asking = Door::open(ca.asking(ca.identity("localhost"), &[b"http/1.1"])).await;
    let refusing = Peer::saying("HTTP/1.1 407 Who?\r\ncontent-length: 0\r\n\r\n").await;
    let silent = Peer::silent().await;
    let gone: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxied = |addr: SocketAddr| Proxy::url(&format!("http://u:p@{addr}")).unwrap();
    let rows: [(String, Option<Proxy>); 7] = [
        (format!("http://{gone}"), None),
        (door.url("127.0.0.1"), None),
        (asking.url("localhost"), None),
        (format!("https://{}", door.server.local_addr()), None),
        ("https://api.example".to_owned(), Some(proxied(refusing.addr))),
        ("https://api.example".to_owned(), Some(proxied(gone))),
        ("https://api.example".to_owned(), Some(proxied(silent.addr))),
    ];
    for (url, proxy) in rows {
        let fails = async |builder: HyperTransportBuilder| {
            let builder = builder.proxy(proxy.clone().unwrap_or_else(Proxy::none)).root_certificates([ca.root()]);
            ask(&client_within(builder, &url, Duration::from_secs(1))).await.unwrap_err()
        };
        let (pooled, inline) = (fails(builder()).await, fails(inline()).await);
        assert_eq!(format!("{inline:#}"), format!("{pooled:#}"));
        assert_eq!(inline.kind(), pooled.kind());
        println!("{inline:#}");
    }
}

#[cfg(feature = "http2")]
#[test]
fn there_is_no_http2_in_them() {
    let both = inline().http2(transport_hyper::Http2::PriorKnowledge).build(&local::settings(Duration::from_secs(1)));
    assert!(matches!(both.unwrap_err().kind(), transport_hyper::ErrorKind::InvalidRequest { .. }));
}
