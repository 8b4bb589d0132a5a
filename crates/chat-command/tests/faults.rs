//! Faulty servers, and how `chat ask` reports them.

mod support;

use std::time::{Duration, Instant};

use chat_mock::{ScriptedReply as Reply, Step};
use serde_json::{Value, json};
use support::{Run, Script, all_at_once, ask, chunk, last_chunk, result, run, stream};

/// Longer than any wait in these tests.
const LONG: Duration = Duration::from_secs(15);

fn busy(status: u16, headers: &[(&str, &str)]) -> Reply {
    Reply::json(status, headers, r#"{"detail":"later"}"#)
}

fn answer() -> Reply {
    Reply::json(200, &[], result("Yes."))
}

/// Sends events and then nothing more.
fn stalls(events: &[&str]) -> Reply {
    stream(events).then(Step::Stall)
}

/// Sends the first event, then the second one every 25 ms, for longer than a test runs.
fn repeats(first: &str, event: &str) -> Reply {
    (0..600).fold(stream([first]), |reply, _| reply.then(Step::Pause(Duration::from_millis(25))).chunk(event))
}

#[track_caller]
fn partial(error: &Value, content: &str) {
    let session = if content.is_empty() { Value::Null } else { json!("s-1") };
    let want = json!({ "chat_session_id": session, "content": content, "citations": null, "finish_reason": null });
    assert_eq!(error["partial"], want, "{error}");
}

#[track_caller]
fn count(server: &Script, requests: usize, error: &Value) {
    assert_eq!((server.requests().len(), &error["attempts"]), (requests, &json!(requests)), "{error}");
}

#[track_caller]
fn timed_out(run: &Run, clock: &str) -> Value {
    let error = run.error("timeout");
    assert_eq!(error["timeout"], clock, "{error}");
    error
}

// Retries.

#[test]
fn verbose_logs_attempts_and_waits_but_neither_the_key_nor_the_text() {
    let server = Script::start([busy(503, &[]), answer()]);
    let run = run(&mut ask(&server.url(), &["--verbose", "A private question?"]));
    assert_eq!((run.status, run.stdout.trim_end()), (Some(0), "Yes."), "{}", run.stderr);
    let logged: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("chat: ")).collect();
    let begins = [
        "attempt started number=1",
        "head received status=503",
        "waiting before the next attempt error.type=\"api\" status=503",
        "attempt started number=2",
        "head received status=200",
    ];
    for (line, begin) in logged.iter().zip(begins) {
        assert!(line["chat: ".len()..].starts_with(begin), "{}", run.stderr);
    }
    assert!(logged.last().unwrap().starts_with("chat: answer complete attempts=2"), "{}", run.stderr);
    assert!(!run.stderr.contains("private") && !run.stderr.contains("Yes") && !run.stderr.contains(support::KEY));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_error_does_not_end_an_answer() {
    let server = Script::start([answer()]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
    let output = ask(&server.url(), &["--verbose", "hi"]).stderr(full).output().expect("it starts");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"Yes.\n"[..]));
}

#[test]
fn a_429_and_then_an_answer_is_one_answer_after_two_requests() {
    all_at_once(
        [
            busy(429, &[("retry-after", "0")]),
            // The server closes the connection, with or without an announcement.
            busy(429, &[("connection", "close")]).then(Step::Close),
            busy(429, &[]).then(Step::Close),
            Reply::head(429, &[]).then(Step::Write("slow down".into())),
            Reply::head(429, &[])
                .then(Step::Write("slow".into()))
                .then(Step::Pause(Duration::from_millis(20)))
                .then(Step::Reset),
        ],
        |first| {
            let last = stream([chunk("Yes, "), last_chunk("no.")]).last_chunk();
            let server = Script::start([first.clone(), last]);
            let run = server.ask_with_retries(&[]);
            run.answer("Yes, no.");
            assert_eq!(run.lines().len(), 3, "{first:?} left output: {run:?}");
            assert_eq!(run.stderr, "");
            let requests = server.requests();
            assert_eq!(requests.len(), 2, "{first:?}");
            assert_eq!(requests[0].body, requests[1].body);
            assert_eq!(requests[0].headers, requests[1].headers);
        },
    );
}

#[test]
fn a_503_is_retried_for_both_operations() {
    all_at_once([&[][..], &["--session", "s-1"]], |args| {
        let server = Script::start([busy(503, &[]), answer()]);
        server.ask_with_retries(args).answer("Yes.");
        assert_eq!(server.requests().len(), 2);
    });
}

