//! One logical call under a virtual clock: its answers, its faults, its clocks, its retries, its end.

mod support;

use std::time::Duration;

use bytes::Bytes;
use chat_proto::{
    Answer, Blame, Clock, Config, CreateInput, Cut, Endpoint, Error, ErrorKind, Event, Exchange, FinishReason, GaveUp,
    Limit, Output, Request, RetryAfter, Timeouts, Timestamp, TransportError, Unexpected,
};
use support::{
    Attempt, CITED, Call, In, RESULT, answered, apply, chunk, data, event, failed, head, json, last, stream,
};

fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A stream that has begun, then this.
fn streamed(then: &[(u64, In)]) -> Attempt {
    let begun = [(0, stream()), (10, data(chunk("He"))), (10, data(event("records_cited", CITED)))];
    [&begun[..], then].concat()
}

/// Polls all events out, up to the next output of another kind.
fn drain(exchange: &mut Exchange) -> (Vec<Event>, Output) {
    let mut events = Vec::new();
    loop {
        match exchange.poll_output() {
            Output::Event(event) => events.push(event),
            output => return (events, output),
        }
    }
}

fn outcome(exchange: &Exchange) -> &Result<Answer, Error> {
    exchange.outcome().expect("it is done")
}

// Answers that come whole.

#[test]
fn a_stream_gives_its_events_as_they_come_and_the_answer_merged() {
    let transcript = Call::create().run(&[vec![
        (30, stream()),
        (5, data(chunk("He"))),
        (5, data(event("records_cited", CITED))),
        (5, data(chunk("llo") + &last("!"))),
        (5, In::Eof),
    ]]);
    assert_eq!(transcript.lines, ["0 send", "35 chunk He", "40 cited 1", "45 chunk llo", "45 chunk !", "50 completed"]);
    let answer = transcript.answer();
    assert_eq!(answer.content, "Hello!");
    assert_eq!(answer.chat_session_id.as_deref(), Some("s"));
    assert_eq!(answer.finish_reason, Some(FinishReason::Stop));
    assert_eq!(answer.citation(1).and_then(|citation| citation.record.url.as_deref()), Some("u"));
    assert_eq!(answer.events, 4);
    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.head.headers["content-type"], "text/event-stream");
}

#[test]
fn one_json_object_gives_the_events_that_a_stream_would() {
    let body = r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Hi [1]","records_cited":{"citations":[{"number":1.0,"record":{}}]}}}"#;
    let (front, back) = body.split_at(40);
    let cut = vec![(30, json()), (5, data(front)), (5, data(back)), (5, In::Eof)];
    let transcript = Call::create().run(&[cut]);
    assert_eq!(transcript.lines, ["0 send", "45 chunk Hi [1]", "45 cited 1", "45 completed"]);
    let answer = transcript.answer();
    assert_eq!((answer.content.as_str(), answer.chat_session_id.as_deref()), ("Hi [1]", Some("s")));
    assert_eq!((answer.finish_reason.as_ref(), answer.events), (None, 2));
    match &transcript.events[0] {
        Event::MessageChunk(chunk) => assert_eq!(chunk.chat_session_id.as_deref(), Some("s")),
        other => panic!("{other:?}"),
    }
    // Without citations there is no event of them; a byte order mark may come first.
    let plain = Call::create().run(&[vec![(0, json()), (0, data("\u{feff}")), (0, data(RESULT)), (0, In::Eof)]]);
    assert_eq!(plain.lines, ["0 send", "0 chunk Hi", "0 completed"]);
    assert_eq!(plain.answer().records_cited, None);
}

#[test]
fn the_content_type_decides_whatever_was_asked_for() {
    for content_type in ["TEXT/Event-Stream; charset=utf-8", "text/event-stream;", " text/event-stream "] {
        let head = head(200, &[("content-type", content_type)]);
        let transcript = Call::continue_session().run(&[vec![(0, head), (0, data(last("x"))), (0, In::Eof)]]);
        assert_eq!(transcript.answer().content, "x", "{content_type}");
    }
    for content_type in ["Application/JSON", "application/json;charset=utf-8", "application/json ; a=b"] {
        let head = head(200, &[("content-type", content_type)]);
        let transcript = Call::create().run(&[vec![(0, head), (0, data(RESULT)), (0, In::Eof)]]);
        assert_eq!(transcript.answer().content, "Hi", "{content_type}");
    }
}

#[test]
fn the_last_id_reason_and_citations_count_and_every_chunk_does() {
    let say = |rest: &str| event("message_chunk", &format!(r#"{{"content_chunk":"x",{rest}}}"#));
    let body = [
        event("records_cited", CITED),
        say(r#""chat_session_id":"1","finish_reason":"length""#),
        say(r#""chat_session_id":"2","finish_reason":null"#),
        say(r#""chat_session_id":null,"finish_reason":"new-reason""#),
        say(r#""other":1"#),
        event("records_cited", r#"{"citations":[]}"#),
    ];
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body.concat())), (0, In::Eof)]]);
    let answer = transcript.answer();
    assert_eq!(answer.content, "xxxx");
    assert_eq!(answer.chat_session_id.as_deref(), Some("2"));
    assert_eq!(answer.finish_reason, Some(FinishReason::from("new-reason")));
    assert_eq!(answer.records_cited.as_ref().map(|cited| cited.citations.len()), Some(0));
}

#[test]
fn a_clean_end_without_a_finish_reason_is_an_end_of_its_own() {
    let transcript = Call::create().run(&[streamed(&[(0, In::Eof)])]);
    assert_eq!((transcript.answer().content.as_str(), &transcript.answer().finish_reason), ("He", &None));
    let empty = Call::create().run(&[vec![(0, stream()), (0, In::Eof)]]);
    assert_eq!((empty.answer().content.as_str(), empty.answer().events), ("", 0));
}

#[test]
fn unknown_events_are_passed_on_as_they_came_and_end_nothing() {
    let body = [
        "id: 7\nevent: progress\ndata: {\"p\":1}\ndata: more\n\n".to_owned(),
        "data: plain\n\n".to_owned(),
        event("Message_Chunk", "not json"),
        event("errors", "x"),
        last("!"),
    ];
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body.concat())), (0, In::Eof)]]);
    assert_eq!(
        transcript.lines[1..6],
        [
            "0 progress {\"p\":1}\nmore 7",
            "0 message plain 7",
            "0 Message_Chunk not json 7",
            "0 errors x 7",
            "0 chunk !"
        ]
    );
    assert_eq!((transcript.answer().content.as_str(), transcript.answer().events), ("!", 5));
}

#[test]
fn every_way_to_cut_a_body_gives_the_same_events() {
    let body =
        format!("\u{feff}: hi\r\n{}{}{}", chunk("é"), event("records_cited", CITED).replace('\n', "\r\n"), last("!"));
    let whole = Call::create().run(&[vec![(0, stream()), (0, data(&body)), (0, In::Eof)]]);
    for size in 1..=body.len() {
        let mut attempt = vec![(0, stream())];
        attempt.extend(body.as_bytes().chunks(size).map(|piece| (0, data(piece))));
        attempt.push((0, In::Eof));
        assert_eq!(Call::create().run(&[attempt]).lines, whole.lines, "{size}");
    }
}

#[test]
fn broken_utf8_is_replaced_in_either_form() {
    let body =
        [&b"event: message_chunk\ndata: {\"content_chunk\":\"a\xff\xe2\x82b\"}\n\n"[..], last("").as_bytes()].concat();
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body)), (0, In::Eof)]]);
    assert_eq!(transcript.answer().content, "a\u{fffd}\u{fffd}b");
    let body = b"{\"chat_session_id\":\"s\",\"message\":{\"role\":\"assistant\",\"content\":\"\xf0\x9f\"}}";
    let transcript = Call::create().run(&[vec![(0, json()), (0, data(body)), (0, In::Eof)]]);
    assert_eq!(transcript.answer().content, "\u{fffd}");
}

// What goes wrong.

/// What a call ends in when this is all that happens, and nothing is tried again.
#[track_caller]
fn ends_in(call: &Call, attempt: Attempt) -> support::Transcript {
    call.clone().with(|config| config.retry.max_retries = 0).run(&[attempt])
}

