//! Connections after an answer that is complete before its body ends.

mod common;

use std::time::Duration;

use bytes::Bytes;
use chat_mock::{ScriptServer, ScriptedReply as Scripted, Step};
use common::{builder, settings, wait_until};
use http_body_util::BodyExt as _;
use tokio::runtime::Builder;
use transport_hyper::driver::{DRAIN_BYTES, DRAIN_TIME};
use transport_hyper::{AnswerBody, HyperTransport, Transport};

const HEAD: &[(&str, &str)] = &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")];

async fn send(transport: &HyperTransport, url: &str) -> AnswerBody {
    let request = http::Request::post(url).body(Bytes::from_static(b"{}")).unwrap();
    transport.send(request).await.unwrap().into_body()
}

/// What happens to the connection of a body that is drained.
#[derive(Debug, PartialEq)]
enum Connection {
    UsedAgain,
    Closed,
}

/// Reads the first chunk of an answer, and drains what the server then sends.
async fn drained(rest: impl Fn(Scripted) -> Scripted, expected: Connection) {
    let script = vec![rest(Scripted::head(200, HEAD).chunk("data: [DONE]\n\n")), Scripted::json(200, &[], "{}")];
    let server = ScriptServer::start(script).unwrap();
    let transport = builder().build(&settings(common::TIMEOUT)).unwrap();
    let mut body = send(&transport, &server.url()).await;
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "data: [DONE]\n\n");
    transport.drain(Box::pin(body));
    if expected == Connection::Closed {
        wait_until("its close", || server.open_connections() == 0).await;
    } else {
        // After this time it is closed, or can be used.
        tokio::time::sleep(2 * DRAIN_TIME).await;
    }
    send(&transport, &server.url()).await.collect().await.unwrap();
    assert_eq!(server.accepted_connections(), if expected == Connection::Closed { 2 } else { 1 });
}

async fn all_cases() {
    let large = "x".repeat(DRAIN_BYTES / 2);
    let pause = || Step::Pause(Duration::from_millis(50));
    tokio::join!(
        drained(Scripted::last_chunk, Connection::UsedAgain),
        drained(|reply| reply.then(pause()).chunk(&large).then(pause()).last_chunk(), Connection::UsedAgain),
        drained(|reply| reply.then(Step::Stall), Connection::Closed),
        drained(|reply| reply.chunk(&large).chunk(&large).chunk("x").then(Step::Stall), Connection::Closed),
        drained(|reply| reply.then(pause()).then(Step::Write("z\r\n".into())).then(Step::Stall), Connection::Closed),
    );
}

#[test]
fn a_connection_is_used_again_if_the_body_ends_soon() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(all_cases());
}

/// In `block_on`, bodies are read ahead.
#[test]
fn a_connection_is_used_again_if_the_body_that_is_read_ahead_ends_soon() {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(all_cases());
}

#[tokio::test]
async fn a_transport_that_is_dropped_keeps_no_connection() {
    let server = ScriptServer::start(vec![Scripted::head(200, HEAD).chunk("x").then(Step::Stall)]).unwrap();
    let transport = builder().build(&settings(common::TIMEOUT)).unwrap();
    let body = send(&transport, &server.url()).await;
    transport.drain(Box::pin(body));
    drop(transport);
    wait_until("its close", || server.open_connections() == 0).await;
}
