//! Errors: messages, advice, sources and redaction.

mod support;

use std::error::Error as _;
use std::time::Duration;

use chat_proto::{
    ApiKey, Elapsed, Endpoint, Error, Exchange, Fault, Output, Phase, Request, TimeoutKind, TransportError,
};
use support::{Attempt, Call, In, chunk, data, event, failed, head, json, stream};

/// Returns the error of a call without retries.
fn error_of(attempt: Attempt) -> Error {
    Call::create().with(|config| config.retry.max_retries = 0).run(&[attempt]).error().clone()
}

fn one_of_each() -> Vec<(Error, Vec<&'static str>)> {
    let stream_error = |then: In| error_of(vec![(0, stream()), (0, data(chunk("He"))), (0, then)]);
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
        (error_of(vec![(0, In::Fail(TransportError::ConnectTimeout))]), vec!["timed out connecting (10s)"]),
        (error_of(vec![(0, In::Fail(TransportError::MaybeSent))]), vec!["connection failed", "before"]),
        (error_of(vec![(0, In::Fail(TransportError::Permanent))]), vec!["could not connect"]),
        (error_of(vec![]), vec!["timed out", "head (120s)"]),
        (error_of(vec![(0, stream())]), vec!["sent no bytes for 60s"]),
        (error_of(vec![(0, In::Fail(TransportError::BadHead))]), vec!["head", "rejected"]),
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
        (answer(302, &[("location", "/x")], "moved\n"), vec!["302", "Found", "redirect to /x", "moved"]),
        (answer(308, &[("location", "https://h.example/")], ""), vec!["308", "redirect to https://h.example/"]),
        (answer(304, &[("location", "/x")], ""), vec!["304 Not Modified"]),
        (answer(500, &[], "\u{fffd}\u{8}\0\u{fffd}\u{fffd}a\u{fffd}\u{fffd}b\u{1f}c"), vec!["500", "(binary data)"]),
        (answer(500, &[], "caf\u{fffd} and so on\r\n\t"), vec!["500", "caf\u{fffd} and so on"]),
        (answer(500, &[], "a\u{202e}b\u{2066}c\u{2028}d"), vec!["500", "abc d"]),
        (
            error_of(vec![(0, stream()), (0, data("Internal error\n")), (0, In::Eof)]),
            vec!["without events", "Internal"],
        ),
        (
            error_of(vec![(0, stream()), (0, data("event: error\ndata: busy\n")), (0, In::Eof)]),
            vec!["was cut inside an event", "error: busy"],
        ),
        (answer(200, &[("content-type", "text/html")], "<p>"), vec!["text/html", "<p>"]),
        (answer(200, &[], ""), vec!["content type none"]),
        (
            answer(200, &[("content-type", &format!("a/\tb{}", "c".repeat(5000)))], ""),
            vec!["content type a/ bccc", "…"],
        ),
        (answer(200, &[("content-encoding", "gzip")], ""), vec!["gzip"]),
        (answer(200, &[("transfer-encoding", "gzip, chunked")], ""), vec!["transfer coding", "gzip, chunked"]),
        (stream_error(data(event("message_chunk", "{}"))), vec!["message_chunk", "content_chunk"]),
        (stream_error(data(event("records_cited", "nope"))), vec!["records_cited", "line 1"]),
        (
            error_of(vec![
                (0, json()),
                (0, data(r#"{"chat_session_id":"s","message":{"role":"a\nb\u001b[2J","content":""}}"#)),
                (0, In::Eof),
            ]),
            vec!["ChatResult", "assistant"],
        ),
        (
            error_of(vec![(0, json()), (0, data(r#"{"error":{"message":"quota exceeded"}}"#)), (0, In::Eof)]),
            vec!["ChatResult", "chat_session_id", "quota exceeded"],
        ),
        (stream_error(data(event("error", "first\ndata: second"))), vec!["error", "first second"]),
        (stream_error(data(event("error", "{\"code\":1}"))), vec!["{\"code\":1}"]),
        (stream_error(In::Fail(TransportError::Body)), vec!["was cut", "connection failed"]),
        (error_of(vec![(0, stream()), (0, data("data: x")), (0, In::Eof)]), vec!["was cut", "inside an event"]),
        (
            error_of(vec![
                (0, head(200, &[("content-type", "text/event-stream"), ("content-length", "9")])),
                (0, In::Eof),
            ]),
            vec!["was cut", "content length"],
        ),
        (small(vec![(0, stream()), (0, data(event("x", &"y".repeat(50))))]), vec!["event", "50 bytes"]),
        (small(vec![(0, json()), (0, data("12345678"))]), vec!["JSON", "7 bytes"]),
        (
            small(vec![(0, stream()), (0, data(event("message_chunk", r#"{"content_chunk":"1234567890"}"#)))]),
            vec!["answer", "9 bytes"],
        ),
        (stream_error(In::Cancel), vec!["cancelled"]),
    ]
}

#[test]
fn every_message_is_a_short_line_with_the_facts() {
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
fn every_advice_is_one_line() {
    for (error, _) in one_of_each() {
        let advice = error.advice();
        assert!(advice.ends_with('.') && advice.trim() == advice && !advice.contains('\n'), "{advice:?}");
    }
}

#[test]
fn advice_depends_on_the_error() {
    let of = |status| error_of(vec![(0, head(status, &[])), (0, In::Eof)]).advice();
    for (status, word) in [
        (400, "Correct"),
        (401, "key"),
        (403, "key"),
        (404, "session id"),
        (413, "smaller"),
        (418, "Correct"),
        (429, "Wait"),
        (402, "balance"),
        (405, "base URL"),
        (407, "proxy"),
        (408, "Try again."),
        (409, "conflict that the server names"),
        (410, "session id"),
        (411, "Correct"),
        (414, "smaller"),
        (425, "Try again."),
        (431, "smaller"),
        (500, "later"),
        (501, "base URL"),
        (503, "later"),
        (511, "network"),
        (529, "later"),
        (302, "base URL"),
    ] {
        assert!(of(status).contains(word), "{status}: {}", of(status));
    }
    let should = |status, value| error_of(failed(status, &[("x-should-retry", value)])).advice();
    assert!(should(400, "true").contains("Try again later"), "{}", should(400, "true"));
    assert!(should(500, "false").contains("will not help"), "{}", should(500, "false"));
    assert!(should(401, "false").contains("key"), "{}", should(401, "false"));
    // The advice for a retryable error does not say that a retry will not help.
    for status in (400..600).filter_map(|status| http::StatusCode::from_u16(status).ok()) {
        for headers in [&[][..], &[("x-should-retry", "true")], &[("x-should-retry", "false")]] {
            let error = error_of(failed(status.as_u16(), headers));
            let advice = error.advice();
            let tells_to_try = ["Try again", "Wait before you try"].iter().any(|start| advice.starts_with(start));
            if error.is_retryable() {
                assert!(tells_to_try, "{status} {headers:?}: {advice}");
            }
            assert!(!(error.is_retryable() && advice.contains("will not help")), "{status} {headers:?}: {advice}");
            let refused = headers == [("x-should-retry", "false")] && status.is_server_error();
            assert!(!(refused && tells_to_try), "{status}: {advice}");
        }
    }
    let total = |timeouts: &mut chat_proto::Timeouts| timeouts.total = Some(Duration::from_secs(1));
    let late = Call::create().with(|config| total(&mut config.timeouts)).run(&[vec![]]);
    assert!(late.error().advice().contains("the whole call"), "{}", late.error().advice());
}

#[test]
fn advice_does_not_suggest_a_retry_if_the_server_may_have_read_the_request() {
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
fn timeouts_have_the_names_of_their_settings() {
    let names = [TimeoutKind::Connect, TimeoutKind::Head, TimeoutKind::Idle, TimeoutKind::Content, TimeoutKind::Total]
        .map(|clock| clock.to_string());
    assert_eq!(names, ["connect", "head", "idle", "content", "total"]);
}

#[test]
fn the_message_contains_the_attempts_and_the_reason_for_giving_up() {
    let tried = |config: fn(&mut chat_proto::Config), attempts: &[Attempt]| {
        Call::create().with(config).run(attempts).error().to_string()
    };
    let refused = vec![(0, In::Fail(TransportError::Connect))];
    assert!(tried(|_| {}, &vec![refused.clone(); 3]).ends_with("(after 3 attempts)"));
    assert_eq!(tried(|config| config.retry.max_retries = 0, &[refused]), "could not connect");
    let late = [failed(429, &[("retry-after", "100")])];
    assert!(tried(|_| {}, &late).contains("not retried") && tried(|_| {}, &late).contains("100s"));
    for seconds in ["86401", "99999999999999999999999", "18446744073709551615.5"] {
        let never = tried(|_| {}, &[failed(429, &[("retry-after", seconds)])]);
        assert!(never.contains("the wait would be more than a day)"), "{never}");
    }
    let total: fn(&mut chat_proto::Config) = |config| config.timeouts.total = Some(Duration::from_secs(5));
    assert!(tried(total, &[failed(429, &[("retry-after", "9")])]).contains("not retried"));
    let lost = [vec![(0, In::Fail(TransportError::MaybeSent))]];
    assert!(tried(|_| {}, &lost).contains("may have read"));
}

#[test]
fn the_message_contains_an_earlier_error_of_another_kind() {
    let limited = vec![(0, head(429, &[])), (0, data("slow\ndown")), (0, In::Eof)];
    let refused = vec![(0, In::Fail(TransportError::Connect))];
    let hidden = Call::create().run(&[limited.clone(), refused.clone(), refused]).error().clone();
    let line = "could not connect (after 3 attempts; an earlier attempt: the API responded with 429 Too Many Requests: slow down)";
    assert_eq!(hidden.to_string(), line);
    assert!(hidden.source().is_none(), "the driver sets the source of the last attempt");
    let busy = vec![(0, head(503, &[])), (0, In::Eof)];
    let two = Call::create().run(&[limited.clone(), busy.clone(), busy]).error().to_string();
    assert!(two.ends_with("an earlier attempt: the API responded with 429 Too Many Requests: slow down)"), "{two}");
    let alike = Call::create().run(&vec![limited; 3]).error().to_string();
    assert_eq!(alike, "the API responded with 429 Too Many Requests: slow down (after 3 attempts)");
}

#[test]
fn the_debug_output_is_short_and_hides_cookies() {
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
fn a_clone_shares_its_content_and_can_get_its_own_source() {
    let error = error_of(vec![(0, stream()), (0, data(chunk("He"))), (0, In::Fail(TransportError::Body))]);
    let clone = error.clone();
    assert!(std::ptr::eq(error.partial().unwrap(), clone.partial().unwrap()));
    let caused = clone.with_source("the cable was pulled");
    assert!(error.source().is_none() && caused.source().is_some());
    assert_eq!(caused.into_partial(), error.into_partial());
}

#[test]
fn each_status_has_its_fault() {
    for (status, fault) in [
        (400, Fault::Caller),
        (401, Fault::Caller),
        (404, Fault::Caller),
        (408, Fault::Server),
        (413, Fault::Caller),
        (425, Fault::Server),
        (429, Fault::Server),
        (500, Fault::Server),
        (503, Fault::Server),
    ] {
        let error = error_of(failed(status, &[]));
        assert_eq!(error.fault(), fault, "{status}");
        assert_eq!(error.is_rate_limited(), status == 429);
        assert!(!error.is_timeout());
    }
}

#[test]
fn the_body_and_the_request_id_of_the_server_are_kept() {
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
    let Output::Send(_, mut sent) = exchange.poll_output(Elapsed::START) else { panic!() };
    key.authorize(&mut sent);
    let printed = [
        format!("{key:?} {key:#?} {:?}", Some(key.clone())),
        format!("{request:?} {:?} {sent:?}", request.headers()),
        format!("{:?}", request.into_parts().0),
        format!("{:?}", Output::Send(support::newest(&exchange), sent)),
        format!("{exchange:?}"),
        format!("{:?}", Call::create().request),
        format!("{:?}", ApiKey::new("s3cret s3cret").unwrap_err()),
    ];
    for text in printed {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_source_can_be_added() {
    let error = Error::cancelled().with_source("the cable was pulled");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the cable was pulled"));
    // Clones share the source, and the message does not contain it.
    assert_eq!(error.clone().source().map(ToString::to_string).as_deref(), Some("the cable was pulled"));
    assert_eq!(error.to_string(), "the call was cancelled");
}

#[test]
fn public_types_are_send_sync_and_unpin() {
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
fn an_error_for_a_rejected_key_names_the_origin_of_the_key() {
    let api =
        |status| error_of(vec![(0, head(status, &[])), (0, data("no")), (0, In::Eof)]).with_key_origin("the vault");
    assert_eq!(api(401).to_string(), "the API responded with 401 Unauthorized: no (the key came from the vault)");
    assert_eq!(api(404).to_string(), "the API responded with 404 Not Found: no");
}

#[test]
fn errors_have_a_phase_and_may_be_retryable() {
    let api = |status| error_of(vec![(0, head(status, &[])), (0, In::Eof)]);
    let cut = error_of(vec![(0, stream()), (0, In::Fail(TransportError::Body))]);
    for (error, phase, is_retryable) in [
        (Error::invalid_request("base_url", "has no host"), Phase::Request, false),
        (error_of(vec![(0, In::Fail(TransportError::Connect))]), Phase::Connect, true),
        (error_of(vec![(0, In::Fail(TransportError::ConnectTimeout))]), Phase::Connect, true),
        (error_of(vec![(0, In::Fail(TransportError::Permanent))]), Phase::Connect, false),
        (error_of(vec![(0, In::Fail(TransportError::MaybeSent))]), Phase::Head, false),
        (error_of(vec![]), Phase::Head, false),
        (api(429), Phase::Body, true),
        (api(404), Phase::Body, false),
        (cut, Phase::Body, false),
    ] {
        assert_eq!((error.phase(), error.is_retryable()), (phase, is_retryable), "{error}");
    }
}

#[test]
fn the_alternate_format_contains_the_sources() {
    let refused = std::io::Error::other("the name is not known");
    let error = error_of(vec![(0, In::Fail(TransportError::Connect))]).with_io_source(refused);
    assert_eq!(format!("{error}"), "could not connect");
    assert_eq!(format!("{error:#}"), "could not connect: the name is not known");
    let api = error_of(vec![(0, head(500, &[])), (0, In::Eof)]);
    assert_eq!(format!("{api:#}"), api.to_string());
    // The message of an I/O error is that of its source, and is not repeated.
    let twice = std::io::Error::other(error.clone());
    assert_eq!(
        format!("{:#}", Error::cancelled().with_source(twice)),
        "the call was cancelled: could not connect: the name is not known"
    );
}

const KEY: &str = "sk-Q7vWx-0123456789";

/// Formats an error in every form.
fn all_text(error: &Error) -> String {
    let headers: Vec<_> = error.head().iter().flat_map(|head| head.headers.values().cloned()).collect();
    let parts = (error.kind(), error.head(), error.body(), error.request_id(), error.earlier());
    let partial = error.partial().map(|partial| (&partial.session_id, &partial.finish_reason, &partial.head));
    let bytes = headers.iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<String>();
    format!("{error} {error:#} {error:?} {error:#?} {parts:?} {partial:?} {bytes}")
}

#[test]
fn a_redacted_error_does_not_contain_the_key() {
    let key = ApiKey::new(KEY).unwrap();
    let escaped: String = KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    for written in [KEY, &escaped] {
        let answer = |status, headers: &[(&'static str, &str)], body: &str| {
            error_of(vec![(0, head(status, headers)), (0, data(body)), (0, In::Eof)])
        };
        let json_type = ("content-type", "application/json");
        let padded: Vec<String> = [0, 262, 283, 290, 299, 1000, 1010, 1020].map(|at| "x".repeat(at) + written).into();
        let mut errors = Vec::new();
        for body in &padded {
            errors.extend([
                answer(401, &[], body),
                answer(500, &[("x-echo", KEY), ("x-request-id", KEY), ("set-cookie", KEY)], body),
                answer(302, &[("location", &format!("/?key={KEY}"))], body),
                answer(200, &[("content-type", "text/html")], body),
                answer(200, &[("content-type", KEY)], body),
                answer(200, &[("content-encoding", KEY)], body),
                answer(200, &[json_type], body),
                answer(200, &[json_type], &format!(r#"{{"chat_session_id":"s","message":{{"role":"{body}"}}}}"#)),
                answer(
                    422,
                    &[json_type],
                    &format!(r#"{{"detail":[{{"loc":["{body}"],"msg":"{body}","type":"{body}"}}]}}"#),
                ),
                answer(422, &[json_type], &format!(r#"{{"detail":"{body}"}}"#)),
                error_of(vec![(0, stream()), (0, data(format!("{body}\n"))), (0, In::Eof)]),
                error_of(vec![(0, stream()), (0, data(format!("event: error\ndata: {body}\n\n")))]),
                error_of(vec![(0, stream()), (0, data(format!("event: error\ndata: {body}\n"))), (0, In::Eof)]),
                error_of(vec![
                    (0, stream()),
                    (0, data(event("message_chunk", &format!(r#"{{"content_chunk":{{"{body}":1}}}}"#)))),
                ]),
                error_of(vec![
                    (0, stream()),
                    (0, data(event("message_chunk", &format!(r#"{{"content_chunk":1,"{body}":1}}"#)))),
                ]),
            ]);
        }
        let chunk =
            format!(r#"{{"content_chunk":"{written}","chat_session_id":"{written}","finish_reason":"{written}"}}"#);
        let broken =
            vec![(0, stream()), (0, data(event("message_chunk", &chunk))), (0, In::Fail(TransportError::Body))];
        errors.push(error_of(broken).with_io_source(format!("lost {KEY}")));
        let refused = vec![(0, head(429, &[])), (0, data(written)), (0, In::Eof)];
        let connect = vec![(0, In::Fail(TransportError::Connect))];
        errors.push(Call::create().run(&[refused.clone(), refused, connect]).error().clone());
        for error in errors {
            let (shared, before) = (error.clone(), all_text(&error));
            let text = all_text(&error.redact(&key));
            assert!(!text.contains(&KEY[..8]) && !text.contains(&escaped[..48]), "{text}");
            assert_eq!(all_text(&shared), before, "a clone keeps what it has");
        }
    }
}

#[test]
fn a_key_at_the_end_of_a_truncated_body_is_redacted() {
    let key = ApiKey::new(KEY).unwrap();
    for at in 0..30 {
        let body = "x".repeat(1024 - at) + KEY + " and more";
        let page = error_of(vec![(0, head(200, &[])), (0, data(&body)), (0, In::Eof)]).redact(&key);
        assert!(page.body().is_some_and(|body| !body.contains(&KEY[..4])), "{:?}", page.body());
    }
}

#[test]
fn redaction_does_not_change_answers_or_short_keys() {
    let broken = || {
        let body = chunk(&format!("Your key is {KEY}."));
        error_of(vec![(0, stream()), (0, data(body)), (0, In::Fail(TransportError::Body))])
    };
    let key = ApiKey::new(KEY).unwrap();
    assert_eq!(broken().redact(&key).into_partial().map(|partial| partial.text), Some(format!("Your key is {KEY}.")));
    let word = ApiKey::new("message").unwrap();
    let error = error_of(vec![(0, head(400, &[])), (0, data("bad message")), (0, In::Eof)]);
    assert!(error.redact(&word).to_string().ends_with("bad message"));
}

#[test]
fn a_source_is_redacted_only_if_it_contains_the_key() {
    let key = ApiKey::new(KEY).unwrap();
    let plain = std::io::Error::other("no route");
    let error = Error::cancelled().with_source(plain).redact(&key);
    assert!(error.source().unwrap().is::<std::io::Error>());
    let inner = Error::cancelled().with_source(format!("proxy: {KEY}"));
    let error = Error::cancelled().with_source(std::io::Error::other(inner)).redact(&key);
    assert_eq!(format!("{error:#}"), "the call was cancelled: proxy: ***");
}

#[test]
fn bodies_are_shown_as_text_or_as_binary_data() {
    let message_of = |status, headers: &[(&'static str, &str)], body: &[u8]| {
        let attempt = vec![(0, head(status, headers)), (0, data(body)), (0, In::Eof)];
        error_of(attempt).to_string()
    };
    let moved = message_of(302, &[("location", "https://other.example/\u{e9}")], b"");
    assert!(moved.contains("a redirect to https://other.example/\u{e9}"), "{moved}");
    let packed = b"PK\x03\x04hello.txt and some words of the archive \x00\x01";
    let zip = message_of(502, &[("content-type", "application/octet-stream")], packed);
    assert!(zip.ends_with(": (binary data)"), "{zip}");
    let words = message_of(502, &[("content-type", "application/octet-stream")], b"no upstream");
    assert!(words.ends_with(": no upstream"), "{words}");
    let json = [("content-type", "application/json")];
    let detail = br#"{"detail":[{"loc":["a\ud800"],"msg":"m\ud800","type":"t\ud800"}]}"#;
    let invalid = message_of(422, &json, detail);
    assert!(invalid.contains("m\u{fffd}"), "{invalid}");
}

#[test]
fn the_advice_follows_x_should_retry() {
    let advice =
        |status, again: &str| error_of(vec![(0, head(status, &[("x-should-retry", again)])), (0, In::Eof)]).advice();
    for status in [408, 425, 429] {
        assert_eq!(advice(status, "false"), "Do not retry: the server says that it will not help.", "{status}");
    }
    assert_eq!(advice(422, "true"), "Try again later. The server says that a retry may succeed.");
}