#[test]
fn every_fault_is_told_apart_and_has_its_blame() {
    use TransportError::{Body, Connect, ConnectTimeout, MaybeSent, Unsent};
    let cut = |cut| ErrorKind::Truncated(cut);
    let timeout = |clock, secs| ErrorKind::Timeout { clock, after: Duration::from_secs(secs) };
    let odd = |reason, body: &str| ErrorKind::UnexpectedResponse { reason, body: body.into() };
    let api = |body: &str| ErrorKind::Api { body: body.into() };
    let with_length = |length| head(200, &[("content-type", "text/event-stream"), ("content-length", length)]);
    let table: Vec<(Attempt, ErrorKind, Blame)> = vec![
        (vec![(0, In::Fail(Connect))], ErrorKind::Connect, Blame::Network),
        (vec![(0, In::Fail(ConnectTimeout))], timeout(Clock::Connect, 10), Blame::Network),
        (vec![(0, In::Fail(Unsent))], ErrorKind::Transport, Blame::Network),
        (vec![(0, In::Fail(MaybeSent))], ErrorKind::Transport, Blame::Network),
        (vec![(0, In::Fail(Body))], ErrorKind::Transport, Blame::Network),
        (vec![(0, In::Eof)], ErrorKind::Transport, Blame::Network),
        (vec![], timeout(Clock::Head, 120), Blame::Network),
        (vec![(0, stream())], timeout(Clock::Idle, 60), Blame::Network),
        (vec![(0, json())], timeout(Clock::Idle, 60), Blame::Network),
        (vec![(0, head(401, &[])), (0, data("no key")), (0, In::Eof)], api("no key"), Blame::Caller),
        (vec![(0, head(404, &[])), (0, In::Eof)], api(""), Blame::Caller),
        (vec![(0, head(408, &[])), (0, In::Eof)], api(""), Blame::Server),
        (vec![(0, head(429, &[])), (0, data("slow")), (0, In::Eof)], api("slow"), Blame::Server),
        (vec![(0, head(500, &[])), (0, data("\u{e9}")), (0, In::Eof)], api("\u{e9}"), Blame::Server),
        (vec![(0, head(599, &[])), (0, In::Eof)], api(""), Blame::Server),
        (vec![(0, head(503, &[])), (0, data("bu")), (0, In::Fail(Body))], api("bu"), Blame::Server),
        (vec![(0, head(403, &[])), (0, data("no"))], api("no"), Blame::Caller),
        (vec![(0, head(403, &[("content-length", "9")])), (0, data("no")), (0, In::Eof)], api("no"), Blame::Caller),
        (vec![(0, head(204, &[])), (0, In::Eof)], odd(Unexpected::Status, ""), Blame::Server),
        (
            vec![(0, head(201, &[("content-type", "application/json")])), (0, data(RESULT)), (0, In::Eof)],
            odd(Unexpected::Status, RESULT),
            Blame::Server,
        ),
        (
            vec![(0, head(302, &[("location", "/x")])), (0, data("moved")), (0, In::Eof)],
            odd(Unexpected::Status, "moved"),
            Blame::Server,
        ),
        (
            vec![(0, head(200, &[])), (0, data(RESULT)), (0, In::Eof)],
            odd(Unexpected::ContentType, RESULT),
            Blame::Server,
        ),
        (
            vec![(0, head(200, &[("content-type", "text/html")])), (0, data("<p>")), (0, In::Eof)],
            odd(Unexpected::ContentType, "<p>"),
            Blame::Server,
        ),
        (
            vec![
                (0, head(200, &[("content-type", "application/json"), ("content-encoding", "gzip")])),
                (0, data("x")),
                (0, In::Eof),
            ],
            odd(Unexpected::ContentEncoding, "x"),
            Blame::Server,
        ),
        (
            streamed(&[(0, data(event("error", "{\"code\":1}")))]),
            ErrorKind::Stream { data: "{\"code\":1}".into() },
            Blame::Server,
        ),
        (streamed(&[(0, data("event: message_chunk\ndata: {")), (0, In::Eof)]), cut(Cut::InsideEvent), Blame::Network),
        (streamed(&[(0, data("event: x\n")), (0, In::Eof)]), cut(Cut::InsideEvent), Blame::Network),
        (streamed(&[(0, data("id: 1\n")), (0, In::Eof)]), cut(Cut::InsideEvent), Blame::Network),
        (streamed(&[(0, data("retr")), (0, In::Eof)]), cut(Cut::InsideEvent), Blame::Network),
        (vec![(0, with_length("99")), (0, data(last("x"))), (0, In::Eof)], cut(Cut::ContentLength), Blame::Network),
        (
            vec![(0, head(200, &[("content-type", "application/json"), ("content-length", "99")])), (0, In::Eof)],
            cut(Cut::ContentLength),
            Blame::Network,
        ),
        (streamed(&[(0, data(last("x"))), (0, In::Fail(Body))]), cut(Cut::ConnectionLost), Blame::Network),
        (vec![(0, stream()), (0, In::Fail(Connect))], cut(Cut::ConnectionLost), Blame::Network),
        (vec![(0, json()), (0, data(RESULT)), (0, In::Fail(Body))], cut(Cut::ConnectionLost), Blame::Network),
        (streamed(&[(0, In::Cancel)]), ErrorKind::Cancelled, Blame::Caller),
    ];
    for (attempt, kind, blame) in table {
        let transcript = ends_in(&Call::create(), attempt.clone());
        let error = transcript.error();
        assert_eq!(error.kind(), &kind, "{attempt:?}");
        assert_eq!((error.blame(), error.attempts()), (blame, 1), "{attempt:?}");
    }
}

