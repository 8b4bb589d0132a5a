//! Faults that only HTTP/2 has, frame by frame. `conformance.rs` runs the other faults.
#![cfg(feature = "http2")]

mod support;

use std::time::{Duration, Instant};

use chat_conformance::Identity;
use chat_mock::faults::{FIRST, FaultOutcome, LAST};
use support::frame_server::{Action, FrameServer, code, data, head, reset, trailers};
use support::{client_on, question, wait_until};
use transport_hyper::driver::Config;

/// Timeout for servers that stall. Long enough that no other row reaches it.
const STALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Each row makes two calls with one client: the first meets the fault, the second gets a complete answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_http2() {
    let begun = Instant::now();
    let sse = head("200", &[("content-type", "text/event-stream")]);
    let sized = |length: &str| head("200", &[("content-type", "text/event-stream"), ("content-length", length)]);
    let whole = vec![sse.clone(), data(FIRST), data(LAST).last()];
    let goaway = |last, code| Action::GoAway { last, code };
    let half = |action: Action| vec![sse.clone(), data(FIRST), action];

    let lost = "transport, 1 request";
    let retried = "completed, status 200, 2 events \"Yes, no.\", reason stop, 2 requests";
    let once = "completed, status 200, 2 events \"Yes, no.\", reason stop, 1 request";
    let cut = "truncated, status 200, 1 event \"Yes, \", 1 request";
    let open_end = "completed, status 200, 1 event \"Yes, \", reason none, 1 request";
    // Name, actions of the server, expected outcome, number of connections including that of the second call.
    let rows: Vec<(&str, Vec<Action>, &str, usize)> = vec![
        ("stall before the head", vec![], "timeout (head), 1 request", 1),
        ("stall after the head", vec![sse.clone()], "timeout (idle), status 200, 0 events \"\", 1 request", 1),
        (
            "stall between events",
            vec![sse.clone(), data(FIRST)],
            "timeout (idle), status 200, 1 event \"Yes, \", 1 request",
            1,
        ),
        (
            "stall inside an event",
            half(data("event: mess")),
            "timeout (idle), status 200, 1 event \"Yes, \", 1 request",
            1,
        ),
        ("REFUSED_STREAM before the head", vec![reset(code::REFUSED_STREAM)], retried, 1),
        ("REFUSED_STREAM after the head", half(reset(code::REFUSED_STREAM)), cut, 1),
        ("INTERNAL_ERROR before the head", vec![reset(code::INTERNAL_ERROR)], lost, 1),
        ("INTERNAL_ERROR between events", half(reset(code::INTERNAL_ERROR)), cut, 1),
        ("CANCEL before the head", vec![reset(code::CANCEL)], lost, 1),
        ("CANCEL between events", half(reset(code::CANCEL)), cut, 1),
        ("NO_ERROR before the head", vec![reset(code::NO_ERROR)], lost, 1),
        ("NO_ERROR between events", half(reset(code::NO_ERROR)), cut, 1),
        ("NO_ERROR after the whole answer", [whole.clone(), vec![reset(code::NO_ERROR)]].concat(), once, 1),
        ("ENHANCE_YOUR_CALM before the head", vec![reset(code::ENHANCE_YOUR_CALM)], lost, 1),
        ("HTTP_1_1_REQUIRED before the head", vec![reset(code::HTTP_1_1_REQUIRED)], lost, 1),
        ("GOAWAY below, NO_ERROR", vec![goaway(0, code::NO_ERROR), Action::Close], retried, 2),
        ("GOAWAY below, an error", vec![goaway(0, code::INTERNAL_ERROR), Action::Close], retried, 2),
        ("GOAWAY below, and no close", vec![goaway(0, code::NO_ERROR)], retried, 2),
        ("GOAWAY below, after the head", half(goaway(0, code::NO_ERROR)), cut, 2),
        ("GOAWAY not below, NO_ERROR, close", vec![goaway(1, code::NO_ERROR), Action::Close], lost, 2),
        ("GOAWAY not below, an error, close", vec![goaway(1, code::ENHANCE_YOUR_CALM), Action::Close], lost, 2),
        ("GOAWAY not below, and an answer", [vec![goaway(1, code::NO_ERROR)], whole.clone()].concat(), once, 2),
        (
            "GOAWAY in the body, and its rest",
            half(goaway(1, code::NO_ERROR)).into_iter().chain([data(LAST).last()]).collect(),
            once,
            2,
        ),
        (
            "GOAWAY in the body, close",
            half(goaway(1, code::NO_ERROR)).into_iter().chain([Action::Close]).collect(),
            cut,
            2,
        ),
        ("close before the head", vec![Action::Close], lost, 2),
        ("close of the socket before the head", vec![Action::Drop], lost, 2),
        ("close between events", half(Action::Close), cut, 2),
        ("close of the socket between events", half(Action::Drop), cut, 2),
        ("close after the whole answer", [whole.clone(), vec![Action::Close]].concat(), once, 2),
        ("end inside an event", vec![sse.clone(), data(FIRST), data("event: mess").last()], cut, 1),
        ("end between events", vec![sse.clone(), data(FIRST).last()], open_end, 1),
        (
            "end with the head",
            vec![sse.clone().last()],
            "completed, status 200, 0 events \"\", reason none, 1 request",
            1,
        ),
        ("content-length long", vec![sized("1000"), data(FIRST), data("").last()], cut, 1),
        (
            "content-length short",
            vec![sized("20"), data(FIRST).last()],
            "truncated, status 200, 0 events \"\", 1 request",
            1,
        ),
        ("trailers", [half(data(LAST)), vec![trailers()]].concat(), once, 1),
        ("103 before the answer", [vec![head("103", &[])], whole.clone()].concat(), once, 1),
        ("upper case in a header's name", vec![head("200", &[("X-Name", "v")]), data("").last()], lost, 2),
        ("an invalid header block", vec![Action::Raw(b"\0\0\x01\x01\x04\0\0\0\x01\x80".to_vec())], lost, 2),
        ("data on stream 0", half(Action::Raw(b"\0\0\x01\0\0\0\0\0\0x".to_vec())), cut, 2),
        ("not a frame", vec![Action::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Action::Close], lost, 2),
    ];
    let identity = Identity::new();
    println!("HTTP/2, frame by frame");
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, actions, expected, connections)| {
            let row = run_case(name, identity.clone(), vec![actions, whole.clone()], expected, connections);
            (name, tokio::spawn(row))
        })
        .collect();
    let mut wrong = String::new();
    for (name, row) in rows {
        let (outcome, mistake) = row.await.unwrap();
        println!("{name:37} | {outcome}");
        wrong.extend(mistake);
    }
    println!("in {:.1?}", begun.elapsed());
    assert!(wrong.is_empty(), "{wrong}");
}

