//! Faults: the error of each, and the partial answer.

use super::*;

/// Runs a call with one attempt.
#[track_caller]
fn run_once(call: &Call, attempt: Attempt) -> support::Transcript {
    call.clone().with(|config| config.retry.max_retries = 0).run(&[attempt])
}

#[test]
fn every_fault_has_its_error_kind_and_responsible_party() {
    use TransportError::{BadHead, Body, Connect, ConnectTimeout, MaybeSent, Unsent};
    let cut = |cut| ErrorKind::Truncated(cut);
    let timeout =
        |kind, secs| ErrorKind::Timeout { kind, after: Duration::from_secs(secs), received: Received::Nothing };
    let odd = |reason, body: &str| ErrorKind::UnexpectedResponse { reason, body: body.into() };
    let api = |body: &str| ErrorKind::Api { body: body.into() };
    let with_length = |length| head(200, &[("content-type", "text/event-stream"), ("content-length", length)]);
    let table: Vec<(Attempt, ErrorKind, Fault)> = vec![
        (vec![(0, In::Fail(Connect))], ErrorKind::Connect, Fault::Network),
        (vec![(0, In::Fail(ConnectTimeout))], timeout(TimeoutKind::Connect, 10), Fault::Network),
        (vec![(0, In::Fail(Unsent))], ErrorKind::Transport, Fault::Network),
        (vec![(0, In::Fail(MaybeSent))], ErrorKind::Transport, Fault::Network),
        (vec![(0, In::Fail(BadHead))], ErrorKind::Transport, Fault::Network),
        (vec![(0, In::Fail(Body))], ErrorKind::Transport, Fault::Network),
        (vec![(0, In::Eof)], ErrorKind::Transport, Fault::Network),
        (vec![], timeout(TimeoutKind::Head, 120), Fault::Network),
        (vec![(0, stream())], timeout(TimeoutKind::Idle, 60), Fault::Network),
        (vec![(0, json())], timeout(TimeoutKind::Idle, 60), Fault::Network),
        (vec![(0, head(401, &[])), (0, data("no key")), (0, In::Eof)], api("no key"), Fault::Caller),
        (vec![(0, head(404, &[])), (0, In::Eof)], api(""), Fault::Caller),
        (vec![(0, head(408, &[])), (0, In::Eof)], api(""), Fault::Server),
        (vec![(0, head(429, &[])), (0, data("slow")), (0, In::Eof)], api("slow"), Fault::Server),
        (vec![(0, head(500, &[])), (0, data("\u{e9}")), (0, In::Eof)], api("\u{e9}"), Fault::Server),
        (vec![(0, head(599, &[])), (0, In::Eof)], api(""), Fault::Server),
        (vec![(0, head(503, &[])), (0, data("bu")), (0, In::Fail(Body))], api("bu"), Fault::Server),
        (vec![(0, head(403, &[])), (0, data("no"))], api("no"), Fault::Caller),
        (vec![(0, head(403, &[("content-length", "9")])), (0, data("no")), (0, In::Eof)], api("no"), Fault::Caller),
        (vec![(0, head(204, &[])), (0, In::Eof)], odd(UnexpectedResponse::Status, ""), Fault::Server),
        (
            vec![(0, head(201, &[("content-type", "application/json")])), (0, data(RESULT)), (0, In::Eof)],
            odd(UnexpectedResponse::Status, RESULT),
            Fault::Server,
        ),
        (
            vec![(0, head(302, &[("location", "/x")])), (0, data("moved")), (0, In::Eof)],
            odd(UnexpectedResponse::Status, "moved"),
            Fault::Server,
        ),
        (
            vec![(0, head(200, &[])), (0, data(RESULT)), (0, In::Eof)],
            odd(UnexpectedResponse::ContentType, RESULT),
            Fault::Server,
        ),
        (
            vec![(0, head(200, &[("content-type", "text/html")])), (0, data("<p>")), (0, In::Eof)],
            odd(UnexpectedResponse::ContentType, "<p>"),
            Fault::Server,
        ),
        (
            vec![
                (0, head(200, &[("content-type", "application/json"), ("content-encoding", "gzip")])),
                (0, data("x")),
                (0, In::Eof),
            ],
            odd(UnexpectedResponse::ContentEncoding, "x"),
            Fault::Server,
        ),
        (
            // A lost connection does not turn this into a truncated answer.
            vec![
                (0, head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "gzip, chunked")])),
                (0, data("x")),
                (0, In::Fail(Body)),
            ],
            odd(UnexpectedResponse::TransferCoding, "x"),
            Fault::Server,
        ),
        (
            streamed(&[(0, data(event("error", "{\"code\":1}")))]),
            ErrorKind::Stream { data: "{\"code\":1}".into() },
            Fault::Server,
        ),
        (
            streamed(&[(0, data("event: message_chunk\ndata: {")), (0, In::Eof)]),
            cut(Truncation::InsideEvent),
            Fault::Network,
        ),
        (streamed(&[(0, data("event: x\n")), (0, In::Eof)]), cut(Truncation::InsideEvent), Fault::Network),
        (streamed(&[(0, data("id: 1\n")), (0, In::Eof)]), cut(Truncation::InsideEvent), Fault::Network),
        (streamed(&[(0, data("retr")), (0, In::Eof)]), cut(Truncation::InsideEvent), Fault::Network),
        (
            vec![(0, with_length("99")), (0, data(last("x"))), (0, In::Eof)],
            cut(Truncation::ContentLength),
            Fault::Network,
        ),
        (
            vec![(0, head(200, &[("content-type", "application/json"), ("content-length", "99")])), (0, In::Eof)],
            cut(Truncation::ContentLength),
            Fault::Network,
        ),
        (streamed(&[(0, data(last("x"))), (0, In::Fail(Body))]), cut(Truncation::ConnectionLost), Fault::Network),
        (vec![(0, stream()), (0, In::Fail(Connect))], cut(Truncation::ConnectionLost), Fault::Network),
        (vec![(0, json()), (0, data(RESULT)), (0, In::Fail(Body))], cut(Truncation::ConnectionLost), Fault::Network),
        (streamed(&[(0, In::Cancel)]), ErrorKind::Cancelled, Fault::Caller),
    ];
    for (attempt, kind, fault) in table {
        let transcript = run_once(&Call::create(), attempt.clone());
        let error = transcript.error();
        assert_eq!(error.kind(), &kind, "{attempt:?}");
        assert_eq!((error.fault(), error.attempts()), (fault, 1), "{attempt:?}");
    }
}