#[test]
fn a_422_is_a_validation_error_only_in_the_services_own_form() {
    let json = [("content-type", "application/json; charset=utf-8")];
    let valid = r#"{"detail":[{"loc":["body","message",0.0],"msg":"m","type":"t"}],"more":1}"#;
    let answer = |headers: &[(&'static str, &str)], body: &str| {
        ends_in(&Call::create(), vec![(0, head(422, headers)), (0, data(body)), (0, In::Eof)])
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
    // The form is that of 422 alone.
    let other = ends_in(&Call::create(), vec![(0, head(400, &json)), (0, data(valid)), (0, In::Eof)]);
    assert_eq!(other.error().kind().name(), "api");
}

#[test]
fn an_encoding_nobody_asked_for_is_told_unless_it_is_none() {
    for (encoding, odd) in
        [("identity", false), ("", false), (" Identity , identity", false), ("br", true), ("identity, gzip", true)]
    {
        let head = head(200, &[("content-type", "text/event-stream"), ("content-encoding", encoding)]);
        let transcript = ends_in(&Call::create(), vec![(0, head), (0, data(last("x"))), (0, In::Eof)]);
        assert_eq!(transcript.lines.last().unwrap().contains("unexpected_response"), odd, "{encoding:?}");
    }
}

#[test]
fn json_that_does_not_fit_names_what_was_read_and_keeps_its_start() {
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
fn what_a_decode_error_keeps_is_small_however_large_the_event() {
    let big = format!(r#"{{"content_chunk":0,"x":"{}"}}"#, "y".repeat(100_000));
    let big_string = format!(r#""{}""#, "y".repeat(100_000));
    for text in [big, big_string] {
        let transcript = Call::create().run(&[vec![(0, stream()), (0, data(event("message_chunk", &text)))]]);
        let ErrorKind::Decode { message, body, .. } = transcript.error().kind() else { panic!() };
        assert!(body.len() <= 4096 && message.len() <= 4096, "{} {}", body.len(), message.len());
    }
}

#[test]
fn a_lone_comment_retry_or_unknown_line_at_the_end_is_no_cut() {
    for tail in [": bye", ":", "retry: 5\n", "unknown: x\n", "x\n", "data", "\u{feff}"] {
        let transcript = Call::create().run(&[streamed(&[(0, data(tail)), (0, In::Eof)])]);
        let cut = matches!(tail, "data" | "\u{feff}");
        assert_eq!(transcript.lines.last().unwrap().contains("truncated"), cut, "{tail:?}");
    }
}

#[test]
fn what_had_arrived_stays_with_every_fault() {
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
        assert_eq!(partial.content, "He", "{error:?}");
        assert_eq!(partial.chat_session_id.as_deref(), Some("s"));
        assert_eq!((partial.citations().len(), partial.events), (1, 2));
        assert_eq!(partial.finish_reason, None);
        assert_eq!(error.status().map(|status| status.as_u16()), Some(200));
        assert_eq!(transcript.text(), "He");
        assert_eq!(error.gave_up(), None);
        assert_eq!(error.clone().into_partial().as_ref(), Some(partial));
    }
}

#[test]
fn a_cut_after_the_finish_reason_is_still_a_cut_and_keeps_the_reason() {
    let lost = Call::create().run(&[streamed(&[(0, data(last("!"))), (0, In::Fail(TransportError::Body))])]);
    assert_eq!(lost.error().kind(), &ErrorKind::Truncated(Cut::ConnectionLost));
    let inside = Call::create().run(&[streamed(&[(0, data(last("!") + "data")), (0, In::Eof)])]);
    assert_eq!(inside.error().kind(), &ErrorKind::Truncated(Cut::InsideEvent));
    for transcript in [lost, inside] {
        let partial = transcript.error().partial().unwrap();
        assert_eq!((partial.content.as_str(), &partial.finish_reason), ("He!", &Some(FinishReason::Stop)));
    }
}

#[test]
fn there_is_a_partial_answer_if_and_only_if_a_successes_body_had_begun() {
    use TransportError::Body;
    for (attempt, begun) in [
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
        let transcript = ends_in(&Call::create(), attempt.clone());
        assert_eq!(transcript.error().partial().is_some(), begun, "{attempt:?}");
    }
}

#[test]
fn the_status_and_headers_stay_with_what_was_no_success() {
    let headers = [("x-request-id", "r-1"), ("retry-after", "7"), ("location", "/x")];
    for status in [204, 302, 400, 500] {
        for then in [In::Eof, In::Fail(TransportError::Body), In::Cancel] {
            let transcript =
                ends_in(&Call::create(), vec![(0, head(status, &headers)), (0, data("x")), (0, then.clone())]);
            let error = transcript.error();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{then:?}");
            assert_eq!(error.request_id(), Some("r-1"));
            assert_eq!(error.retry_after(), Some(RetryAfter::Delay(Duration::from_secs(7))));
            assert_eq!(error.head().and_then(|head| head.headers.get("location")).unwrap(), "/x");
        }
    }
}

#[test]
fn a_content_length_counts_bytes_and_more_than_it_says_is_fine() {
    let body = last("x");
    let with_length = |length: usize, extra: &[(&'static str, &str)]| {
        let length = length.to_string();
        let headers = [&[("content-type", "text/event-stream"), ("content-length", length.as_str())], extra].concat();
        Call::create().run(&[vec![(0, head(200, &headers)), (0, data(&body)), (0, In::Eof)]])
    };
    assert_eq!(with_length(body.len(), &[]).answer().content, "x");
    assert_eq!(with_length(body.len() - 1, &[]).answer().content, "x");
    let short = with_length(body.len() + 1, &[]);
    assert_eq!(short.error().kind(), &ErrorKind::Truncated(Cut::ContentLength));
    assert_eq!(short.error().partial().map(|partial| partial.content.as_str()), Some("x"));
    // Chunked framing overrides.
    assert_eq!(with_length(body.len() + 1, &[("transfer-encoding", "chunked")]).answer().content, "x");
}

// Clocks.

#[track_caller]
fn assert_timeout(transcript: &support::Transcript, clock: Clock, after: u64, end: u64) {
    assert_eq!(transcript.error().kind(), &ErrorKind::Timeout { clock, after: millis(after) });
    assert_eq!(transcript.end, ms(end));
    assert!(transcript.error().is_timeout());
}

#[test]
fn the_head_has_its_time_in_each_attempt() {
    let call = Call::create().with(|config| {
        config.timeouts.head = Some(millis(1000));
        config.retry.ambiguous = true;
    });
    let transcript = call.run(&[vec![(1001, stream())], vec![(999, stream()), (0, data(last("x"))), (0, In::Eof)]]);
    assert_eq!(transcript.answer().content, "x");
    assert_eq!(transcript.sends.len(), 2);
    assert!(transcript.waits()[0] >= millis(1000));
    let never = call.with(|config| config.retry.max_retries = 0).run(&[vec![]]);
    assert_timeout(&never, Clock::Head, 1000, 1000);
}

#[test]
fn the_heads_time_begins_when_the_exchange_is_first_asked_if_it_is_told_the_time() {
    let mut exchange = Call::create().exchange();
    exchange.handle_timeout(ms(500_000));
    assert!(matches!(exchange.poll_output(), Output::Send(_)));
    assert_eq!(exchange.poll_timeout(), Some(ms(620_000)));
}

#[test]
fn silence_between_bytes_ends_a_body_and_any_byte_breaks_it() {
    let call = Call::create().with(|config| config.timeouts.idle = Some(millis(100)));
    for begin in [stream(), json()] {
        let mut attempt = vec![(50, begin)];
        attempt.extend((0..10).map(|_| (99, data(":"))));
        assert_timeout(&call.run(&[attempt]), Clock::Idle, 100, 50 + 990 + 100);
    }
}

#[test]
fn an_empty_read_is_no_byte() {
    let call = Call::create().with(|config| config.timeouts.idle = Some(millis(100)));
    for begin in [stream(), json()] {
        let mut attempt = vec![(0, begin)];
        attempt.extend((0..20).map(|_| (60, data(""))));
        assert_timeout(&call.run(&[attempt]), Clock::Idle, 100, 100);
    }
}

#[test]
fn signs_of_life_do_not_stand_for_content() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(1000)));
    let keep_alives = [
        ": alive\n\n".to_owned(),
        "retry: 5\n\n".to_owned(),
        chunk(""),
        event("ping", "{}"),
        event("ping", ""),
        event("heartbeat", " null "),
    ];
    for keep_alive in keep_alives {
        let mut attempt = vec![(0, stream()), (100, data(chunk("x")))];
        attempt.extend((0..20).map(|_| (90, data(&keep_alive))));
        assert_timeout(&call.run(&[attempt]), Clock::Content, 1000, 1100);
    }
    // What says something does.
    for content in [chunk("x"), last(""), event("records_cited", CITED), event("progress", "{\"p\":1}")] {
        let mut attempt = vec![(0, stream())];
        attempt.extend((0..20).map(|_| (999, data(&content))));
        attempt.push((0, In::Eof));
        assert_eq!(call.run(&[attempt]).answer().events, 20);
    }
}

#[test]
fn an_answer_in_one_json_object_has_no_clock_of_content() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(100)));
    let transcript = call.run(&[vec![(0, json()), (500, data(RESULT)), (500, In::Eof)]]);
    assert_eq!(transcript.answer().content, "Hi");
}

#[test]
fn the_defaults_let_a_long_stream_live_and_end_one_that_only_breathes() {
    let mut long = vec![(119_999, stream())];
    long.extend((0..500).map(|_| (59_999, data(chunk("x")))));
    long.push((59_999, In::Eof));
    assert_eq!(Call::create().run(&[long]).answer().content.len(), 500);
    let mut breathing = vec![(0, stream())];
    breathing.extend((0..500).map(|_| (15_000, data(": alive\n\n"))));
    assert_timeout(&Call::create().run(&[breathing]), Clock::Content, 180_000, 180_000);
}

#[test]
fn the_whole_call_has_one_time_in_every_state() {
    let call = |total| Call::create().with(|config| config.timeouts.total = Some(millis(total)));
    assert_timeout(&call(500).run(&[vec![]]), Clock::Total, 500, 500);
    assert_timeout(&call(500).run(&[vec![(0, stream())]]), Clock::Total, 500, 500);
    assert_timeout(&call(500).run(&[vec![(0, json()), (0, data("{"))]]), Clock::Total, 500, 500);
    let mut busy = vec![(0, stream())];
    busy.extend((0..200).map(|_| (7, data(chunk("x")))));
    let transcript = call(500).run(&[busy]);
    assert_timeout(&transcript, Clock::Total, 500, 500);
    assert_eq!(transcript.error().partial().map(|partial| partial.content.len()), Some(71));
    // An error's body that comes too slowly is that error.
    let slow = call(500).run(&[vec![(0, head(401, &[])), (0, data("no"))]]);
    assert_eq!((slow.error().kind().name(), slow.end), ("api", ms(500)));
}

#[test]
fn a_stream_that_always_has_data_ends_with_the_calls_time_though_nobody_looks_at_the_clock() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(500)));
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, stream(), ms(0));
    for now in 0..2000 {
        exchange.handle_data(Bytes::from(chunk("x")), ms(now));
        if let (_, Output::Done) = drain(&mut exchange) {
            assert_eq!(now, 500);
            break;
        }
    }
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout { clock: Clock::Total, after: millis(500) });
}

