//! The client against the bundled server, and against scripts of its answers.

mod support;

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chat_blocking::{Canceller, Client, Config, CreateInput, ErrorKind, Event, Reply, Session, TimeoutKind};
use chat_mock::faults::{COMMENT, FIRST, LAST, RESULT};
use chat_mock::{Reply as Script, ScriptServer, Server, Step};
use support::{LONG, chain, client, once, question, runtime, until};

fn stream() -> Script {
    Script::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
}

#[test]
fn a_session_creates_and_continues() {
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().api_key("k").bind()).unwrap();
    let client = Client::builder().base_url(server.url()).api_key("k").integration_id("i").build().unwrap();
    let mut session = client.default_session().unwrap();

    let mut reply = session.ask("What is a transport?");
    assert!(reply.head().is_none() && reply.answer().is_none());
    let mut text = String::new();
    for event in &mut reply {
        text += event.unwrap().text().unwrap_or_default();
    }
    assert_eq!(reply.answer().unwrap().content, text);
    assert_eq!(reply.head().unwrap().status, 200);
    assert!(reply.next().is_none());
    let first = reply.finish().unwrap();
    assert!(!text.is_empty() && first.finish_reason.is_some());
    assert_eq!(session.id(), first.chat_session_id);

    // In one JSON object, and as pieces of text.
    let mut session = client.session("i").with_id(session.id().unwrap()).with_streaming(false);
    let mut pieces = session.ask("And a driver?").text();
    let piece = pieces.next().unwrap().unwrap();
    assert!(pieces.next().is_none());
    let second = pieces.into_reply().finish().unwrap();
    assert_eq!(second.content, piece);
    assert_eq!(second.chat_session_id, first.chat_session_id);
    assert_eq!(session.history().len(), 1);
    runtime.block_on(server.shutdown());
}

#[test]
fn a_refused_key_is_named_by_where_it_came_from() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(401, &[], "{}")]).unwrap();
    let error = once(&server.url()).create(&question()).finish().unwrap_err();
    assert!(error.to_string().ends_with("(the key came from the client's settings)"), "{error}");
}

#[test]
fn a_second_question_on_a_session_is_refused_while_one_is_under_way() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server =
        ScriptServer::start(vec![stream().chunk(FIRST).then(Step::Stall), Script::sse([FIRST, LAST].concat())]);
    let server = server.unwrap();
    let mut session = once(&server.url()).session("i");
    let mut first = session.ask("one");
    assert!(first.next().unwrap().is_ok());
    let error = session.ask("two").next().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if field == "session"), "{error}");
    assert_eq!(server.requests().len(), 1);
    drop(first);
    assert_eq!(session.ask("three").finish().unwrap().content, "Yes, no.");
    assert_eq!(server.requests()[1].path, "/v0/chat_sessions/s-1/chat_results");
    let kinds: Vec<&str> = session
        .history()
        .iter()
        .map(|turn| turn.outcome.as_ref().map_or_else(|error| error.kind().name(), |_| "completed"))
        .collect();
    assert_eq!(kinds, ["cancelled", "completed"]);
}

#[test]
fn the_request_is_what_the_contract_says_and_no_more() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT)]).unwrap();
    let port = server.local_addr().port();
    // By name: where that has an address of each family, one of them is refused.
    let client = once(&format!("http://localhost:{port}/base/"));
    client.with(|settings| settings.header("x-trace", "7f")).unwrap().create(&question()).finish().unwrap();
    let request = server.requests().remove(0);
    assert_eq!(request.path, "/base/v0/chat_sessions/chat_results");
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "x-trace"
        ]
    );
    assert_eq!(request.headers["host"], format!("localhost:{port}"));
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("chat-blocking/"));
}

#[test]
fn an_event_comes_as_soon_as_its_bytes_do() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let half = &LAST[..LAST.len() - 1];
    for answer in [
        stream().chunk(FIRST).then(Step::Stall),
        // Whole on the wire, but for the end of its chunk.
        stream().then(Step::Write(format!("1000\r\n{FIRST}").into())).then(Step::Stall),
        stream().chunk([FIRST, half].concat()).then(Step::Stall),
        Script::head(200, &[("content-type", "text/event-stream")]).then(Step::Write(FIRST.into())).then(Step::Stall),
    ] {
        let server = ScriptServer::start(vec![answer]).unwrap();
        let begun = Instant::now();
        let mut reply = once(&server.url()).create(&question());
        assert_eq!(reply.next().unwrap().unwrap().text(), Some("Yes, "));
        assert!(begun.elapsed() < LONG);
    }
}

