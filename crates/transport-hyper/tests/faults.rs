//! The table of faults on real sockets, over HTTP/1.1 and HTTP/2.

mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_mock::faults::{self, FIRST, Fault, LAST, Outcome, RESULT};
use chat_mock::{Reply, ScriptServer, Step};
use support::gateway::Gateway;
use support::raw::{Act, RawServer, code, data, head, reset, trailers};
use support::tls::Identity;
use support::{LONG, alive_tasks, ask, client_on, plain_transport, question, until};
use tokio::task::JoinSet;
use transport_hyper::{Config, HyperTransport};

/// How many faults are under way at once.
const AT_ONCE: usize = 32;

/// Asks once, against a server that does what the fault says; the server's part of the outcome is checked here.
async fn run(fault: &Fault, transport: &HyperTransport, gateway: Option<&Gateway>) -> Outcome {
    let server = ScriptServer::start(fault.replies.clone()).unwrap();
    let url = gateway.map_or_else(|| server.url(), |gateway| gateway.url(server.local_addr()));
    let client = client_on(transport, &url, &fault.config);
    let begun = Instant::now();
    let mut reply = ask(&client, fault);
    let mut text = String::new();
    let mut events = 0;
    while let Some(item) = reply.next().await {
        let Ok(event) = item else { break };
        text += event.text().unwrap_or_default();
        events += 1;
    }
    let result = reply.finish().await;
    let took = begun.elapsed();
    let seen = Outcome::of(&result, server.requests().len());

    // What was handed over is what is kept.
    assert_eq!(text, seen.text.clone().unwrap_or_default(), "{fault}");
    assert_eq!(events, seen.events, "{fault}");
    let answer = result.as_ref().map_or_else(transport_hyper::Error::partial, Some);
    if let Some(answer) = answer.filter(|answer| answer.events > 0) {
        assert_eq!(answer.chat_session_id.as_deref(), Some("s-1"), "{fault}");
    }
    if let Err(error) = &result {
        assert_eq!(error.attempts() as usize, seen.requests, "{fault}: {error}");
        if let transport_hyper::ErrorKind::Timeout { after, .. } = error.kind() {
            assert!(took >= *after, "{fault}: {took:?}");
        }
    }
    assert!(took < LONG, "{fault}: {took:?}");
    if fault.may_keep {
        // Each attempt may have had its own.
        assert!(server.accepted_connections() <= seen.requests, "{fault}");
    } else {
        until(&format!("{fault}: the close"), || server.open_connections() == 0).await;
    }
    seen
}

/// Runs all faults, some at once, and gives what came of each in the table's order.
async fn run_all(table: Vec<Fault>, transport: HyperTransport, gateway: Option<Gateway>) -> Vec<(Fault, Outcome)> {
    let shared = Arc::new((transport, gateway));
    let mut waiting: VecDeque<(usize, Fault)> = table.into_iter().enumerate().collect();
    let mut seen = Vec::new();
    let mut running = JoinSet::new();
    loop {
        while running.len() < AT_ONCE
            && let Some((at, fault)) = waiting.pop_front()
        {
            let shared = Arc::clone(&shared);
            running.spawn(async move {
                let outcome = run(&fault, &shared.0, shared.1.as_ref()).await;
                (at, fault, outcome)
            });
        }
        let Some(done) = running.join_next().await else { break };
        seen.push(done.unwrap());
    }
    seen.sort_by_key(|(at, ..)| *at);
    seen.into_iter().map(|(_, fault, outcome)| (fault, outcome)).collect()
}