#[test]
fn the_calls_time_runs_out_in_a_wait_too_and_the_cause_is_kept() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(10_000)));
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(503, &[("retry-after", "9")]), ms(0));
    exchange.handle_eof(ms(0));
    assert!(matches!(exchange.poll_output(), Output::Wait));
    assert_eq!(exchange.poll_timeout(), Some(ms(9000)));
    // A driver that slept too long.
    exchange.handle_timeout(ms(10_000));
    assert!(matches!(exchange.poll_output(), Output::Done));
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout { clock: Clock::Total, after: millis(10_000) });
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(cause.status().map(|status| status.as_u16()), Some(503));
}

#[test]
fn an_early_timeout_has_no_effect_in_any_state() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(100_000)));
    for before in [
        vec![],
        vec![stream()],
        vec![stream(), data(chunk("x"))],
        vec![json(), data("{")],
        vec![head(500, &[]), data("x")],
        vec![head(503, &[("retry-after", "50")]), In::Eof],
    ] {
        let mut exchange = call.exchange();
        drain(&mut exchange);
        for input in before.clone() {
            apply(&mut exchange, input, ms(5));
            drain(&mut exchange);
        }
        let due = exchange.poll_timeout().expect("there is a clock");
        let state = format!("{:?}", drain(&mut exchange).1);
        for early in [0, 5, 6, due.since_start().as_millis() as u64 - 1] {
            exchange.handle_timeout(ms(early));
            assert_eq!(exchange.poll_timeout(), Some(due), "{before:?}");
            assert_eq!(format!("{:?}", drain(&mut exchange).1), state, "{before:?}");
        }
        exchange.handle_timeout(due);
        drain(&mut exchange);
        assert_ne!(exchange.poll_timeout(), Some(due), "{before:?}");
    }
}

#[test]
fn clocks_that_are_off_never_end_anything() {
    let call = Call::create().with(|config| {
        let timeouts = &mut config.timeouts;
        (timeouts.head, timeouts.idle, timeouts.content, timeouts.total) = (None, None, None, None);
    });
    let year = 365 * 86_400_000;
    let transcript = call.run(&[vec![(year, stream()), (year, data(":\n")), (year, data(last("x"))), (year, In::Eof)]]);
    assert_eq!(transcript.answer().content, "x");
    let huge = Call::create().with(|config| {
        let timeouts = &mut config.timeouts;
        let max = Some(Duration::MAX);
        (timeouts.head, timeouts.idle, timeouts.content, timeouts.total) = (max, max, max, max);
    });
    let transcript = huge.run(&[vec![(5, stream()), (year, data(last("x"))), (year, In::Eof)]]);
    assert_eq!(transcript.answer().content, "x");
}

#[test]
fn an_errors_body_has_the_idle_time_as_a_whole() {
    let mut trickle = vec![(0, head(400, &[]))];
    trickle.extend((0..100).map(|_| (1000, data("x"))));
    let transcript = Call::create().run(&[trickle]);
    assert_eq!((transcript.error().kind().name(), transcript.end), ("api", ms(60_000)));
}

// A consumer that is slow.

/// An exchange whose stream has said `x` at 0, in the manner of a driver that waits: nothing is ready.
fn paused(call: &Call) -> Exchange {
    let mut exchange = call.exchange();
    drain(&mut exchange);
    exchange.handle_wait(ms(0));
    apply(&mut exchange, stream(), ms(0));
    assert!(matches!(drain(&mut exchange).1, Output::Read));
    exchange.handle_wait(ms(0));
    exchange.handle_data(Bytes::from(chunk("x")), ms(0));
    assert!(matches!(exchange.poll_output(), Output::Event(_)));
    exchange
}

/// What a driver does that found nothing ready: it says so, and then looks at the clock.
fn nothing_ready(exchange: &mut Exchange, now: Timestamp) {
    assert!(matches!(exchange.poll_output(), Output::Read));
    exchange.handle_wait(now);
    if exchange.poll_timeout().is_some_and(|due| due <= now) {
        exchange.handle_timeout(now);
    }
}

#[test]
fn a_consumer_that_pauses_loses_nothing_whatever_was_waiting() {
    let half = "event: message_chunk\n";
    for waiting in [chunk("y"), ": alive\n\n".to_owned(), half.to_owned(), chunk(""), event("ping", "{}")] {
        let mut exchange = paused(&Call::create());
        let now = ms(600_000);
        exchange.handle_data(Bytes::from(waiting.clone()), now);
        drain(&mut exchange);
        nothing_ready(&mut exchange, now);
        assert!(matches!(exchange.poll_output(), Output::Read), "{waiting:?} ended in {:?}", exchange.outcome());
        let rest = if waiting == half { "data: {\"content_chunk\":\"y\"}\n\n".to_owned() } else { last("y") };
        exchange.handle_data(Bytes::from(rest), now);
        exchange.handle_eof(now);
        let (events, output) = drain(&mut exchange);
        assert!(matches!(output, Output::Done));
        assert_eq!(events.last().and_then(Event::text), Some("y"));
        assert!(outcome(&exchange).is_ok());
    }
}

#[test]
fn what_is_handed_in_at_once_comes_out_whole_and_in_order_before_its_end() {
    for (end, kind) in
        [(In::Eof, None), (In::Fail(TransportError::Body), Some(ErrorKind::Truncated(Cut::ConnectionLost)))]
    {
        let mut exchange = Call::create().exchange();
        drain(&mut exchange);
        for input in [stream(), data(chunk("a") + &chunk("b")), data(chunk("c")), data(last("d")), end] {
            apply(&mut exchange, input, ms(0));
        }
        let (events, output) = drain(&mut exchange);
        assert_eq!(events.iter().filter_map(Event::text).collect::<String>(), "abcd");
        assert!(matches!(output, Output::Done));
        assert_eq!(outcome(&exchange).as_ref().err().map(Error::kind), kind.as_ref());
        assert_eq!(exchange.answer().map(|answer| (&*answer.content, answer.events)), Some(("abcd", 4)));
    }
}

#[test]
fn many_pauses_in_a_row_are_no_different() {
    let mut exchange = paused(&Call::create());
    for n in 1..10 {
        let now = ms(n * 600_000);
        exchange.handle_data(Bytes::from(chunk("x") + &chunk("y")), now);
        // The second event is taken after a pause of its own.
        assert!(matches!(exchange.poll_output(), Output::Event(_)));
        let later = ms(n * 600_000 + 300_000);
        exchange.handle_timeout(later);
        assert!(matches!(exchange.poll_output(), Output::Event(_)));
        nothing_ready(&mut exchange, later);
        assert!(matches!(exchange.poll_output(), Output::Read), "{n}: {:?}", exchange.outcome());
    }
}

#[test]
fn after_a_pause_the_server_has_its_whole_time_again_and_not_more() {
    for (silence, clock) in [(60_000, Clock::Idle), (180_000, Clock::Content)] {
        let call = Call::create().with(|config| {
            if clock == Clock::Content {
                config.timeouts.idle = None;
            }
        });
        let mut exchange = paused(&call);
        nothing_ready(&mut exchange, ms(600_000));
        assert_eq!(exchange.poll_timeout(), Some(ms(600_000 + silence)));
        // The wait is running: to be polled again for whatever reason does not begin it anew.
        for now in [600_001, 630_000, 650_000] {
            nothing_ready(&mut exchange, ms(now));
            assert_eq!(exchange.poll_timeout(), Some(ms(600_000 + silence)));
        }
        exchange.handle_timeout(ms(600_000 + silence));
        drain(&mut exchange);
        match outcome(&exchange).as_ref().unwrap_err().kind() {
            ErrorKind::Timeout { clock: which, .. } => assert_eq!(*which, clock),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_flood_of_comments_is_no_pause_of_the_consumers() {
    let mut exchange = paused(&Call::create());
    // Always ready, so that the driver never waits.
    for now in (0..200_000).step_by(1000) {
        exchange.handle_data(Bytes::from_static(b": alive\n\n"), ms(now));
        assert!(matches!(exchange.poll_output(), Output::Read));
    }
    assert_eq!(exchange.poll_timeout(), Some(ms(180_000)));
}

#[test]
fn a_pause_does_not_stop_the_whole_calls_time() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(100_000)));
    let mut exchange = paused(&call);
    nothing_ready(&mut exchange, ms(99_999));
    assert_eq!(exchange.poll_timeout(), Some(ms(100_000)));
}