/// Runs a row. Returns the outcome, and a message if it is wrong.
async fn run_case(
    name: &str,
    identity: Identity,
    answers: Vec<Vec<Action>>,
    expected: &str,
    connections: usize,
) -> (String, Option<String>) {
    let server = FrameServer::start(&identity, answers).await;
    let mut config = Config::default();
    config.retry.base = Duration::from_millis(1);
    let stalls = expected.starts_with("timeout");
    match expected {
        _ if expected.starts_with("timeout (head)") => config.timeouts.head = Some(STALL_TIMEOUT),
        _ if stalls => config.timeouts.idle = Some(STALL_TIMEOUT),
        _ => {}
    }
    let client = client_on(&identity, &server.url(), &config);
    let result = client.create(&question()).finish().await;
    let seen = FaultOutcome::of(&result, server.requests()).to_string();
    if stalls {
        wait_until("the stream's reset", || server.resets() == 1).await;
    }
    if connections == 2 {
        // A request that is written before the client has noticed the close is lost.
        wait_until(&format!("{name}: the first connection's end"), || server.open_connections() < server.requests())
            .await;
    }
    let after = client.create(&question()).finish().await.map(|answer| answer.text);
    let accepted = server.accepted_connections();
    let is_right = seen == expected && accepted == connections && after.as_deref().ok() == Some("Yes, no.");
    let wrong = format!(
        "{name}: {seen}, not {expected}; {accepted} connections, not {connections}; then {after:?}; {result:?}\n"
    );
    drop(client);
    wait_until(&format!("{name}: the close"), || server.open_connections() == 0).await;
    (seen, (!is_right).then_some(wrong))
}