#[test]
fn a_422_is_a_validation_error_only_in_the_format_of_the_api() {
    let json = [("content-type", "application/json; charset=utf-8")];
    let valid = r#"{"detail":[{"loc":["body","message",0.0],"msg":"m","type":"t"}],"more":1}"#;
    let answer = |headers: &[(&'static str, &str)], body: &str| {
        run_once(&Call::create(), vec![(0, head(422, headers)), (0, data(body)), (0, In::Eof)])
    };
    match answer(&json, valid).error().kind() {
        ErrorKind::Validation { detail, body } => {
            assert_eq!(detail.len(), 1);
            assert_eq!(detail[0].to_string(), "body.message.0: m");
            assert_eq!(body, valid);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(answer(&json, "\u{feff}{\"detail\":null}").error().kind().name(), "validation");
    for (headers, body) in [
        (&json[..], r#"{"detail":"Not found"}"#),
        (&json[..], "[]"),
        (&json[..], ""),
        (&json[..], r#"{"detail":[{"loc":["x"],"msg":"m"}]}"#),
        (&[("content-type", "application/problem+json")][..], valid),
        (&[("content-type", "text/plain")][..], valid),
        (&[][..], valid),
    ] {
        let transcript = answer(headers, body);
        assert_eq!(transcript.error().kind(), &ErrorKind::Api { body: body.into() });
        assert_eq!(transcript.error().status().map(|status| status.as_u16()), Some(422));
    }
    // Only a 422 is a validation error.
    let other = run_once(&Call::create(), vec![(0, head(400, &json)), (0, data(valid)), (0, In::Eof)]);
    assert_eq!(other.error().kind().name(), "api");
}

#[test]
fn a_content_encoding_other_than_identity_is_an_error() {
    for (encoding, odd) in
        [("identity", false), ("", false), (" Identity , identity", false), ("br", true), ("identity, gzip", true)]
    {
        let head = head(200, &[("content-type", "text/event-stream"), ("content-encoding", encoding)]);
        let transcript = run_once(&Call::create(), vec![(0, head), (0, data(last("x"))), (0, In::Eof)]);
        assert_eq!(transcript.lines.last().unwrap().contains("unexpected_response"), odd, "{encoding:?}");
    }
}

#[test]
fn a_decode_error_names_the_type_and_keeps_the_start_of_the_json() {
    for (attempt, what, body) in [
        (vec![(0, stream()), (0, data(event("message_chunk", "{}")))], "message_chunk", "{}"),
        (
            vec![(0, stream()), (0, data(event("message_chunk", "{\"content_chunk\":1}")))],
            "message_chunk",
            "{\"content_chunk\":1}",
        ),
        (
            vec![(0, stream()), (0, data(event("message_chunk", "[\"x\",null,null]")))],
            "message_chunk",
            "[\"x\",null,null]",
        ),
        (
            vec![(0, stream()), (0, data(event("message_chunk", "{\"content_chunk\":\"\"} x")))],
            "message_chunk",
            "{\"content_chunk\":\"\"} x",
        ),
        (vec![(0, stream()), (0, data(event("message_chunk", "[DONE]")))], "message_chunk", "[DONE]"),
        (vec![(0, stream()), (0, data(event("records_cited", "[]")))], "records_cited", "[]"),
        (vec![(0, json()), (0, data("{")), (0, In::Eof)], "ChatResult", "{"),
        (vec![(0, json()), (0, In::Eof)], "ChatResult", ""),
        (vec![(0, json()), (0, data("[]")), (0, In::Eof)], "ChatResult", "[]"),
    ] {
        let transcript = Call::create().run(&[attempt]);
        match transcript.error().kind() {
            ErrorKind::Decode { what: read, message, body: start } => {
                assert_eq!((*read, start.as_str()), (what, body));
                assert!(!message.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_decode_error_of_a_large_event_is_small() {
    let big = format!(r#"{{"content_chunk":0,"x":"{}"}}"#, "y".repeat(100_000));
    let big_string = format!(r#""{}""#, "y".repeat(100_000));
    for text in [big, big_string] {
        let transcript = Call::create().run(&[vec![(0, stream()), (0, data(event("message_chunk", &text)))]]);
        let ErrorKind::Decode { message, body, .. } = transcript.error().kind() else { panic!() };
        assert!(body.len() <= 4096 && message.len() <= 4096, "{} {}", body.len(), message.len());
    }
}

#[test]
fn a_comment_retry_or_unknown_line_at_the_end_is_not_a_cut() {
    for tail in [": bye", ":", "retry: 5\n", "unknown: x\n", "x\n", "data", "\u{feff}"] {
        let transcript = Call::create().run(&[streamed(&[(0, data(tail)), (0, In::Eof)])]);
        let cut = matches!(tail, "data" | "\u{feff}");
        assert_eq!(transcript.lines.last().unwrap().contains("truncated"), cut, "{tail:?}");
    }
}

#[test]
fn every_error_has_the_partial_answer() {
    let mut table = vec![
        streamed(&[(5, In::Cancel)]),
        streamed(&[(5, In::Fail(TransportError::Body))]),
        streamed(&[(5, data("data: half")), (0, In::Eof)]),
        streamed(&[(5, data(event("error", "x")))]),
        streamed(&[(5, data(event("message_chunk", "x")))]),
        streamed(&[]),
    ];
    let keep_alives = (0..20).map(|_| (30_000, data(": alive\n")));
    table.push(streamed(&keep_alives.collect::<Vec<_>>()));
    for attempt in table {
        let transcript = Call::create().run(&[attempt]);
        let error = transcript.error();
        let partial = error.partial().unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(partial.text, "He", "{error:?}");
        assert_eq!(partial.session_id.as_deref(), Some("s"));
        assert_eq!((partial.citations().len(), partial.events), (1, 2));
        assert_eq!(partial.finish_reason, None);
        assert_eq!(error.status().map(|status| status.as_u16()), Some(200));
        assert_eq!(transcript.text(), "He");
        assert_eq!(error.gave_up(), None);
        assert_eq!(error.clone().into_partial().as_ref(), Some(partial));
    }
}

#[test]
fn a_cut_after_the_finish_reason_is_an_error_that_keeps_the_reason() {
    let lost = Call::create().run(&[streamed(&[(0, data(last("!"))), (0, In::Fail(TransportError::Body))])]);
    assert_eq!(lost.error().kind(), &ErrorKind::Truncated(Truncation::ConnectionLost));
    let inside = Call::create().run(&[streamed(&[(0, data(last("!") + "data")), (0, In::Eof)])]);
    assert_eq!(inside.error().kind(), &ErrorKind::Truncated(Truncation::InsideEvent));
    for transcript in [lost, inside] {
        let partial = transcript.error().partial().unwrap();
        assert_eq!((partial.text.as_str(), &partial.finish_reason), ("He!", &Some(FinishReason::Stop)));
    }
}

#[test]
fn there_is_a_partial_answer_if_and_only_if_a_success_had_begun() {
    use TransportError::Body;
    for (attempt, has_partial) in [
        (vec![(0, stream()), (0, In::Fail(Body))], true),
        (vec![(0, json()), (0, In::Fail(Body))], true),
        (vec![(0, stream()), (0, In::Cancel)], true),
        (vec![(0, json()), (0, data("{")), (0, In::Cancel)], true),
        (vec![(0, json()), (0, data("{")), (0, In::Eof)], true),
        (vec![(0, json()), (0, data("{"))], true),
        (vec![(0, In::Cancel)], false),
        (vec![(0, In::Fail(Body))], false),
        (vec![], false),
        (failed(500, &[]), false),
        (failed(204, &[]), false),
        (failed(200, &[]), false),
        (vec![(0, head(500, &[])), (0, data("x")), (0, In::Cancel)], false),
        (vec![(0, head(422, &[("content-type", "application/json")])), (0, data("{}")), (0, In::Eof)], false),
    ] {
        let transcript = run_once(&Call::create(), attempt.clone());
        assert_eq!(transcript.error().partial().is_some(), has_partial, "{attempt:?}");
    }
}

#[test]
fn an_error_response_keeps_its_status_and_headers() {
    let headers = [("x-request-id", "r-1"), ("retry-after", "7"), ("location", "/x")];
    for status in [204, 302, 400, 500] {
        for then in [In::Eof, In::Fail(TransportError::Body), In::Cancel] {
            let transcript =
                run_once(&Call::create(), vec![(0, head(status, &headers)), (0, data("x")), (0, then.clone())]);
            let error = transcript.error();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{then:?}");
            assert_eq!(error.request_id(), Some("r-1"));
            assert_eq!(error.retry_after(), Some(RetryAfter::Delay(Duration::from_secs(7))));
            assert_eq!(error.head().and_then(|head| head.headers.get("location")).unwrap(), "/x");
        }
    }
}

#[test]
fn a_body_shorter_than_its_content_length_is_truncated() {
    let body = last("x");
    let with_length = |length: usize, extra: &[(&'static str, &str)]| {
        let length = length.to_string();
        let headers = [&[("content-type", "text/event-stream"), ("content-length", length.as_str())], extra].concat();
        Call::create().run(&[vec![(0, head(200, &headers)), (0, data(&body)), (0, In::Eof)]])
    };
    assert_eq!(with_length(body.len(), &[]).answer().text, "x");
    assert_eq!(with_length(body.len() - 1, &[]).answer().text, "x");
    let short = with_length(body.len() + 1, &[]);
    assert_eq!(short.error().kind(), &ErrorKind::Truncated(Truncation::ContentLength));
    assert_eq!(short.error().partial().map(|partial| partial.text.as_str()), Some("x"));
    // Each byte counts once, also with several events in a chunk.
    let body = chunk("x").repeat(3) + &body;
    let short = Call::create().run(&[vec![
        (0, head(200, &[("content-type", "text/event-stream"), ("content-length", &(body.len() + 1).to_string())])),
        (0, data(&body)),
        (0, In::Eof),
    ]]);
    assert_eq!(short.error().kind(), &ErrorKind::Truncated(Truncation::ContentLength));
    // Chunked framing overrides the content length.
    assert_eq!(with_length(body.len() + 1, &[("transfer-encoding", "chunked")]).answer().text, "x");
}

#[test]
fn chunked_is_the_only_supported_transfer_coding() {
    let of = |lines: &[&'static str]| {
        let mut headers = vec![("content-type", "text/event-stream")];
        headers.extend(lines.iter().map(|line| ("transfer-encoding", *line)));
        Call::create().run(&[vec![(0, head(200, &headers)), (0, data(last("x"))), (0, In::Eof)]])
    };
    let read: [&[&str]; 5] = [&[], &["chunked"], &["Chunked"], &[" chunked "], &["chunked,"]];
    for lines in read {
        assert_eq!(of(lines).answer().text, "x", "{lines:?}");
    }
    let refused: [&[&str]; 5] =
        [&["identity"], &["chunked, chunked"], &["chunked", "chunked"], &["gzip, chunked"], &["gzip"]];
    for lines in refused {
        assert_eq!(of(lines).error().kind().name(), "unexpected_response", "{lines:?}");
    }
}