// Retries.

/// How a first attempt fails, and whether that is tried again: always, if the caller allows it, or never.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Again {
    Always,
    IfAllowed,
    Never,
}

#[test]
fn who_is_tried_again() {
    use Again::{Always, IfAllowed, Never};
    use TransportError::{Body, Connect, ConnectTimeout, MaybeSent, Unsent};
    let fault = |error| vec![(0, In::Fail(error))];
    let table: Vec<(&str, Attempt, Again, Again)> = vec![
        // What, how, for create, for continue.
        ("429", failed(429, &[]), Always, Always),
        ("503", failed(503, &[]), Always, Always),
        ("500", failed(500, &[]), Always, IfAllowed),
        ("502", failed(502, &[]), Always, IfAllowed),
        ("504", failed(504, &[]), Always, IfAllowed),
        ("503 cut", vec![(0, head(503, &[])), (0, data("x")), (0, In::Fail(Body))], Always, Always),
        ("503 stalled", vec![(0, head(503, &[])), (0, data("x"))], Always, Always),
        ("connect", fault(Connect), Always, Always),
        ("connect timeout", fault(ConnectTimeout), Always, Always),
        ("unsent", fault(Unsent), Always, Always),
        ("maybe sent", fault(MaybeSent), IfAllowed, IfAllowed),
        ("body before the head", fault(Body), IfAllowed, IfAllowed),
        ("end before the head", vec![(0, In::Eof)], IfAllowed, IfAllowed),
        ("head timeout", vec![], IfAllowed, IfAllowed),
        ("400", failed(400, &[]), Never, Never),
        ("401", failed(401, &[]), Never, Never),
        ("404", failed(404, &[]), Never, Never),
        ("408", failed(408, &[]), Never, Never),
        ("422", failed(422, &[]), Never, Never),
        ("501", failed(501, &[]), Never, Never),
        ("505", failed(505, &[]), Never, Never),
        ("302", failed(302, &[]), Never, Never),
        ("204", failed(204, &[]), Never, Never),
        ("foreign", failed(200, &[("retry-after", "0")]), Never, Never),
        ("stream lost", vec![(0, stream()), (0, In::Fail(Unsent))], Never, Never),
        ("stream silent", vec![(0, stream())], Never, Never),
        ("json lost", vec![(0, json()), (0, In::Fail(Connect))], Never, Never),
        ("json bad", vec![(0, json()), (0, In::Eof)], Never, Never),
        ("error event", vec![(0, stream()), (0, data(event("error", "503")))], Never, Never),
    ];
    for (name, attempt, create, next) in table {
        for (call, again) in [(Call::create(), create), (Call::continue_session(), next)] {
            for ambiguous in [false, true] {
                let call = call.clone().with(|config| config.retry.ambiguous = ambiguous);
                let transcript = call.run(&[attempt.clone(), answered("x")]);
                let expected = again == Always || again == IfAllowed && ambiguous;
                assert_eq!(transcript.sends.len(), 1 + usize::from(expected), "{name} {ambiguous} {again:?}");
                if expected {
                    assert_eq!(transcript.answer().content, "x", "{name}");
                } else {
                    let gave_up = (again == IfAllowed).then_some(GaveUp::MayHaveBeenRead);
                    assert_eq!((transcript.error().gave_up(), transcript.error().attempts()), (gave_up, 1), "{name}");
                }
            }
        }
    }
}

#[test]
fn attempts_are_capped_and_the_last_cause_is_the_one_told() {
    for max_retries in [0, 1, 2, 5] {
        let call = Call::create().with(|config| config.retry.max_retries = max_retries);
        let mut attempts = vec![failed(429, &[]); max_retries as usize];
        attempts.push(vec![(0, head(503, &[])), (0, data("last")), (0, In::Eof)]);
        attempts.push(answered("never asked"));
        let transcript = call.run(&attempts);
        assert_eq!(transcript.sends.len(), max_retries as usize + 1);
        let error = transcript.error();
        assert_eq!((error.attempts(), error.gave_up()), (max_retries + 1, Some(GaveUp::Attempts)));
        assert_eq!((error.status().map(|status| status.as_u16()), error.body()), (Some(503), Some("last")));
    }
}

#[test]
fn waits_are_drawn_from_a_doubling_range_and_differ_by_seed() {
    let mut firsts = Vec::new();
    for seed in 0..200 {
        let mut call = Call::create().with(|config| {
            config.retry.max_retries = 6;
            config.retry.max_total_wait = Duration::from_secs(600);
        });
        call.seed = seed;
        let transcript = call.run(&vec![failed(503, &[]); 7]);
        assert_eq!(call.run(&vec![failed(503, &[]); 7]).sends, transcript.sends);
        let waits = transcript.waits();
        for (wait, cap) in waits.iter().zip([500, 1000, 2000, 4000, 8000, 8000]) {
            assert!(*wait <= millis(cap), "{wait:?} {cap}");
        }
        firsts.push(waits[0]);
    }
    firsts.sort();
    assert!(firsts[0] < millis(50) && firsts[199] > millis(450), "not the whole range: {firsts:?}");
    firsts.dedup();
    assert!(firsts.len() > 190);
}

#[test]
fn all_waits_together_stay_within_their_cap() {
    for seed in 0..50 {
        let mut call = Call::create().with(|config| {
            config.retry.max_retries = 50;
            config.retry.max_total_wait = Duration::from_secs(5);
        });
        call.seed = seed;
        let transcript = call.run(&vec![failed(503, &[]); 51]);
        assert!(transcript.end <= ms(5000), "{:?}", transcript.end);
        // A wait the server asks for counts among them.
        let asked = call.run(&vec![failed(429, &[("retry-after", "2")]); 51]);
        assert!(asked.end <= ms(5000));
        assert!(asked.sends.len() <= 3);
        assert!(matches!(asked.error().gave_up(), Some(GaveUp::WaitTooLong { wait }) if wait >= millis(2000)));
    }
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:07 GMT";

#[test]
fn a_wait_is_at_least_what_the_server_asks_for_in_every_form() {
    let secs = Duration::from_secs;
    for (headers, at_least) in [
        (&[("retry-after", "3")][..], secs(3)),
        (&[("retry-after", " 3 ")], secs(3)),
        (&[("retry-after", "0")], secs(0)),
        (&[("retry-after", "60")], secs(60)),
        (&[("retry-after-ms", "1500")], millis(1500)),
        (&[("retry-after", "30"), ("retry-after-ms", "1500")], millis(1500)),
        (&[("retry-after", "4"), ("retry-after-ms", "soon")], secs(4)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", DATE)], secs(30)),
        (&[("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"), ("date", DATE)], secs(30)),
        (&[("retry-after", "Sun Nov  6 08:49:37 1994"), ("date", DATE)], secs(30)),
        // In the past, or unknowable: the backoff alone.
        (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), ("date", DATE)], secs(0)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], secs(0)),
        (&[("retry-after", "soon")], secs(0)),
        (&[("retry-after", "-5")], secs(0)),
    ] {
        for seed in 0..20 {
            let mut call = Call::continue_session();
            call.seed = seed;
            let transcript = call.run(&[failed(429, headers), answered("x")]);
            let wait = transcript.waits()[0];
            assert!(wait >= at_least && wait <= at_least.max(millis(500)), "{headers:?}: {wait:?}");
        }
    }
}

#[test]
fn a_wait_that_is_too_long_gives_up_at_once_and_says_so() {
    for (headers, wait) in [
        (&[("retry-after", "61")][..], Duration::from_secs(61)),
        (&[("retry-after-ms", "60001")], millis(60_001)),
        (&[("retry-after", "Sun, 06 Nov 1994 09:49:07 GMT"), ("date", DATE)], Duration::from_secs(3600)),
        (&[("retry-after", "99999999999999999999999")], Duration::from_secs(u64::MAX)),
        (&[("retry-after-ms", "99999999999999999999999")], millis(u64::MAX)),
    ] {
        let transcript = Call::create().run(&[failed(503, headers), answered("x")]);
        assert_eq!((transcript.sends.len(), transcript.end), (1, ms(0)));
        assert_eq!(transcript.error().gave_up(), Some(GaveUp::WaitTooLong { wait }));
        assert!(transcript.error().retry_after().is_some());
    }
}

