//! Limits of events, bodies and answers.

use super::*;

#[track_caller]
fn assert_limit(transcript: &support::Transcript, limit: Limit, bytes: usize, text: &str) {
    assert_eq!(transcript.error().kind(), &ErrorKind::Limit { limit, bytes });
    assert_eq!(transcript.error().partial().map(|partial| partial.text.as_str()), Some(text));
    assert_eq!(transcript.error().fault(), Fault::Server);
}

#[test]
fn the_event_limit_is_exact() {
    let json = format!(r#"{{"content_chunk":"{}"}}"#, "y".repeat(100));
    let size = "message_chunk".len() + json.len();
    for pieces in [1, 7, 1000] {
        let body = chunk("x") + &event("message_chunk", &json);
        let mut attempt = vec![(0, stream())];
        attempt.extend(body.as_bytes().chunks(pieces).map(|piece| (0, data(piece))));
        attempt.push((0, In::Eof));
        let call = |limit| Call::create().with(|config| config.limits.event = limit);
        assert_eq!(call(size).run(&[attempt.clone()]).answer().text.len(), 101);
        assert_limit(&call(size - 1).run(&[attempt]), Limit::Event, size - 1, "x");
    }
    // A line that does not end is stopped at the limit.
    let endless = vec![(0, stream()), (0, data(chunk("x"))), (0, data(vec![b'z'; 20_000]))];
    let call = Call::create().with(|config| config.limits.event = 10_000);
    assert_limit(&call.run(&[endless]), Limit::Event, 10_000, "x");
}

#[test]
fn the_default_limits_allow_events_of_megabytes() {
    let cited = format!(r#"{{"citations":[{{"record":{{"title":"{}"}}}}]}}"#, "t".repeat(4 << 20));
    let attempt = vec![(0, stream()), (0, data(event("records_cited", &cited) + &last("x"))), (0, In::Eof)];
    let transcript = Call::create().run(&[attempt]);
    assert_eq!(transcript.answer().citations()[0].record.title.as_ref().map(String::len), Some(4 << 20));
}

#[test]
fn the_json_body_limit_is_exact() {
    for pieces in [1, 7, 1000] {
        let mut attempt = vec![(0, json())];
        attempt.extend(RESULT.as_bytes().chunks(pieces).map(|piece| (0, data(piece))));
        attempt.push((0, In::Eof));
        let call = |limit| Call::create().with(|config| config.limits.json_body = limit);
        assert_eq!(call(RESULT.len()).run(&[attempt.clone()]).answer().text, "Hi");
        let limit = RESULT.len() - 1;
        assert_limit(&call(limit).run(&[attempt]), Limit::JsonBody, limit, "");
    }
}

#[test]
fn the_answer_limit_is_exact() {
    let attempt = |text: &str| {
        // Later citations replace earlier ones, which no longer count.
        let cited = event("records_cited", CITED);
        let body = [chunk("12345"), cited.clone(), cited, chunk(text)].concat();
        vec![(0, stream()), (0, data(body)), (0, In::Eof)]
    };
    // A citation counts with its size in memory and its string.
    let limit = size_of::<chat_proto::Citation>() + "u".len() + 10;
    let call = Call::create().with(|config| config.limits.answer = limit);
    assert_eq!(call.run(&[attempt("67890")]).answer().text, "1234567890");
    let over = call.run(&[attempt("67890a")]);
    assert_limit(&over, Limit::Answer, limit, "12345");
    assert_eq!(over.error().partial().map(|partial| partial.citations().len()), Some(1));
    // Bytes, not characters.
    assert_limit(&call.run(&[attempt("6789é")]), Limit::Answer, limit, "12345");
}

#[test]
fn empty_citations_count_with_their_size_in_memory() {
    let one = size_of::<chat_proto::Citation>();
    #[cfg(target_pointer_width = "64")]
    assert_eq!(one, 184, "as documented at `Limits`");
    let list = |count: usize| format!(r#"{{"citations":[{}]}}"#, vec![r#"{"record":{}}"#; count].join(","));
    let streamed =
        |count| vec![(0, stream()), (0, data(event("records_cited", &list(count)) + &last("x"))), (0, In::Eof)];
    let whole = |count| {
        let message = format!(r#"{{"role":"assistant","content":"x","records_cited":{}}}"#, list(count));
        vec![(0, json()), (0, data(format!(r#"{{"chat_session_id":"s","message":{message}}}"#))), (0, In::Eof)]
    };
    let call = Call::create().with(|config| config.limits.answer = 100 * one + 1);
    for attempt in [streamed(100), whole(100)] {
        assert_eq!(call.run(&[attempt]).answer().citations().len(), 100);
    }
    for attempt in [streamed(101), whole(101)] {
        assert_limit(&call.run(&[attempt]), Limit::Answer, 100 * one + 1, "");
    }
    let strings = r#"{"citations":[{"hit_url":"12345","record":{"type":"678","title":"90","url":"ab","description":"c","breadcrumbs":["d","ef"]}}]}"#;
    let call = |limit| Call::create().with(|config| config.limits.answer = limit);
    let attempt = vec![(0, stream()), (0, data(event("records_cited", strings))), (0, In::Eof)];
    let size = one + 16 + 2 * size_of::<String>();
    assert_eq!(call(size).run(std::slice::from_ref(&attempt)).answer().citations().len(), 1);
    assert_limit(&call(size - 1).run(&[attempt]), Limit::Answer, size - 1, "");
}

#[test]
fn invalid_utf8_counts_as_replacement_characters() {
    // A replacement character has three bytes.
    let body = |broken: usize| {
        let (start, end) =
            (&br#"{"chat_session_id":"s","message":{"role":"assistant","content":""#[..], &br#""}}"#[..]);
        vec![(0, json()), (0, data([start, &vec![0xff; broken], end].concat())), (0, In::Eof)]
    };
    let limit = RESULT.len() - 2 + 300;
    let call = Call::create().with(|config| config.limits.answer = limit);
    assert_eq!(call.run(&[body(100)]).answer().text, "\u{fffd}".repeat(100));
    assert_limit(&call.run(&[body(101)]), Limit::Answer, limit, "");

    let chunk = |broken: usize| {
        let (start, end) = (&b"event: message_chunk\ndata: {\"content_chunk\":\""[..], &b"\"}\n\n"[..]);
        vec![(0, stream()), (0, data([start, &vec![0xff; broken], end].concat())), (0, In::Eof)]
    };
    let call = Call::create().with(|config| config.limits.answer = 300);
    assert_eq!(call.run(&[chunk(100)]).answer().text, "\u{fffd}".repeat(100));
    assert_limit(&call.run(&[chunk(101)]), Limit::Answer, 300, "");
    // An unpaired surrogate half counts as a replacement character too.
    let half = |text: &str| {
        vec![
            (0, stream()),
            (0, data(event("message_chunk", &format!(r#"{{"content_chunk":"{text}\ud83d"}}"#)))),
            (0, In::Eof),
        ]
    };
    assert_eq!(call.run(&[half(&"x".repeat(297))]).answer().text, "x".repeat(297) + "\u{fffd}");
    assert_limit(&call.run(&[half(&"x".repeat(298))]), Limit::Answer, 300, &"x".repeat(298));
}

#[test]
fn an_endless_stream_exceeds_the_answer_limit() {
    let call = Call::create().with(|config| config.limits.answer = 1000);
    let endless = vec![(0, stream()), (0, data(chunk("0123456789").repeat(200)))];
    assert_limit(&call.run(&[endless]), Limit::Answer, 1000, &"0123456789".repeat(100));
}

#[test]
fn the_error_body_limit_is_exact_and_keeps_the_error() {
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
    // At the limit, the client does not wait for the rest.
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