#[test]
fn a_connection_is_used_again_after_a_whole_answer_and_closed_after_half_a_one() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let whole = || Script::sse_chunked([FIRST, LAST]);
    let server = ScriptServer::start(vec![
        whole(),
        Script::json(200, &[], RESULT),
        whole(),
        stream().chunk(FIRST).then(Step::Stall),
        whole(),
    ])
    .unwrap();
    let client = once(&server.url());
    for _ in 0..3 {
        client.create(&question()).finish().unwrap();
    }
    assert_eq!(server.accepted_connections(), 1);

    let mut reply = client.create(&question());
    assert!(reply.next().unwrap().is_ok());
    assert_eq!(server.open_connections(), 1);
    drop(reply);
    until("the close", || server.open_connections() == 0);

    // What is kept goes with the client.
    client.create(&question()).finish().unwrap();
    assert_eq!((server.accepted_connections(), server.open_connections()), (2, 1));
    drop(client);
    until("the close", || server.open_connections() == 0);
}

#[test]
fn a_caller_who_is_slow_does_not_make_the_server_look_silent() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let idle = Duration::from_secs(2);
    let mut config = Config::default();
    config.timeouts.idle = Some(idle);
    config.timeouts.content = Some(idle);
    // What came during the pause, and what comes after it, in a time that only with the pause is too long.
    let late = stream().chunk(FIRST).then(Step::Pause(idle + idle / 3)).chunk(COMMENT).chunk(LAST).last_chunk();
    for answer in [Script::sse_chunked([FIRST, COMMENT, LAST]), late] {
        let server = ScriptServer::start(vec![answer]).unwrap();
        let mut reply = client(&server.url(), &config).create(&question());
        assert!(reply.next().unwrap().is_ok());
        thread::sleep(idle);
        assert_eq!(reply.finish().unwrap().content, "Yes, no.");
    }
}

#[test]
fn the_time_to_connect_is_a_clock_of_its_own_and_is_tried_again() {
    // TCP comes about in the kernel; TLS never does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = Config::default();
    config.timeouts.connect = Some(Duration::from_millis(300));
    config.retry.max_retries = 1;
    config.retry.base = Duration::from_millis(1);
    let client = client(&format!("https://{}", listener.local_addr().unwrap()), &config);
    let error = client.create(&question()).finish().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Connect, .. }), "{error}");
    assert_eq!(error.attempts(), 2);

    // Of two clocks, the one that is due.
    config.timeouts.connect = Some(LONG);
    for clock in [TimeoutKind::Head, TimeoutKind::Total] {
        config.timeouts.head = Some(LONG).filter(|_| clock == TimeoutKind::Total).or(Some(Duration::from_millis(300)));
        config.timeouts.total = Some(Duration::from_millis(300)).filter(|_| clock == TimeoutKind::Total);
        config.retry.max_retries = 0;
        let client = support::client(&format!("https://{}", listener.local_addr().unwrap()), &config);
        let error = client.create(&question()).finish().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { kind: which, .. } if *which == clock), "{error}");
    }
}

#[test]
fn a_flood_of_signs_of_life_does_not_outrun_the_clock() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").unwrap();
        let comments = COMMENT.repeat(10_000);
        while client.write_all(comments.as_bytes()).is_ok() {}
    });
    let mut config = Config::default();
    config.timeouts.content = Some(Duration::from_millis(300));
    config.timeouts.total = Some(LONG);
    let error = client(&url, &config).create(&question()).finish().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Content, .. }), "{error}");
}

#[test]
fn nobody_there_is_no_connection() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = once(&format!("http://{nobody}")).create(&question()).finish().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    assert!(chain(&error).contains("refused"), "{}", chain(&error));
}