#[test]
fn a_date_without_one_to_hold_it_against_is_kept_in_the_error() {
    let headers = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let transcript = Call::create().run(&vec![failed(429, &headers); 3]);
    let then = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(transcript.error().retry_after(), Some(RetryAfter::At(then)));
    assert!(transcript.error().is_rate_limited());
    assert!(transcript.end <= ms(1500));
}

#[test]
fn no_wait_is_begun_that_the_whole_calls_time_would_cut() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(2000)));
    for (wait, goes_on) in [("1000", true), ("1999", true), ("2000", false), ("2001", false)] {
        let transcript = call.run(&[failed(503, &[("retry-after-ms", wait)]), answered("x")]);
        assert_eq!(transcript.sends.len() == 2, goes_on, "{wait}");
        if !goes_on {
            assert_eq!((transcript.error().gave_up(), transcript.end), (Some(GaveUp::Deadline), ms(0)));
            assert_eq!(transcript.error().kind().name(), "api");
        }
    }
}

#[test]
fn what_a_retry_sends_is_the_same_request_without_a_key() {
    let call = Call::create();
    let mut exchange = call.exchange();
    for attempt in 1..=3 {
        let Output::Send(request) = exchange.poll_output() else { panic!() };
        assert_eq!((request.uri(), request.headers()), (call.request.http().uri(), call.request.http().headers()));
        assert_eq!((request.method(), request.body()), (call.request.http().method(), call.request.http().body()));
        assert!(!request.headers().contains_key("authorization"));
        assert_eq!(exchange.attempts(), attempt);
        exchange.handle_error(TransportError::Connect, ms(0));
        while let (Output::Wait, Some(due)) = (exchange.poll_output(), exchange.poll_timeout()) {
            exchange.handle_timeout(due);
            if exchange.poll_timeout() != Some(due) {
                break;
            }
        }
    }
}

#[test]
fn nothing_is_sent_again_once_a_success_has_begun_whatever_is_allowed() {
    let call = Call::create().with(|config| config.retry.ambiguous = true);
    let faults = [In::Eof, In::Cancel]
        .into_iter()
        .chain([TransportError::Connect, TransportError::Unsent, TransportError::MaybeSent].map(In::Fail));
    for fault in faults {
        for begin in [stream(), json()] {
            let transcript = call.run(&[vec![(0, begin), (0, fault.clone())], answered("again")]);
            assert_eq!(transcript.sends.len(), 1, "{fault:?}");
        }
    }
}

// Cancel, and the end.

#[test]
fn a_call_can_be_cancelled_in_every_state() {
    for (before, partial, attempts) in [
        (None, None, 0),
        (Some(vec![]), None, 1),
        (Some(vec![stream()]), Some(""), 1),
        (Some(vec![stream(), data(chunk("x"))]), Some("x"), 1),
        (Some(vec![stream(), data(chunk("x")), data("data: ha")]), Some("x"), 1),
        (Some(vec![json(), data("{")]), Some(""), 1),
        (Some(vec![head(503, &[]), data("x")]), None, 1),
        (Some(vec![head(503, &[("retry-after", "9")]), In::Eof]), None, 1),
    ] {
        let mut exchange = Call::create().exchange();
        if let Some(inputs) = before.clone() {
            drain(&mut exchange);
            for input in inputs {
                apply(&mut exchange, input, ms(0));
                drain(&mut exchange);
            }
        }
        exchange.cancel();
        assert!(matches!(exchange.poll_output(), Output::Done), "{before:?}");
        assert_eq!(exchange.poll_timeout(), None);
        let error = outcome(&exchange).as_ref().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Cancelled, attempts), "{before:?}");
        assert_eq!(error.partial().map(|partial| partial.content.as_str()), partial, "{before:?}");
    }
}

#[test]
fn a_driver_that_can_not_send_ends_the_call_and_the_attempt_does_not_count() {
    let no_key = || Error::invalid_request("api_key", "is empty");
    let mut exchange = Call::create().exchange();
    exchange.refuse(no_key());
    assert!(matches!(exchange.poll_output(), Output::Send(_)), "nothing was given to send yet");
    apply(&mut exchange, head(503, &[("retry-after", "0")]), ms(0));
    exchange.handle_eof(ms(0));
    assert!(matches!(exchange.poll_output(), Output::Wait));
    exchange.handle_timeout(exchange.poll_timeout().unwrap());
    assert!(matches!(exchange.poll_output(), Output::Send(_)));
    exchange.refuse(no_key());
    assert!(matches!(exchange.poll_output(), Output::Done));
    exchange.refuse(Error::cancelled());
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (no_key().kind(), 1));
    assert_eq!(error.earlier().iter().filter_map(Error::status).map(u16::from).collect::<Vec<_>>(), [503]);
}

#[test]
fn a_server_that_is_not_trusted_is_not_asked_again() {
    let untrusted = vec![(0, In::Fail(TransportError::Untrusted))];
    let call = Call::create().with(|config| config.retry.ambiguous = true);
    let transcript = call.run(&[untrusted, answered("never asked")]);
    let error = transcript.error();
    assert_eq!((error.kind(), error.attempts(), error.gave_up()), (&ErrorKind::Connect, 1, None));
}

#[test]
fn an_error_keeps_those_of_the_attempts_before_and_not_without_end() {
    let call = Call::create().with(|config| {
        (config.retry.max_retries, config.retry.base) = (20, Duration::ZERO);
    });
    let limited = |n: u32| vec![(0, head(429, &[])), (0, data(n.to_string())), (0, In::Eof)];
    let refused = vec![(0, In::Fail(TransportError::Connect))];
    for retries in [1u32, 8, 20] {
        let mut attempts: Vec<Attempt> = (1..=retries).map(limited).collect();
        attempts.push(refused.clone());
        let call = call.clone().with(|config| config.retry.max_retries = retries);
        let transcript = call.run(&attempts);
        let error = transcript.error();
        assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Connect, retries + 1));
        let bodies: Vec<u32> = error.earlier().iter().filter_map(|earlier| earlier.body()?.parse().ok()).collect();
        let kept: Vec<u32> = (1..=retries).skip((retries as usize).saturating_sub(Error::EARLIER)).collect();
        assert_eq!(bodies, kept);
        assert!(error.earlier().iter().all(|earlier| earlier.is_rate_limited() && earlier.earlier().is_empty()));
    }
}

#[test]
fn a_cancel_in_a_wait_keeps_what_it_waited_for() {
    let transcript = Call::create().run(&[vec![
        (0, head(503, &[("retry-after", "9"), ("x-request-id", "r")])),
        (0, In::Eof),
        (100, In::Cancel),
    ]]);
    let error = transcript.error();
    assert_eq!((error.kind(), transcript.end), (&ErrorKind::Cancelled, ms(100)));
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(cause.request_id(), Some("r"));
}

/// Everything that can be told to an exchange.
fn everything() -> Vec<In> {
    use TransportError::{Body, Connect, ConnectTimeout, MaybeSent, Unsent};
    let mut all =
        vec![stream(), json(), head(503, &[]), data(last("late")), data(RESULT), data(""), In::Eof, In::Cancel];
    all.extend([Connect, ConnectTimeout, Unsent, MaybeSent, Body].map(In::Fail));
    all
}

#[test]
fn after_the_end_nothing_changes() {
    for attempt in
        [answered("x"), failed(400, &[]), vec![(0, stream()), (0, In::Cancel)], vec![(0, json()), (0, In::Eof)]]
    {
        let mut exchange = Call::create().exchange();
        drain(&mut exchange);
        for (_, input) in attempt {
            apply(&mut exchange, input, ms(0));
        }
        assert!(matches!(drain(&mut exchange).1, Output::Done));
        let end = format!("{:?}", exchange.outcome());
        let all = everything();
        for n in 0..all.len() * all.len() {
            for input in [&all[n / all.len()], &all[n % all.len()]] {
                apply(&mut exchange, input.clone(), ms(n as u64 * 100_000));
                exchange.handle_timeout(ms(n as u64 * 100_000));
                exchange.handle_wait(ms(n as u64 * 100_000));
                assert!(matches!(exchange.poll_output(), Output::Done));
            }
        }
        assert_eq!(exchange.poll_timeout(), None);
        assert_eq!(format!("{:?}", exchange.outcome()), end);
        assert!(exchange.take_outcome().is_some() && exchange.take_outcome().is_none());
        assert!(matches!(exchange.poll_output(), Output::Done));
    }
}

