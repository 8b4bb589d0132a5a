//! Connections after an answer that is complete before its body ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_mock::{ScriptServer, ScriptedReply as Scripted, Step};
use http_body::Body as _;
use transport_smol::driver::DRAIN_BYTES;
use transport_smol::{AsyncIo, Connector, SmolTransport, Transport, tls};

const FIRST: &str = "data: [DONE]\n\n";

fn begun() -> Scripted {
    Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]).chunk(FIRST)
}

/// Sends a request, reads the first chunk of the answer, and drains the rest.
async fn drain(transport: &SmolTransport, url: &str) {
    let request = http::Request::post(url).body(Bytes::from_static(b"{}")).unwrap();
    let mut body = transport.send(request).await.unwrap().into_body();
    let first = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), FIRST);
    transport.drain(Box::pin(body));
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_body_that_does_not_end_is_closed_without_another_call() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let _entered = servers.enter();
    let server = ScriptServer::start(vec![begun().then(Step::Stall)]).unwrap();
    let connector = Connector::new(AsyncIo, tls::config([], None).unwrap(), None);
    let transport = SmolTransport::with_connector(connector);
    async_io::block_on(drain(&transport, &server.url()));
    assert_eq!(server.open_connections(), 1);
    until("the close", || server.open_connections() == 0);
}

#[test]
fn a_drained_body_keeps_its_connection_only_if_it_ends_soon() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let _entered = servers.enter();
    let large = "x".repeat(DRAIN_BYTES + 1);
    for (rest, is_used_again) in [
        (begun().last_chunk(), true),
        (begun().then(Step::Stall), false),
        (begun().chunk(large).then(Step::Stall), false),
    ] {
        let server = ScriptServer::start(vec![rest, begun().last_chunk()]).unwrap();
        let connector = Connector::new(AsyncIo, tls::config([], None).unwrap(), None);
        let transport = SmolTransport::with_connector(connector);
        async_io::block_on(drain(&transport, &server.url()));
        if is_used_again {
            until("the end of the answer", || server.idle_connections() == 1);
        }
        async_io::block_on(drain(&transport, &server.url()));
        assert_eq!(server.accepted_connections(), if is_used_again { 1 } else { 2 });
        until("the close of the other one", || server.open_connections() == 1);
    }
}