#[test]
fn a_500_is_retried_only_for_create() {
    all_at_once([500, 502, 504], |status| {
        let server = Script::start([busy(status, &[]), answer()]);
        server.ask_with_retries(&[]).answer("Yes.");
        assert_eq!(server.requests().len(), 2);

        let server = Script::start([busy(status, &[]), answer()]);
        let error = server.ask_with_retries(&["--session", "s-1"]).error("api");
        count(&server, 1, &error);
        assert_eq!(error["status"], status);
        assert!(error["message"].as_str().expect("a message").contains("may have read"), "{error}");
    });
}

#[test]
fn a_permanent_status_is_not_retried() {
    for status in [400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 451, 499, 501, 505, 599] {
        let server = Script::start([busy(status, &[])]);
        let error = server.ask_with_retries(&[]).error("api");
        count(&server, 1, &error);
        assert_eq!((&error["status"], &error["partial"]), (&json!(status), &Value::Null));
        assert_eq!(error["body"], r#"{"detail":"later"}"#);
    }
}

#[test]
fn a_repeated_429_is_an_error_after_the_allowed_attempts() {
    all_at_once([("0", 1), ("1", 2), ("2", 3)], |(retries, attempts)| {
        let server = Script::start([busy(429, &[("retry-after", "0")])]);
        let error = server.ask_with_retries(&["--max-retries", retries]).error("api");
        count(&server, attempts, &error);
        assert_eq!((&error["status"], &error["retry_after"]), (&json!(429), &json!({ "seconds": 0 })));
        assert_eq!(error["partial"], Value::Null);
        assert_eq!(error["message"].as_str().expect("a message").contains("attempts"), attempts > 1, "{error}");
    });
    let server = Script::start([busy(429, &[("retry-after", "0")])]);
    let plain = run(&mut ask(&server.url(), &["--max-retries", "1", "hi"]));
    assert_eq!((plain.status, plain.stdout.as_str()), (Some(3), ""));
    plain.check_report();
    assert!(plain.stderr.contains("429") && plain.stderr.contains("after 2 attempts"), "{plain:?}");
}

#[test]
fn a_wait_beyond_the_budget_ends_the_call_at_once() {
    let begun = Instant::now();
    let date = "Sat, 06 Nov 2094 08:49:37 GMT";
    for (headers, retry_after) in [
        (&[("retry-after", "3600")][..], json!({ "seconds": 3600 })),
        (&[("retry-after", "1"), ("retry-after-ms", "3600500")], json!({ "seconds": 3600.5 })),
        (
            &[("retry-after", date), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
            json!({ "date_unix": 3_939_871_777_i64 }),
        ),
    ] {
        let server = Script::start([busy(429, headers), answer()]);
        let error = server.ask_with_retries(&[]).error("api");
        count(&server, 1, &error);
        assert_eq!(error["retry_after"], retry_after);
        assert!(error["message"].as_str().expect("a message").contains("wait"), "{error}");
    }
    // A wait that would end after the total timeout.
    let server = Script::start([busy(503, &[("retry-after", "20")]), answer()]);
    let error = server.ask_with_retries(&["--timeout", "10s"]).error("api");
    count(&server, 1, &error);
    assert!(begun.elapsed() < LONG);
}

#[test]
fn a_requested_wait_is_kept() {
    let server = Script::start([busy(429, &[("retry-after-ms", "700")]), answer()]);
    let begun = Instant::now();
    server.ask_with_retries(&[]).answer("Yes.");
    assert!(begun.elapsed() >= Duration::from_millis(700));
}

// Connections.

#[test]
fn a_reset_before_the_head_is_a_transport_error_and_not_retried() {
    for reply in [
        Reply::raw("").then(Step::Reset),
        Reply::raw("").then(Step::Close),
        Reply::raw("HTTP/1.1 200 O").then(Step::Close),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: text/ev").then(Step::Reset),
        Reply::raw("SSH-2.0-OpenSSH_9.9\r\n"),
        Reply::raw("HTTP/1.1 two hundred\r\n\r\n"),
    ] {
        for args in [&[][..], &["--session", "s-1"]] {
            let server = Script::start([reply.clone(), answer()]);
            let error = server.ask_with_retries(args).error("transport");
            count(&server, 1, &error);
            assert_eq!((&error["status"], &error["partial"]), (&Value::Null, &Value::Null), "{reply:?}");
        }
    }
}

#[test]
fn an_interim_response_is_ignored() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let body = result("Yes.");
    let last =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    Script::start([Reply::raw(format!("{interim}{last}"))]).ask(&[]).answer("Yes.");
}

#[test]
fn a_full_backlog_is_a_connect_timeout() {
    use socket2::{Domain, SockAddr, Socket, Type};
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};

    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).expect("a free port");
    listener.listen(0).expect("a listener");
    let addr = listener.local_addr().expect("an address").as_socket().expect("an IP address");
    let mut held = Vec::new();
    // The backlog is full when a connect attempt times out.
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(300)) {
        held.push(stream);
        if held.len() > 50 {
            println!("skipped: the backlog does not fill up on this system");
            return;
        }
    }
    let url = format!("http://{addr}");
    let begun = Instant::now();
    let run_ = run(&mut ask(&url, &["--json", "--connect-timeout", "200ms", "--max-retries", "1", "hi"]));
    let error = timed_out(&run_, "connect");
    assert_eq!((&error["attempts"], &error["status"], &error["partial"]), (&json!(2), &Value::Null, &Value::Null));
    // The head timeout includes connecting.
    let args = ["--json", "--connect-timeout", "off", "--head-timeout", "200ms", "--max-retries", "1", "hi"];
    timed_out(&run(&mut ask(&url, &args)), "head");
    assert!(begun.elapsed() < LONG);
}