#[test]
fn inputs_where_no_attempt_is_under_way_are_ignored() {
    // Before the request is sent.
    let mut exchange = Call::create().exchange();
    for input in everything().into_iter().filter(|input| !matches!(input, In::Cancel)) {
        apply(&mut exchange, input, ms(0));
    }
    assert!(matches!(exchange.poll_output(), Output::Send(_)));
    // In a wait: the driver dropped the attempt, but something of it was on its way.
    exchange.handle_error(TransportError::Unsent, ms(0));
    let due = exchange.poll_timeout();
    for input in everything().into_iter().filter(|input| !matches!(input, In::Cancel)) {
        apply(&mut exchange, input, ms(0));
        exchange.handle_wait(ms(0));
        assert!(matches!(exchange.poll_output(), Output::Wait));
        assert_eq!(exchange.poll_timeout(), due);
    }
    // A body before its head.
    let mut exchange = Call::create().exchange();
    drain(&mut exchange);
    exchange.handle_data(Bytes::from(last("early")), ms(0));
    assert!(matches!(exchange.poll_output(), Output::Read));
    // A second head, and what comes after the end of the body.
    for input in [stream(), data(chunk("x")), json(), In::Eof, data(last("late")), In::Fail(TransportError::Body)] {
        apply(&mut exchange, input, ms(0));
    }
    let (events, _) = drain(&mut exchange);
    assert_eq!(events.iter().filter_map(Event::text).collect::<String>(), "x");
    assert_eq!(outcome(&exchange).as_ref().map(|answer| answer.content.as_str()).ok(), Some("x"));
}