#[test]
fn a_canceller_ends_every_wait_at_once() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = |script: Vec<Script>| ScriptServer::start(script).unwrap();
    let head = server(vec![Script::raw("").then(Step::Stall)]);
    let body = server(vec![stream().chunk(FIRST).then(Step::Stall)]);
    let kept = server(vec![Script::json(200, &[], RESULT), stream().chunk(FIRST).then(Step::Stall)]);
    // Its end looks like the end of the answer.
    let by_close = server(vec![
        Script::head(200, &[("content-type", "text/event-stream")]).then(Step::Write(FIRST.into())).then(Step::Stall),
    ]);
    let retry = server(vec![Script::json(429, &[("retry-after", "30")], "{}")]);
    for (what, url, events) in [
        ("TLS", format!("https://{}", silent.local_addr().unwrap()), None),
        ("the head", head.url(), None),
        ("the body", body.url(), Some(1)),
        ("the body on a connection that was kept", kept.url(), Some(1)),
        ("the body until the close", by_close.url(), Some(1)),
        ("the next attempt", retry.url(), None),
    ] {
        let client = client(&url, &Config::default());
        if what.ends_with("kept") {
            client.create(&question()).finish().unwrap();
        }
        let mut reply = client.create(&question());
        let canceller = reply.canceller();
        let (waits, is_waiting) = mpsc::channel();
        let begun = Instant::now();
        let call = thread::spawn(move || {
            let mut count = 0;
            loop {
                waits.send(count).unwrap();
                match reply.next() {
                    Some(Ok(_)) => count += 1,
                    Some(Err(error)) => return error,
                    None => panic!("it ended without an error"),
                }
            }
        });
        // The last wait is the one that does not end; a little later it is well under way.
        while is_waiting.recv().unwrap() < events.unwrap_or(0) {}
        thread::sleep(Duration::from_millis(100));
        canceller.cancel();
        let error = call.join().unwrap();
        assert_eq!(error.kind(), &ErrorKind::Cancelled, "{what}: {error}");
        assert_eq!(error.partial().map(|answer| answer.events), events, "{what}");
        assert!(begun.elapsed() < LONG / 2, "{what}");
    }
    until("the close", || head.open_connections() + body.open_connections() + by_close.open_connections() == 0);
}

#[test]
fn a_canceller_of_a_call_that_did_not_begin_or_is_over() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT)]).unwrap();
    let client = once(&server.url());
    let mut session = client.session("i");
    let reply = session.ask("What is a chunk?");
    reply.canceller().cancel();
    assert_eq!(reply.finish().unwrap_err().kind(), &ErrorKind::Cancelled);
    assert_eq!((server.requests().len(), session.history().len()), (0, 0));

    let mut reply = client.create(&question());
    let canceller = reply.canceller();
    while reply.next().is_some() {}
    canceller.cancel();
    assert_eq!(reply.finish().unwrap().content, "Yes, no.");
    // The connection that the call left behind is not its own any more.
    client.create(&question()).finish().unwrap();
    assert_eq!(server.accepted_connections(), 1);
}

#[test]
fn a_reply_that_is_cancelled_has_what_came() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![stream().chunk(FIRST).then(Step::Stall)]).unwrap();
    let mut reply = once(&server.url()).create(&question());
    assert!(matches!(reply.next(), Some(Ok(Event::MessageChunk(_)))));
    let error = reply.cancel().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Cancelled);
    assert_eq!(error.partial().unwrap().content, "Yes, ");
    until("the close", || server.open_connections() == 0);
}

#[test]
fn a_key_that_has_to_be_waited_for_is_refused_and_one_from_a_callback_is_asked_for_each_time() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let busy = Script::json(503, &[("retry-after", "0")], "{}");
    let server = ScriptServer::start(vec![busy, Script::json(200, &[], RESULT)]).unwrap();
    let settings = || Client::builder().base_url(server.url());
    let waited = settings().api_key_async(|| async { Ok("k".to_owned()) }).build().unwrap();
    let error = waited.create(&question()).finish().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if field == "api_key"), "{error}");
    assert_eq!((error.attempts(), server.requests().len()), (0, 0));

    let count = std::sync::atomic::AtomicU32::new(1);
    let key = move || Ok(format!("k{}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    settings().api_key_fn(key).build().unwrap().create(&question()).finish().unwrap();
    let keys: Vec<_> = server.requests().iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_eq!(keys, ["Bearer k1", "Bearer k2"]);
}

#[test]
fn many_threads_share_a_client() {
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().bind()).unwrap();
    let client = once(&server.url());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert!(client.create(&question()).finish().unwrap().finish_reason.is_some());
                }
            });
        }
    });
    assert_eq!(server.requests(), 64);
}

#[test]
fn all_of_it_may_go_to_another_thread() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Reply>();
    is_send::<Session>();
    is_send::<Client>();
    is_sync::<Client>();
    is_send::<Canceller>();
    is_sync::<Canceller>();
    // And says nothing of the key.
    let client = Client::builder().api_key("sesame").build().unwrap();
    let printed = format!("{client:?} {:?} {:?}", client.session("i"), client.create(&CreateInput::new("i", "m")));
    assert!(!printed.contains("sesame"), "{printed}");
}