// Timeouts.

#[test]
fn silence_before_the_head_ends_with_the_head_timeout() {
    for reply in [Reply::raw(""), Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")] {
        let server = Script::start([reply.then(Step::Stall), answer()]);
        let begun = Instant::now();
        let error = timed_out(&server.ask_with_retries(&["--head-timeout", "200ms"]), "head");
        assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < LONG);
        // No retry: the server may have read the request.
        count(&server, 1, &error);
        assert_eq!((&error["status"], &error["partial"]), (&Value::Null, &Value::Null));
        support::wait_until("the connection is closed", || server.open_connections() == 0);
    }
}

#[test]
fn silence_in_the_body_ends_with_the_idle_timeout() {
    all_at_once(
        [
            (stalls(&[&chunk("Yes, ")]), "Yes, "),
            // Inside an event, inside a line, inside a character.
            (stalls(&[&chunk("Yes, "), "event: message_chunk\ndata: {\"content_"]), "Yes, "),
            (stream([chunk("Yes, ").as_bytes(), b"data: \xc3"]).then(Step::Stall), "Yes, "),
            // Inside an HTTP chunk.
            (stream([chunk("Yes, ")]).then(Step::Write("ff\r\ndata: {".into())).then(Step::Stall), "Yes, "),
            (stalls(&[]), ""),
            (Reply::head(200, &[("content-type", "application/json")]).then(Step::Stall), ""),
        ],
        |(reply, content)| {
            let server = Script::start([reply.clone(), answer()]);
            let begun = Instant::now();
            let error = timed_out(&server.ask_with_retries(&["--idle-timeout", "200ms"]), "idle");
            assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < LONG, "{reply:?}");
            count(&server, 1, &error);
            assert_eq!((&error["status"], &error["body"]), (&json!(200), &Value::Null));
            partial(&error, content);
            support::wait_until("the connection is closed", || server.open_connections() == 0);
        },
    );
}

#[test]
fn keep_alives_end_with_the_content_timeout() {
    all_at_once([": ping\n\n", "\n", "retry: 5\n\n", "data\n\n"], |sign| {
        let server = Script::start([repeats(&chunk("Yes, "), sign)]);
        let begun = Instant::now();
        let error = timed_out(&server.ask(&["--content-timeout", "400ms", "--idle-timeout", "10s"]), "content");
        assert!(begun.elapsed() >= Duration::from_millis(400) && begun.elapsed() < LONG, "{sign:?}");
        assert_eq!(error["status"], 200);
        partial(&error, "Yes, ");
    });
}

#[test]
fn an_active_stream_ends_with_the_total_timeout() {
    let server = Script::start([repeats(&chunk("Y"), &chunk("e"))]);
    let begun = Instant::now();
    let run_ = server.ask(&["--timeout", "500ms"]);
    let error = timed_out(&run_, "total");
    assert!(begun.elapsed() >= Duration::from_millis(500) && begun.elapsed() < LONG);
    partial(&error, &run_.text_of_events());
    assert!(run_.text_of_events().starts_with('Y'));

    let server = Script::start([Reply::raw("").then(Step::Stall)]);
    let error = timed_out(&server.ask(&["--timeout", "200ms"]), "total");
    assert_eq!((&error["attempts"], &error["partial"]), (&json!(1), &Value::Null));
}