mod any_order {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Input(In),
        Timeout,
        /// The clock jumps to the next deadline.
        Due,
        Wait,
        Pass(u64),
        Poll(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let statuses = prop::sample::select(vec![200, 200, 503, 429, 500, 302, 422]);
        let types = prop::sample::select(vec!["text/event-stream", "application/json", "text/html"]);
        let lengths = prop::sample::select(vec![None, None, None, Some("5"), Some("500")]);
        let head = (statuses, types, lengths).prop_map(|(status, content_type, length)| {
            let mut headers = vec![("content-type", content_type)];
            headers.extend(length.map(|length| ("content-length", length)));
            support::head(status, &headers)
        });
        let pieces =
            vec![chunk("x"), last("y"), event("error", "e"), event("ping", "{}"), event("records_cited", CITED)];
        let more = ["", ":\n", "data: {", "\n\n", "event: message_chunk\n", "x", RESULT].map(str::to_owned);
        let data = prop::sample::select([pieces, more.to_vec()].concat()).prop_map(support::data);
        let faults = prop::sample::select(vec![
            TransportError::Connect,
            TransportError::ConnectTimeout,
            TransportError::Untrusted,
            TransportError::Unsent,
            TransportError::MaybeSent,
            TransportError::Body,
        ]);
        prop_oneof![
            4 => head.prop_map(Step::Input),
            8 => data.prop_map(Step::Input),
            1 => Just(Step::Input(In::Eof)),
            2 => faults.prop_map(|fault| Step::Input(In::Fail(fault))),
            1 => Just(Step::Input(In::Cancel)),
            2 => Just(Step::Timeout),
            3 => Just(Step::Due),
            2 => Just(Step::Wait),
            3 => (0u64..40_000).prop_map(Step::Pass),
            12 => (1u8..5).prop_map(Step::Poll),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn of_inputs_breaks_no_promise(
            steps in prop::collection::vec(step(), 0..80),
            ambiguous: bool,
            total in prop::option::of(1u64..200_000),
            seed: u64,
        ) {
            let mut call = Call::create().with(|config| {
                config.retry.ambiguous = ambiguous;
                config.timeouts.total = total.map(millis);
            });
            call.seed = seed;
            let max_sends = call.config.retry.max_retries + 1;
            let mut exchange = call.exchange();
            let (mut now, mut sends, mut text, mut events) = (ms(0), 0, String::new(), 0u64);
            let mut end: Option<String> = None;
            for step in steps.into_iter().chain([Step::Poll(200)]) {
                let begun = exchange.answer().is_some();
                match step {
                    Step::Input(input) => apply(&mut exchange, input, now),
                    Step::Timeout => exchange.handle_timeout(now),
                    Step::Due => {
                        now = now.max(exchange.poll_timeout().unwrap_or(now));
                        exchange.handle_timeout(now);
                    }
                    Step::Wait => exchange.handle_wait(now),
                    Step::Pass(passed) => now = now + millis(passed),
                    Step::Poll(times) => for _ in 0..times {
                        match exchange.poll_output() {
                            Output::Send(_) => {
                                sends += 1;
                                prop_assert!(events == 0, "sent again after an event");
                            }
                            Output::Event(event) => {
                                prop_assert!(end.is_none(), "an event after the end");
                                events += 1;
                                text += event.text().unwrap_or_default();
                                // What was handed out is in the answer so far.
                                prop_assert!(exchange.answer().is_some_and(|answer| answer.content.starts_with(&text)));
                            }
                            Output::Read | Output::Wait => prop_assert!(end.is_none() && exchange.outcome().is_none()),
                            Output::Done => prop_assert!(exchange.outcome().is_some()),
                        }
                    },
                }
                prop_assert!(sends <= max_sends && exchange.attempts() == sends);
                match (&end, exchange.outcome()) {
                    (Some(end), outcome) => prop_assert_eq!(end, &format!("{outcome:?} {:?}", exchange.answer())),
                    (None, None) => {}
                    (None, Some(outcome)) => {
                        end = Some(format!("{:?} {:?}", exchange.outcome(), exchange.answer()));
                        prop_assert_eq!(exchange.poll_timeout(), None);
                        match outcome {
                            Ok(answer) => {
                                prop_assert_eq!(&answer.content, &text);
                                prop_assert_eq!(answer.events, events);
                            }
                            Err(error) => {
                                prop_assert_eq!(error.partial().is_some(), begun);
                                prop_assert_eq!(error.attempts(), sends);
                                let content = error.partial().map_or("", |partial| &partial.content);
                                prop_assert!(content.starts_with(&text));
                            }
                        }
                    }
                }
            }
        }
    }
}

// Limits.

#[track_caller]
fn assert_limit(transcript: &support::Transcript, limit: Limit, bytes: usize, text: &str) {
    assert_eq!(transcript.error().kind(), &ErrorKind::Limit { limit, bytes });
    assert_eq!(transcript.error().partial().map(|partial| partial.content.as_str()), Some(text));
    assert_eq!(transcript.error().blame(), Blame::Server);
}

#[test]
fn an_event_may_be_as_large_as_its_limit_and_not_a_byte_larger() {
    let json = format!(r#"{{"content_chunk":"{}"}}"#, "y".repeat(100));
    let size = "message_chunk".len() + json.len();
    for pieces in [1, 7, 1000] {
        let body = chunk("x") + &event("message_chunk", &json);
        let mut attempt = vec![(0, stream())];
        attempt.extend(body.as_bytes().chunks(pieces).map(|piece| (0, data(piece))));
        attempt.push((0, In::Eof));
        let call = |limit| Call::create().with(|config| config.limits.event = limit);
        assert_eq!(call(size).run(&[attempt.clone()]).answer().content.len(), 101);
        assert_limit(&call(size - 1).run(&[attempt]), Limit::Event, size - 1, "x");
    }
    // A line without end is stopped as it comes; it need not end first.
    let endless = vec![(0, stream()), (0, data(chunk("x"))), (0, data(vec![b'z'; 20_000]))];
    let call = Call::create().with(|config| config.limits.event = 10_000);
    assert_limit(&call.run(&[endless]), Limit::Event, 10_000, "x");
}

#[test]
fn the_default_limits_admit_events_of_megabytes() {
    let cited = format!(r#"{{"citations":[{{"record":{{"title":"{}"}}}}]}}"#, "t".repeat(4 << 20));
    let attempt = vec![(0, stream()), (0, data(event("records_cited", &cited) + &last("x"))), (0, In::Eof)];
    let transcript = Call::create().run(&[attempt]);
    assert_eq!(transcript.answer().citations()[0].record.title.as_ref().map(String::len), Some(4 << 20));
}

#[test]
fn a_json_body_may_be_as_large_as_its_limit_and_not_a_byte_larger() {
    for pieces in [1, 7, 1000] {
        let mut attempt = vec![(0, json())];
        attempt.extend(RESULT.as_bytes().chunks(pieces).map(|piece| (0, data(piece))));
        attempt.push((0, In::Eof));
        let call = |limit| Call::create().with(|config| config.limits.json_body = limit);
        assert_eq!(call(RESULT.len()).run(&[attempt.clone()]).answer().content, "Hi");
        let limit = RESULT.len() - 1;
        assert_limit(&call(limit).run(&[attempt]), Limit::JsonBody, limit, "");
    }
}

#[test]
fn an_answer_may_be_as_large_as_its_limit_and_not_a_byte_larger() {
    let attempt = |text: &str| {
        // The later citations replace the earlier, which no longer count.
        let cited = event("records_cited", CITED);
        let body = [chunk("12345"), cited.clone(), cited, chunk(text)].concat();
        vec![(0, stream()), (0, data(body)), (0, In::Eof)]
    };
    let limit = CITED.len() + 10;
    let call = Call::create().with(|config| config.limits.answer = limit);
    assert_eq!(call.run(&[attempt("67890")]).answer().content, "1234567890");
    let over = call.run(&[attempt("67890a")]);
    assert_limit(&over, Limit::Answer, limit, "12345");
    assert_eq!(over.error().partial().map(|partial| partial.citations().len()), Some(1));
    // Bytes, not characters.
    assert_limit(&call.run(&[attempt("6789é")]), Limit::Answer, limit, "12345");
}

#[test]
fn a_stream_that_never_ends_ends() {
    let call = Call::create().with(|config| config.limits.answer = 1000);
    let endless = vec![(0, stream()), (0, data(chunk("0123456789").repeat(200)))];
    assert_limit(&call.run(&[endless]), Limit::Answer, 1000, &"0123456789".repeat(100));
}

#[test]
fn an_errors_body_is_kept_to_the_byte_and_is_still_that_error() {
    let call = Call::create().with(|config| config.limits.error_body = 10);
    for (body, kept) in [("123456789", "123456789"), ("1234567890", "1234567890"), ("12345678901", "1234567890")] {
        for pieces in [1, 7, 100] {
            for then in [In::Eof, In::Fail(TransportError::Body)] {
                let mut attempt = vec![(0, head(400, &[]))];
                attempt.extend(body.as_bytes().chunks(pieces).map(|piece| (0, data(piece))));
                attempt.push((0, then));
                assert_eq!(call.run(&[attempt]).error().kind(), &ErrorKind::Api { body: kept.into() });
            }
        }
    }
    // Once it is full the rest is not waited for.
    let stalled = call.run(&[vec![(0, head(400, &[])), (5, data("1234567890"))]]);
    assert_eq!((stalled.error().body(), stalled.end), (Some("1234567890"), ms(5)));
    let nothing = Call::create().with(|config| config.limits.error_body = 0).run(&[vec![(0, head(400, &[]))]]);
    assert_eq!((nothing.error().body(), nothing.end), (Some(""), ms(0)));
}

#[test]
fn a_422_whose_body_is_cut_by_the_limit_is_an_api_error() {
    let call = Call::create().with(|config| config.limits.error_body = 10);
    let head = head(422, &[("content-type", "application/json")]);
    let transcript = call.run(&[vec![(0, head), (0, data(r#"{"detail":[]}"#)), (0, In::Eof)]]);
    assert_eq!(transcript.error().kind(), &ErrorKind::Api { body: r#"{"detail":"#.into() });
}

// What is held.

#[test]
fn what_is_passed_around_is_small() {
    assert!(size_of::<Output>() <= 80, "{}", size_of::<Output>());
    assert!(size_of::<Event>() <= 72, "{}", size_of::<Event>());
    assert_eq!(size_of::<Error>(), 8);
}

#[test]
fn a_session_id_that_chunks_repeat_and_citations_are_one_allocation() {
    let body = chunk("a") + &chunk("b") + &event("records_cited", CITED) + &chunk("c");
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body)), (0, In::Eof)]]);
    let kept = transcript.answer().chat_session_id.as_deref().unwrap();
    let mut chunks = 0;
    for event in &transcript.events {
        match event {
            Event::MessageChunk(chunk) => {
                assert!(std::ptr::eq(chunk.chat_session_id.as_deref().unwrap(), kept));
                chunks += 1;
            }
            Event::RecordsCited(cited) => {
                assert!(std::ptr::eq(&**cited, &**transcript.answer().records_cited.as_ref().unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(chunks, 3);
}

#[test]
fn the_answer_so_far_is_there_from_the_head_of_a_success_on() {
    let mut exchange = Call::create().exchange();
    drain(&mut exchange);
    assert!(exchange.answer().is_none() && exchange.head().is_none());
    apply(&mut exchange, stream(), ms(0));
    assert_eq!(exchange.answer().map(|answer| answer.events), Some(0));
    assert_eq!(exchange.head().map(|head| head.status.as_u16()), Some(200));
    exchange.handle_data(Bytes::from(chunk("x")), ms(0));
    drain(&mut exchange);
    assert_eq!(exchange.answer().map(|answer| answer.content.as_str()), Some("x"));
    exchange.handle_eof(ms(0));
    drain(&mut exchange);
    assert_eq!(exchange.answer(), outcome(&exchange).as_ref().ok());
    let mut exchange = Call::create().with(|config: &mut Config| config.retry.max_retries = 0).exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(500, &[]), ms(0));
    assert!(exchange.answer().is_none() && exchange.head().is_some());
}

/// An exchange in the body of a stream, with a content timeout of ten seconds, at 0.
fn streaming() -> Exchange {
    streaming_with(Timeouts::default().with_content(Duration::from_secs(10)))
}

fn streaming_with(timeouts: Timeouts) -> Exchange {
    let config = Config::default().with_timeouts(timeouts);
    let endpoint = Endpoint::new("https://h.example").unwrap();
    let mut exchange = Exchange::new(Request::create(&endpoint, &CreateInput::new("i", "m")).unwrap(), &config, 0);
    assert!(matches!(exchange.poll_output(), Output::Send(_)));
    let head = http::Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
    exchange.handle_head(head.into_parts().0, Timestamp::START);
    exchange
}

/// Reads what is no event between two moments: for 50 ms, and then others go first for 50 ms.
fn busy(exchange: &mut Exchange, from: u64, to: u64) -> Option<u64> {
    (from..to).step_by(100).find(|&at| {
        let now = Timestamp::from_millis(at);
        exchange.handle_data(Bytes::from_static(b":\n\n"), now);
        assert!(matches!(exchange.poll_output(), Output::Read));
        exchange.handle_yield(now + millis(50));
        matches!(exchange.poll_output(), Output::Done)
    })
}

#[test]
fn signs_of_life_that_leave_no_moment_to_wait_in_end_with_the_content_clock() {
    let mut exchange = streaming();
    assert_eq!(busy(&mut exchange, 0, 60_000), Some(19_900), "half of the time was others'");
    let error = exchange.into_outcome().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { clock: Clock::Content, .. }), "{error}");
}

#[test]
fn the_whole_call_ends_a_flood_too() {
    let mut exchange = streaming_with(Timeouts::default().with_content(None).with_total(Duration::from_secs(3)));
    exchange.handle_data(Bytes::from_static(b":\n\n"), ms(2_900));
    assert!(matches!(exchange.poll_output(), Output::Read));
    exchange.handle_yield(ms(2_999));
    assert!(matches!(exchange.poll_output(), Output::Read));
    exchange.handle_yield(ms(3_000));
    assert!(matches!(exchange.poll_output(), Output::Done));
    let error = exchange.into_outcome().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { clock: Clock::Total, .. }), "{error}");
}

#[test]
fn what_was_ready_while_nobody_looked_is_read_first() {
    let mut exchange = streaming();
    exchange.handle_wait(Timestamp::START);
    // The caller is away for a minute, and then has a lot to read before an event is whole.
    assert_eq!(busy(&mut exchange, 60_000, 65_000), None);
    exchange.handle_data(Bytes::from(chunk("Yes.")), Timestamp::from_millis(65_000));
    assert!(matches!(exchange.poll_output(), Output::Event(_)));
}