fn print(title: &str, seen: &[(Fault, Outcome)], begun: Instant) {
    let table = faults::render(seen.iter().map(|(fault, outcome)| (fault, outcome)));
    println!("{title}: {} faults in {:.1?}\n{table}", seen.len(), begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_comes_to_what_it_must() {
    let begun = Instant::now();
    let seen = run_all(faults::table(), plain_transport(), None).await;
    print("HTTP/1.1", &seen, begun);
    let wrong: Vec<String> = seen
        .iter()
        .filter(|(fault, outcome)| *outcome != fault.expected)
        .map(|(fault, outcome)| format!("{fault}: {outcome}, not {}", fault.expected))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is cut behind the gateway comes as a reset, which may overtake what was on its way, the head included.
fn fits(fault: &Fault, outcome: &Outcome) -> bool {
    let expected = &fault.expected;
    let so_far = |outcome: &Outcome| outcome.text.clone().unwrap_or_default();
    let is_cut = expected.kind == "truncated" || fault.name.contains("cut");
    outcome == expected
        || is_cut
            && ["truncated", "transport"].contains(&outcome.kind)
            && so_far(expected).starts_with(&so_far(outcome))
            && outcome.requests <= expected.requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_comes_to_the_same_through_a_gateway_of_http2() {
    let begun = Instant::now();
    let gateway = Gateway::open().await;
    let transport = gateway.transport();
    let seen = run_all(faults::table(), transport, Some(gateway)).await;
    print("HTTP/2 to a gateway", &seen, begun);
    let wrong: Vec<String> = seen
        .iter()
        .filter(|(fault, outcome)| !fits(fault, outcome))
        .map(|(fault, outcome)| format!("{fault}: {outcome}, not {}", fault.expected))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Faults that only HTTP/2 has. Each is asked twice by one client: the fault, and then a whole answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_http2() {
    let begun = Instant::now();
    let sse = head("200", &[("content-type", "text/event-stream")]);
    let sized = |length: &str| head("200", &[("content-type", "text/event-stream"), ("content-length", length)]);
    let whole = vec![sse.clone(), data(FIRST), data(LAST).last()];
    let goaway = |last, code| Act::GoAway { last, code };
    let half = |act: Act| vec![sse.clone(), data(FIRST), act];

    let lost = "transport, 1 request";
    let retried = "completed, status 200, 2 events \"Yes, no.\", reason stop, 2 requests";
    let once = "completed, status 200, 2 events \"Yes, no.\", reason stop, 1 request";
    let cut = "truncated, status 200, 1 event \"Yes, \", 1 request";
    let open_end = "completed, status 200, 1 event \"Yes, \", reason none, 1 request";
    // What it is, what the server does, what comes of it, how many connections there were with the call after it.
    let rows: Vec<(&str, Vec<Act>, &str, usize)> = vec![
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
        ("GOAWAY below, NO_ERROR", vec![goaway(0, code::NO_ERROR), Act::Close], retried, 2),
        ("GOAWAY below, an error", vec![goaway(0, code::INTERNAL_ERROR), Act::Close], retried, 2),
        ("GOAWAY below, and no close", vec![goaway(0, code::NO_ERROR)], retried, 2),
        ("GOAWAY below, after the head", half(goaway(0, code::NO_ERROR)), cut, 2),
        ("GOAWAY not below, NO_ERROR, close", vec![goaway(1, code::NO_ERROR), Act::Close], lost, 2),
        ("GOAWAY not below, an error, close", vec![goaway(1, code::ENHANCE_YOUR_CALM), Act::Close], lost, 2),
        ("GOAWAY not below, and an answer", [vec![goaway(1, code::NO_ERROR)], whole.clone()].concat(), once, 2),
        (
            "GOAWAY in the body, and its rest",
            half(goaway(1, code::NO_ERROR)).into_iter().chain([data(LAST).last()]).collect(),
            once,
            2,
        ),
        (
            "GOAWAY in the body, close",
            half(goaway(1, code::NO_ERROR)).into_iter().chain([Act::Close]).collect(),
            cut,
            2,
        ),
        ("close before the head", vec![Act::Close], lost, 2),
        ("close of the socket before the head", vec![Act::Drop], lost, 2),
        ("close between events", half(Act::Close), cut, 2),
        ("close of the socket between events", half(Act::Drop), cut, 2),
        ("close after the whole answer", [whole.clone(), vec![Act::Close]].concat(), once, 2),
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
        ("a head without a sense", vec![Act::Raw(b"\0\0\x01\x01\x04\0\0\0\x01\x80".to_vec())], lost, 2),
        ("data of no stream", half(Act::Raw(b"\0\0\x01\0\0\0\0\0\0x".to_vec())), cut, 2),
        ("no frame", vec![Act::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Act::Close], lost, 2),
    ];
    let identity = Identity::new(&[b"h2"]);
    let mut wrong = String::new();
    println!("HTTP/2, frame by frame");
    for (name, acts, expected, connections) in rows {
        let server = RawServer::start(&identity, vec![acts, whole.clone()]).await;
        let mut config = Config::default();
        config.retry.base = Duration::from_millis(1);
        let stalls = expected.starts_with("timeout");
        let short = Some(Duration::from_millis(800));
        match expected {
            _ if expected.starts_with("timeout (head)") => config.timeouts.head = short,
            _ if stalls => config.timeouts.idle = short,
            _ => {}
        }
        // A pool of one's own.
        let client = client_on(&identity.transport(), &server.url(), &config);
        let result = client.create(&question()).finish().await;
        let seen = Outcome::of(&result, server.requests()).to_string();
        println!("{name:37} | {seen}");
        if stalls {
            until("the stream's reset", || server.resets() == 1).await;
        }
        if connections == 2 {
            // A request that is written before the client has seen the end is lost.
            until(&format!("{name}: the first connection's end"), || server.open_connections() < server.requests())
                .await;
        }
        let after = client.create(&question()).finish().await.map(|answer| answer.content);
        let accepted = server.accepted_connections();
        if seen != expected || accepted != connections || after.as_deref().ok() != Some("Yes, no.") {
            wrong += &format!(
                "{name}: {seen}, not {expected}; {accepted} connections, not {connections}; then {after:?}; {result:?}\n"
            );
        }
        drop(client);
        until(&format!("{name}: the close"), || server.open_connections() == 0).await;
    }
    println!("in {:.1?}", begun.elapsed());
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_an_answer_unasked_is_no_answer_to_the_next_call() {
    let unasked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        RESULT.len(),
        RESULT.replace("Yes", "Bad")
    );
    let json = || Reply::json(200, &[], RESULT);
    let then_unasked = |reply: Reply| reply.then(Step::Write(unasked.clone().into())).then(Step::KeepAlive);
    for (first, comes_late) in [
        (Reply::raw(unasked.replace("Bad", "Yes") + &unasked).then(Step::KeepAlive), false),
        (then_unasked(json()), true),
        (then_unasked(Reply::sse_chunked([FIRST, LAST])), true),
    ] {
        for _ in 0..20 {
            let server = ScriptServer::start(vec![first.clone(), json()]).unwrap();
            // A pool of one's own.
            let client = client_on(&plain_transport(), &server.url(), &Config::default());
            for _ in 0..2 {
                let answer = client.create(&question()).finish().await.unwrap();
                assert_eq!(answer.content, "Yes, no.", "{first:?}");
                // What comes once the next request is on its way looks like its answer: nobody can tell.
                if comes_late && server.requests().len() == 1 {
                    until("the close", || server.open_connections() == 0).await;
                }
            }
            assert_eq!(server.requests().len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closed_meanwhile_is_not_used() {
    let server = ScriptServer::start(vec![Reply::json(200, &[], RESULT).then(Step::Close)]).unwrap();
    let client = client_on(&plain_transport(), &server.url(), &Config::default());
    for n in 1..=200 {
        client.create(&question()).finish().await.unwrap();
        assert_eq!(server.requests().len(), n);
        until("the close", || server.open_connections() == 0).await;
        // And the client has seen it: the server's and the pool's own tasks are all that is left. A request that is written
        // before that is lost, and nobody can tell whether it was read.
        until("the end of the connection's task", || alive_tasks() <= 2).await;
    }
}