#[test]
fn a_timeout_in_the_body_of_an_error_response_reports_that_response() {
    let head = Reply::head(503, &[("content-type", "text/plain"), ("content-length", "100")]);
    let server = Script::start([head.then(Step::Write("down for".into())).then(Step::Stall)]);
    let begun = Instant::now();
    let error = server.ask(&["--idle-timeout", "200ms"]).error("api");
    assert_eq!((&error["status"], &error["body"], &error["partial"]), (&json!(503), &json!("down for"), &Value::Null));
    assert!(begun.elapsed() < LONG);
}

// Truncated answers.

#[test]
fn a_stream_that_breaks_off_is_truncated_and_keeps_what_arrived() {
    let pause = Step::Pause(Duration::from_millis(100));
    let plain = [("content-type", "text/event-stream")];
    let short = [("content-type", "text/event-stream"), ("content-length", "100000")];
    for (name, reply) in [
        ("inside an event", stream([chunk("Yes, "), "event: message_chunk\n".to_owned()]).last_chunk()),
        ("inside a line", stream([chunk("Yes, "), "dat".to_owned()]).last_chunk()),
        ("no blank line", stream([chunk("Yes, "), last_chunk("no.").trim_end().to_owned()]).last_chunk()),
        ("short of its length", Reply::head(200, &short).then(Step::Write(chunk("Yes, ").into()))),
        ("no last chunk", stream([chunk("Yes, ")]).then(Step::Close)),
        ("bad framing", stream([chunk("Yes, ")]).then(Step::Write("zz\r\nfoo\r\n".into())).then(Step::Close)),
        ("a cut chunk", stream([chunk("Yes, ")]).then(Step::Write("ffff\r\n: a comment\n".into())).then(Step::Close)),
        ("a reset", stream([chunk("Yes, ")]).then(pause.clone()).then(Step::Reset)),
        ("by close, inside", Reply::head(200, &plain).then(Step::Write((chunk("Yes, ") + "data: x").into()))),
        (
            "by close, reset",
            Reply::head(200, &plain).then(Step::Write(chunk("Yes, ").into())).then(pause).then(Step::Reset),
        ),
    ] {
        let server = Script::start([reply, answer()]);
        let run_ = server.ask_with_retries(&[]);
        let error = run_.error("truncated");
        assert_eq!((server.requests().len(), run_.text_of_events().as_str()), (1, "Yes, "), "{name}");
        assert_eq!((&error["status"], &error["attempts"]), (&json!(200), &json!(1)), "{name}");
        partial(&error, "Yes, ");
    }
}

#[test]
fn a_truncated_answer_keeps_all_that_arrived() {
    let cited = r#"{"citations":[{"number":1,"record":{"type":"site","url":"https://x.example/"}}]}"#;
    let events = [chunk("Yes [1]"), format!("event: records_cited\ndata: {cited}\n\n"), last_chunk(", no.")];
    let server = Script::start([stream(events.clone()).then(Step::Close)]);
    let run_ = server.ask(&[]);
    let error = run_.error("truncated");
    assert_eq!(error["partial"]["content"], "Yes [1], no.");
    assert_eq!(error["partial"]["citations"], serde_json::from_str::<Value>(cited).expect("JSON")["citations"]);
    assert_eq!(
        (&error["partial"]["finish_reason"], &error["partial"]["chat_session_id"]),
        (&json!("stop"), &json!("s-1"))
    );

    // Without `--json`: the text, the citations, then the error.
    let mut plain = run(&mut ask(&server.url(), &["hi"]));
    assert_eq!((plain.status, plain.stdout.as_str()), (Some(5), "Yes [1], no.\n\n[1] untitled: https://x.example/\n"));
    // The session can be continued.
    plain.stderr = plain.stderr.strip_suffix("To continue: --session s-1\n").expect("the hint").to_owned();
    plain.check_report();
    assert!(plain.stderr.contains("the answer was cut"), "{plain:?}");
}

