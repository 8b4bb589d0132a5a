//! Errors: what they say, to whom, and what they never say.

mod support;

use std::error::Error as _;
use std::time::Duration;

use chat_proto::{ApiKey, Blame, Endpoint, Error, Exchange, Output, Phase, Request, TimeoutKind, TransportError};
use support::{Attempt, Call, In, chunk, data, event, failed, head, json, stream};

/// What a call without retries ends in.
fn error_of(attempt: Attempt) -> Error {
    Call::create().with(|config| config.retry.max_retries = 0).run(&[attempt]).error().clone()
}

fn one_of_each() -> Vec<(Error, Vec<&'static str>)> {
    let begun = |then: In| error_of(vec![(0, stream()), (0, data(chunk("He"))), (0, then)]);
    let json_type = [("content-type", "application/json")];
    let answer = |status, headers: &[(&'static str, &str)], body: &str| {
        error_of(vec![(0, head(status, headers)), (0, data(body)), (0, In::Eof)])
    };
    let small = |attempt: Attempt| {
        let limited = Call::create().with(|config| {
            (config.limits.event, config.limits.json_body, config.limits.answer) = (50, 7, 9);
        });
        limited.run(&[attempt]).error().clone()
    };
    vec![
        (Error::invalid_request("base_url", "has no host"), vec!["base_url", "has no host"]),
        (Endpoint::new("ftp://h").unwrap_err(), vec!["base_url", "https://"]),
        (Error::cancelled(), vec!["cancelled"]),
        (error_of(vec![(0, In::Fail(TransportError::Connect))]), vec!["connect"]),
        (error_of(vec![(0, In::Fail(TransportError::ConnectTimeout))]), vec!["connection", "10s"]),
        (error_of(vec![(0, In::Fail(TransportError::MaybeSent))]), vec!["connection failed", "before"]),
        (error_of(vec![(0, In::Fail(TransportError::Permanent))]), vec!["could not connect"]),
        (error_of(vec![(0, In::Fail(TransportError::BadHead))]), vec!["head", "rejected"]),
        (error_of(vec![]), vec!["no answer", "120s"]),
        (error_of(vec![(0, stream())]), vec!["silent", "60s"]),
        (answer(401, &[], "bad key"), vec!["401", "Unauthorized", "bad key"]),
        (answer(599, &[], ""), vec!["599"]),
        (answer(500, &[], "a\nb\r\nc\0\u{85}d\u{1b}[31m"), vec!["500", "a b", "d"]),
        (answer(500, &[], &"long ".repeat(1000)), vec!["500", "long", "…"]),
        (
            answer(
                422,
                &json_type,
                r#"{"detail":[{"loc":["body",0],"msg":"bad","type":"t"},{"loc":["x"],"msg":"too","type":"t"}]}"#,
            ),
            vec!["invalid", "body.0: bad", "x: too"],
        ),
        (
            answer(422, &json_type, r#"{"detail":[{"loc":["a\nb"],"msg":"c\r\nd\u0000\u001b[2J","type":"t"}]}"#),
            vec!["invalid", "a b", "c  d"],
        ),
        (
            answer(422, &json_type, &format!(r#"{{"detail":[{{"loc":[],"msg":"{}","type":""}}]}}"#, "x".repeat(9000))),
            vec!["invalid", "xxx", "…"],
        ),
        (answer(302, &[("location", "/x")], "moved\n"), vec!["302", "Found", "moved"]),
        (answer(200, &[("content-type", "text/html")], "<p>"), vec!["text/html", "<p>"]),
        (answer(200, &[], ""), vec!["content type none"]),
        (
            answer(200, &[("content-type", &format!("a/\tb{}", "c".repeat(5000)))], ""),
            vec!["content type a/ bccc", "…"],
        ),
        (answer(200, &[("content-encoding", "gzip")], ""), vec!["gzip"]),
        (answer(200, &[("transfer-encoding", "gzip, chunked")], ""), vec!["transfer coding", "gzip, chunked"]),
        (begun(data(event("message_chunk", "{}"))), vec!["message_chunk", "content_chunk"]),
        (begun(data(event("records_cited", "nope"))), vec!["records_cited", "line 1"]),
        (
            error_of(vec![
                (0, json()),
                (0, data(r#"{"chat_session_id":"s","message":{"role":"a\nb\u001b[2J","content":""}}"#)),
                (0, In::Eof),
            ]),
            vec!["ChatResult", "assistant"],
        ),
        (begun(data(event("error", "first\ndata: second"))), vec!["error", "first second"]),
        (begun(data(event("error", "{\"code\":1}"))), vec!["{\"code\":1}"]),
        (begun(In::Fail(TransportError::Body)), vec!["broke off", "connection failed"]),
        (error_of(vec![(0, stream()), (0, data("data: x")), (0, In::Eof)]), vec!["broke off", "inside an event"]),
        (
            error_of(vec![
                (0, head(200, &[("content-type", "text/event-stream"), ("content-length", "9")])),
                (0, In::Eof),
            ]),
            vec!["broke off", "content length"],
        ),
        (small(vec![(0, stream()), (0, data(event("x", &"y".repeat(50))))]), vec!["event", "50 bytes"]),
        (small(vec![(0, json()), (0, data("12345678"))]), vec!["JSON", "7 bytes"]),
        (
            small(vec![(0, stream()), (0, data(event("message_chunk", r#"{"content_chunk":"1234567890"}"#)))]),
            vec!["answer", "9 bytes"],
        ),
        (begun(In::Cancel), vec!["cancelled"]),
    ]
}

#[test]
fn every_error_is_one_short_line_with_the_facts() {
    for (error, facts) in one_of_each() {
        let line = error.to_string();
        for fact in facts {
            assert!(line.contains(fact), "{fact:?} is not in {line:?}");
        }
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.is_empty() && line.trim() == line && line.len() < 1000, "{line:?}");
        assert!(!line.ends_with('.'), "{line:?}");
    }
}

#[test]
fn every_error_says_in_a_line_what_to_do() {
    for (error, _) in one_of_each() {
        let advice = error.advice();
        assert!(advice.ends_with('.') && advice.trim() == advice && !advice.contains('\n'), "{advice:?}");
    }
}

#[test]
fn advice_is_to_the_point() {
    let of = |status| error_of(vec![(0, head(status, &[])), (0, In::Eof)]).advice();
    for (status, word) in [
        (400, "Correct"),
        (401, "key"),
        (403, "key"),
        (404, "session id"),
        (413, "less"),
        (418, "Correct"),
        (429, "Wait"),
        (500, "later"),
    ] {
        assert!(of(status).contains(word), "{status}: {}", of(status));
    }
    let total = |timeouts: &mut chat_proto::Timeouts| timeouts.total = Some(Duration::from_secs(1));
    let late = Call::create().with(|config| total(&mut config.timeouts)).run(&[vec![]]);
    assert!(late.error().advice().contains("the whole call"), "{}", late.error().advice());
}

#[test]
fn nobody_is_told_to_try_again_what_the_server_may_have_read() {
    let advice = |attempt: Attempt| Call::continue_session().run(&vec![attempt; 3]).error().advice();
    for (attempt, may_have_been_read) in [
        (vec![], true),
        (vec![(0, In::Fail(TransportError::MaybeSent))], true),
        (failed(502, &[]), true),
        (vec![(0, In::Fail(TransportError::Unsent))], false),
        (vec![(0, In::Fail(TransportError::ConnectTimeout))], false),
        (failed(503, &[]), false),
    ] {
        let advice = advice(attempt.clone());
        assert_eq!(advice.contains("may have read"), may_have_been_read, "{attempt:?}: {advice}");
        assert_eq!(advice.starts_with("Try again"), !may_have_been_read, "{attempt:?}: {advice}");
    }
}

#[test]
fn clocks_have_the_names_of_their_settings() {
    let names = [TimeoutKind::Connect, TimeoutKind::Head, TimeoutKind::Idle, TimeoutKind::Content, TimeoutKind::Total]
        .map(|clock| clock.to_string());
    assert_eq!(names, ["connect", "head", "idle", "content", "total"]);
}

#[test]
fn it_says_how_often_it_was_tried_and_why_not_again() {
    let tried = |config: fn(&mut chat_proto::Config), attempts: &[Attempt]| {
        Call::create().with(config).run(attempts).error().to_string()
    };
    let refused = vec![(0, In::Fail(TransportError::Connect))];
    assert!(tried(|_| {}, &vec![refused.clone(); 3]).ends_with("(after 3 attempts)"));
    assert_eq!(tried(|config| config.retry.max_retries = 0, &[refused]), "could not connect");
    let late = [failed(429, &[("retry-after", "100")])];
    assert!(tried(|_| {}, &late).contains("not tried again") && tried(|_| {}, &late).contains("100s"));
    let total: fn(&mut chat_proto::Config) = |config| config.timeouts.total = Some(Duration::from_secs(5));
    assert!(tried(total, &[failed(429, &[("retry-after", "9")])]).contains("not tried again"));
    let lost = [vec![(0, In::Fail(TransportError::MaybeSent))]];
    assert!(tried(|_| {}, &lost).contains("may have read"));
}

#[test]
fn a_later_failure_does_not_hide_an_earlier_one_of_another_kind() {
    let limited = vec![(0, head(429, &[])), (0, data("slow\ndown")), (0, In::Eof)];
    let refused = vec![(0, In::Fail(TransportError::Connect))];
    let hidden = Call::create().run(&[limited.clone(), refused.clone(), refused]).error().clone();
    let line =
        "could not connect (after 3 attempts; an attempt before: the API answered 429 Too Many Requests: slow down)";
    assert_eq!(hidden.to_string(), line);
    assert!(hidden.source().is_none(), "what its own attempt failed of is the driver's to say");
    let busy = vec![(0, head(503, &[])), (0, In::Eof)];
    let two = Call::create().run(&[limited.clone(), busy.clone(), busy]).error().to_string();
    assert!(two.ends_with("an attempt before: the API answered 429 Too Many Requests: slow down)"), "{two}");
    let alike = Call::create().run(&vec![limited; 3]).error().to_string();
    assert_eq!(alike, "the API answered 429 Too Many Requests: slow down (after 3 attempts)");
}

#[test]
fn its_debug_form_is_short_and_keeps_cookies_to_itself() {
    let long = "text ".repeat(5000);
    let headers = [("content-type", "text/event-stream"), ("set-cookie", "session=s3cret"), ("x-request-id", "r-1")];
    let error = error_of(vec![(0, head(200, &headers)), (0, data(chunk(&long))), (0, In::Fail(TransportError::Body))]);
    let page = error_of(vec![(0, head(502, &headers)), (0, data(&long)), (0, In::Eof)]);
    for (error, facts) in [(error, ["truncated", "r-1", "25000"]), (page, ["api", "r-1", "502"])] {
        let text = format!("{error:?} {:?}", error.head());
        assert!(text.len() < 2000 && !text.contains("s3cret"), "{text}");
        assert!(facts.iter().all(|fact| text.contains(fact)), "{text}");
    }
}

#[test]
fn a_clone_shares_what_it_holds_and_can_be_told_apart_later() {
    let error = error_of(vec![(0, stream()), (0, data(chunk("He"))), (0, In::Fail(TransportError::Body))]);
    let clone = error.clone();
    assert!(std::ptr::eq(error.partial().unwrap(), clone.partial().unwrap()));
    let caused = clone.with_source("the cable was pulled");
    assert!(error.source().is_none() && caused.source().is_some());
    assert_eq!(caused.into_partial(), error.into_partial());
}

#[test]
fn the_blame_of_a_status_is_the_callers_or_the_servers() {
    for (status, blame) in [
        (400, Blame::Caller),
        (401, Blame::Caller),
        (404, Blame::Caller),
        (408, Blame::Server),
        (413, Blame::Caller),
        (429, Blame::Server),
        (500, Blame::Server),
        (503, Blame::Server),
    ] {
        let error = error_of(failed(status, &[]));
        assert_eq!(error.blame(), blame, "{status}");
        assert_eq!(error.is_rate_limited(), status == 429);
        assert!(!error.is_timeout());
    }
}

#[test]
fn what_the_server_sent_instead_is_kept_and_so_is_its_name_for_the_request() {
    for name in ["x-request-id", "request-id", "cf-ray"] {
        let attempt = vec![(0, head(500, &[(name, "r-1")])), (0, data("why\nnot")), (0, In::Eof)];
        let error = error_of(attempt);
        assert_eq!((error.request_id(), error.body()), (Some("r-1"), Some("why\nnot")));
    }
    let ended = vec![(0, stream()), (0, data(event("error", "{\"x\":1}")))];
    assert_eq!(error_of(ended).body(), Some("{\"x\":1}"));
    assert_eq!(error_of(vec![(0, In::Eof)]).body(), None);
}

#[test]
fn the_key_never_prints() {
    let key = ApiKey::new("s3cret").unwrap();
    let mut request = Call::create().request.http().clone();
    key.authorize(&mut request);
    let mut exchange = Call::create().exchange();
    let Output::Send(mut sent) = exchange.poll_output() else { panic!() };
    key.authorize(&mut sent);
    let printed = [
        format!("{key:?} {key:#?} {:?}", Some(key.clone())),
        format!("{request:?} {:?} {sent:?}", request.headers()),
        format!("{:?}", request.into_parts().0),
        format!("{:?}", Output::Send(sent)),
        format!("{exchange:?}"),
        format!("{:?}", Call::create().request),
        format!("{:?}", ApiKey::new("s3cret s3cret").unwrap_err()),
    ];
    for text in printed {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_source_can_be_added_and_is_found() {
    let error = Error::cancelled().with_source("the cable was pulled");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the cable was pulled"));
    // It is shared by clones, and says nothing in the error's own line.
    assert_eq!(error.clone().source().map(ToString::to_string).as_deref(), Some("the cable was pulled"));
    assert_eq!(error.to_string(), "cancelled");
}

#[test]
fn what_is_kept_and_sent_between_threads_can_be() {
    fn is<T: Send + Sync + Unpin + 'static>() {}
    is::<Error>();
    is::<Exchange>();
    is::<Output>();
    is::<Request>();
    is::<Endpoint>();
    is::<ApiKey>();
    is::<chat_proto::Answer>();
    is::<chat_proto::Receiver>();
    fn is_error<T: std::error::Error + Clone>() {}
    is_error::<Error>();
}

#[test]
fn a_refused_key_is_named_by_its_origin_alone() {
    let api =
        |status| error_of(vec![(0, head(status, &[])), (0, data("no")), (0, In::Eof)]).with_key_origin("the vault");
    assert_eq!(api(401).to_string(), "the API answered 401 Unauthorized: no (the key came from the vault)");
    assert_eq!(api(404).to_string(), "the API answered 404 Not Found: no");
}

#[test]
fn a_phase_tells_how_far_it_came_and_retryable_what_may_help() {
    let api = |status| error_of(vec![(0, head(status, &[])), (0, In::Eof)]);
    let begun = error_of(vec![(0, stream()), (0, In::Fail(TransportError::Body))]);
    for (error, phase, is_retryable) in [
        (Error::invalid_request("base_url", "has no host"), Phase::Request, false),
        (error_of(vec![(0, In::Fail(TransportError::Connect))]), Phase::Connect, true),
        (error_of(vec![(0, In::Fail(TransportError::ConnectTimeout))]), Phase::Connect, true),
        (error_of(vec![(0, In::Fail(TransportError::Permanent))]), Phase::Connect, false),
        (error_of(vec![(0, In::Fail(TransportError::MaybeSent))]), Phase::Head, false),
        (error_of(vec![]), Phase::Head, false),
        (api(429), Phase::Body, true),
        (api(404), Phase::Body, false),
        (begun, Phase::Body, false),
    ] {
        assert_eq!((error.phase(), error.is_retryable()), (phase, is_retryable), "{error}");
    }
}

#[test]
fn the_alternate_form_has_the_sources() {
    let refused = std::io::Error::other("the name is not known");
    let error = error_of(vec![(0, In::Fail(TransportError::Connect))]).with_fault(refused);
    assert_eq!(format!("{error}"), "could not connect");
    assert_eq!(format!("{error:#}"), "could not connect: the name is not known");
    let api = error_of(vec![(0, head(500, &[])), (0, In::Eof)]);
    assert_eq!(format!("{api:#}"), api.to_string());
    // An error of I/O is as its source says, and is not said twice.
    let twice = std::io::Error::other(error.clone());
    assert_eq!(
        format!("{:#}", Error::cancelled().with_source(twice)),
        "cancelled: could not connect: the name is not known"
    );
}