#[test]
fn a_json_body_that_breaks_off_is_truncated() {
    let body = result("Yes.");
    let (half, _) = body.split_at(20);
    let long = [("content-type", "application/json"), ("content-length", "1000")];
    let chunked = [("content-type", "application/json"), ("transfer-encoding", "chunked")];
    for reply in [
        Reply::head(200, &long).then(Step::Write(half.to_owned().into())),
        Reply::head(200, &chunked).chunk(half).then(Step::Close),
    ] {
        let error = Script::start([reply]).ask(&[]).error("truncated");
        assert_eq!(error["status"], 200);
        partial(&error, "");
    }
    // If only the close ends the body, the JSON is malformed.
    let error = Script::start([Reply::head(200, &long[..1]).then(Step::Write(half.to_owned().into()))])
        .ask(&[])
        .error("decode");
    assert_eq!(error["body"], half);
}

#[test]
fn a_clean_end_without_a_finish_reason_is_completed() {
    let plain = [("content-type", "text/event-stream")];
    let server = Script::start([Reply::head(200, &plain).then(Step::Write(chunk("Yes.").into()))]);
    let outcome = server.ask(&[]).answer("Yes.");
    assert_eq!(outcome["finish_reason"], Value::Null);
    let plain = run(&mut ask(&server.url(), &["--session", "s-1", "hi"]));
    assert_eq!((plain.status, plain.stdout.as_str()), (Some(0), "Yes.\n"));
    assert!(plain.stderr.contains("finish reason"), "{plain:?}");
}

#[test]
fn comments_alone_are_an_empty_answer() {
    let server = Script::start([stream([": ping\n\n", ": pong\n\n: "]).last_chunk()]);
    let run_ = server.ask(&[]);
    let outcome = run_.answer("");
    assert_eq!(run_.lines().len(), 1);
    assert_eq!((&outcome["citations"], &outcome["chat_session_id"]), (&Value::Null, &Value::Null));
}

// Answers that are not from this API.

#[test]
fn an_answer_that_is_not_from_the_api_is_unexpected() {
    let html = ("content-type", "text/html; charset=utf-8");
    let sse = ("content-type", "text/event-stream");
    let json_type = ("content-type", "application/json");
    for (status, headers, location) in [
        (302, &[html, ("location", "https://elsewhere.example/login")][..], json!("https://elsewhere.example/login")),
        (307, &[json_type, ("location", "/v1/chat")], json!("/v1/chat")),
        (304, &[], Value::Null),
        (200, &[html], Value::Null),
        (200, &[], Value::Null),
        (200, &[("content-type", "application/json+x")], Value::Null),
        (200, &[sse, ("content-encoding", "gzip")], Value::Null),
        (200, &[json_type, ("content-encoding", "identity, br")], Value::Null),
        (201, &[json_type], Value::Null),
        (202, &[sse], Value::Null),
        (204, &[], Value::Null),
        (206, &[json_type], Value::Null),
    ] {
        let bare = matches!(status, 204 | 304);
        let body = if bare { String::new() } else { result("Never.") };
        let reply = Reply::head(status, headers).then(Step::Write(body.clone().into()));
        let server = Script::start([reply]);
        let run_ = server.ask_with_retries(&[]);
        let error = run_.error("unexpected_response");
        count(&server, 1, &error);
        assert_eq!((&error["status"], &error["location"], &error["body"]), (&json!(status), &location, &json!(body)));
        assert_eq!(error["partial"], Value::Null, "{headers:?}");
        assert_eq!(run_.lines().len(), 1);
    }
}

#[test]
fn the_key_does_not_follow_a_redirect() {
    let elsewhere = Script::start([answer()]);
    let server = Script::start([Reply::json(307, &[("location", &elsewhere.url())], "{}")]);
    server.ask_with_retries(&[]).error("unexpected_response");
    assert_eq!(elsewhere.requests(), []);
}

#[test]
fn a_media_type_is_compared_without_case_and_parameters() {
    let headers = [("Content-Type", "Text/Event-STREAM;charset=utf-8"), ("Content-Encoding", "identity")];
    let reply = Reply::head(200, &headers).then(Step::Write(last_chunk("Yes.").into()));
    assert_eq!(Script::start([reply]).ask(&[]).answer("Yes.")["finish_reason"], "stop");
}

// Invalid events and large answers.

#[test]
fn an_error_event_ends_the_stream_and_keeps_its_data() {
    let events =
        [chunk("Yes, "), "event: error\ndata: {\"detail\":\ndata: \"boom\"}\n\n".to_owned(), last_chunk("no.")];
    let server = Script::start([stream(events).then(Step::Stall)]);
    let run_ = server.ask_with_retries(&[]);
    let error = run_.error("stream");
    assert_eq!((&error["body"], &error["status"]), (&json!("{\"detail\":\n\"boom\"}"), &json!(200)));
    assert_eq!(run_.lines().len(), 2, "an error event has no event line");
    partial(&error, "Yes, ");
    count(&server, 1, &error);
    support::wait_until("the connection is closed", || server.open_connections() == 0);
}

#[test]
fn an_event_that_does_not_match_the_schema_is_a_decode_error() {
    for data in [
        r#"{"content_chunk":1}"#,
        r#"{"content":"x"}"#,
        "{",
        "[]",
        "null",
        r#"{"content_chunk":"a","finish_reason":7}"#,
    ] {
        let event = format!("event: message_chunk\ndata: {data}\n\n");
        let server = Script::start([stream([chunk("Yes, "), event, last_chunk("no.")]).last_chunk()]);
        let run_ = server.ask_with_retries(&[]);
        let error = run_.error("decode");
        assert_eq!((&error["body"], &error["status"]), (&json!(data), &json!(200)), "{data}");
        partial(&error, "Yes, ");
        count(&server, 1, &error);
    }
    for body in [
        "",
        "{",
        "null",
        r#"{"chat_session_id":"s"}"#,
        r#"{"chat_session_id":1,"message":{"role":"assistant","content":"a"}}"#,
    ] {
        let error = Script::start([Reply::json(200, &[], body.to_owned())]).ask(&[]).error("decode");
        assert_eq!(error["body"], body);
        partial(&error, "");
    }
}

#[test]
fn an_endless_line_exceeds_the_limit() {
    let mut server = stream([chunk("Yes, "), "data: ".to_owned()]);
    for _ in 0..18 {
        server = server.chunk(vec![b'x'; 1 << 20]);
    }
    let server = Script::start([server.then(Step::Stall)]);
    let run_ = server.ask_with_retries(&[]);
    let error = run_.error("limit");
    partial(&error, "Yes, ");
    count(&server, 1, &error);
    assert!(error["message"].as_str().expect("a message").contains("16777216"), "{error}");
    support::wait_until("the connection is closed", || server.open_connections() == 0);
}

#[test]
fn a_large_error_page_is_read_up_to_the_limit() {
    let page = Reply::head(404, &[("content-type", "text/html")]).then(Step::Write(vec![b'x'; 200_000].into()));
    let server = Script::start([page.then(Step::Stall)]);
    let error = server.ask(&[]).error("api");
    let kept = error["body"].as_str().expect("a body").len();
    assert!((1..=65_536).contains(&kept), "{kept}");
    assert!(error["message"].as_str().expect("a message").len() < 1000);
}

#[test]
fn a_megabyte_of_citations_is_accepted() {
    let one = |n: usize| json!({ "number": n, "record": { "type": "documentation", "url": "https://x.example/", "description": "d".repeat(900) } });
    let cited = json!({ "citations": (1..=1100).map(one).collect::<Vec<_>>() });
    let event = format!("event: records_cited\ndata: {cited}\n\n");
    assert!(event.len() > 1 << 20);
    let events = event.as_bytes().chunks(10_007).map(<[u8]>::to_vec);
    let parts = [chunk("Yes, ").into_bytes()].into_iter().chain(events).chain([last_chunk("no.").into_bytes()]);
    let run_ = Script::start([stream(parts).last_chunk()]).ask(&[]);
    let outcome = run_.answer("Yes, no.");
    assert_eq!(outcome["citations"], cited["citations"]);
    assert_eq!(run_.lines()[1]["data"], cited);
}

// Details of the request in answers.

#[test]
fn an_echoed_key_is_not_printed() {
    let key = support::KEY;
    let said = format!("{{\"detail\":\"no such key: {key}\"}}");
    let named = format!("{{\"detail\":[{{\"loc\":[\"header\"],\"msg\":\"bad key {key}\",\"type\":\"t\"}}]}}");
    let location = format!("https://elsewhere.example/?key={key}");
    for (reply, kind, shown) in [
        (Reply::json(401, &[], said), "api", "body"),
        (Reply::json(422, &[], named), "validation", "detail"),
        (Reply::json(302, &[("location", &location)], ""), "unexpected_response", "location"),
    ] {
        // `Running::end` checks that the key is not printed.
        let error = Script::start([reply]).ask(&[]).error(kind);
        assert!(error[shown].to_string().contains("***"), "{error}");
    }
}

#[test]
fn the_request_id_is_printed() {
    let run = Script::start([Reply::json(404, &[("x-request-id", "r-77")], "{}")]).ask(&[]);
    assert!(run.stderr.contains("r-77"), "{run:?}");
}
