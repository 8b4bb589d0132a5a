//! Errors inside a stream: in an event without a name, in a stream without events, in a truncated event.

use super::*;

/// Runs a call with this stream, in different chunk sizes, and checks that the results are equal.
#[track_caller]
fn streamed(body: &str) -> support::Transcript {
    let run = |size: usize| {
        let pieces = body.as_bytes().chunks(size).map(|piece| (0, data(piece)));
        let attempt: Attempt = [(0, stream())].into_iter().chain(pieces).chain([(0, In::Eof)]).collect();
        Call::create().run(&[attempt])
    };
    let whole = run(usize::MAX);
    for size in [1, 2, 7, 64] {
        let cut = run(size);
        assert_eq!(cut.lines, whole.lines, "{body:?} in pieces of {size}");
        assert_eq!(cut.lines.last().map(|line| line.ends_with("completed")), Some(cut.is_answer()));
        if !cut.is_answer() {
            assert_eq!((cut.error().kind(), cut.error().body()), (whole.error().kind(), whole.error().body()));
        }
    }
    whole
}

#[test]
fn a_stream_of_lines_without_events_is_an_unexpected_response() {
    for body in [
        "{\"message\":\"Internal error\"}\n",
        "\u{feff}{\"message\":\"Internal error\"}\r\n\r\n",
        "<html>\n<p>Internal error: proxy</p>\n</html>\n",
        "Internal error\n",
        ": hello\n\nInternal error\n\n: bye\n",
        "retry: 5\nInternal error\n",
        "{\n  \"message\": \"Internal error\"\n}\n",
    ] {
        let error = streamed(body).error().clone();
        let ErrorKind::UnexpectedResponse { reason: UnexpectedResponse::NoEvents, body: start } = error.kind() else {
            panic!("{body:?}: {error}");
        };
        assert_eq!(start, body);
        assert!(error.to_string().contains("Internal error"), "{error}");
        assert_eq!((error.status().map(|status| status.as_u16()), error.gave_up()), (Some(200), None));
    }
    // Only the start of a long body is kept.
    let long = "what happened\n".repeat(1000);
    assert_eq!(streamed(&long).error().body(), Some(&long[..1024]));
}

#[test]
fn an_empty_stream_or_one_with_an_event_is_an_answer() {
    for body in ["", "\n\n", ": hello\n\n", ":\n", "retry: 5\n\n", "\u{feff}", "\u{feff}\n"] {
        assert_eq!(streamed(body).answer().text, "", "{body:?}");
    }
    for body in ["unknown: x\n\nid: 7\n\n", "event: x\n\nunknown\n", "unknown\ndata\n\n", "id: 7\n\n<p>\n"] {
        assert_eq!(streamed(body).answer().text, "", "{body:?}");
    }
    assert_eq!(streamed(&("unknown: x\n\n".to_owned() + &last("Hi"))).answer().text, "Hi");
}

#[test]
fn an_unfinished_line_is_truncated() {
    for body in ["{\"message\":\"Internal error\"}", "<html>\n<p>", "Internal error\n\nand"] {
        assert_eq!(streamed(body).error().kind(), &ErrorKind::Truncated(Truncation::InsideEvent), "{body:?}");
    }
    let short = vec![
        (0, head(200, &[("content-type", "text/event-stream"), ("content-length", "99")])),
        (0, data("Internal error\n")),
        (0, In::Eof),
    ];
    assert_eq!(Call::create().run(&[short]).error().kind(), &ErrorKind::Truncated(Truncation::ContentLength));
}

#[test]
fn an_event_without_a_name_may_be_an_error() {
    for data in [
        r#"{"error":{"message":"overloaded"}}"#,
        r#" { "id" : 1, "error" : "overloaded" } "#,
        r#"{"error":true}"#,
        r#"{"error":1}"#,
        r#"{"error":-0.5}"#,
        r#"{"error":{}}"#,
        r#"{"error":[]}"#,
        r#"{"\u0065rror":"overloaded"}"#,
        r#"{"error":null,"error":"overloaded"}"#,
        r#"{"error":"\ud83d"}"#,
    ] {
        let transcript = streamed(&(chunk("A") + &format!("data: {data}\n\n") + &last("B")));
        assert_eq!(transcript.error().kind(), &ErrorKind::Stream { data: data.to_owned() }, "{data}");
        assert_eq!(transcript.text(), "A");
        assert_eq!(transcript.error().partial().map(|partial| &*partial.text), Some("A"));
    }
}

#[test]
fn an_event_whose_error_field_is_empty_is_passed_on() {
    for data in [
        r#"{"error":null}"#,
        r#"{"error":false}"#,
        r#"{"error":0}"#,
        r#"{"error":-0.0}"#,
        r#"{"error":""}"#,
        r#"{"error":"x","error":""}"#,
        r#"{"note":"error"}"#,
        r#"{"a":{"error":"x"}}"#,
        r#"[{"error":"x"}]"#,
        r#""error""#,
        "error",
        "[DONE]",
        r#"{"error":"x""#,
        "{}",
    ] {
        let transcript = streamed(&(format!("data: {data}\n\n") + &last("B")));
        assert_eq!(transcript.answer().text, "B");
        let Event::Other(other) = &transcript.events[0] else { panic!("{data}") };
        assert_eq!((&*other.event_type, &*other.data), ("message", data));
    }
    // With another event name, it is not an error.
    let named = streamed(&(event("note", r#"{"error":"x"}"#) + &last("B")));
    assert_eq!(named.answer().text, "B");
}

#[test]
fn the_data_of_a_truncated_event_is_kept() {
    let start = chunk("A");
    for (cut, kept) in [
        ("event: error\ndata: {\"m\":\"overloaded\"}\n", Some("{\"m\":\"overloaded\"}")),
        ("event: error\ndata: {\"m\":\"overl", Some("{\"m\":\"overl")),
        ("data: one\ndata: two\nid: 7\n", Some("one\ntwo")),
        ("event: message_chunk\ndata", None),
        ("event: message_chunk\ndata:", Some("")),
        ("event: message_chunk\n", None),
        ("eve", None),
    ] {
        let error = streamed(&(start.clone() + cut)).error().clone();
        assert_eq!(error.kind(), &ErrorKind::Truncated(Truncation::InsideEvent));
        assert_eq!((error.body(), error.partial().map(|partial| &*partial.text)), (kept, Some("A")), "{cut:?}");
        // The message contains the text of an error event, but not the text of an answer.
        assert_eq!(error.to_string().contains("overl"), cut.contains("error"), "{error}");

        let lost = vec![(0, stream()), (0, data(start.clone() + cut)), (0, In::Fail(TransportError::Body))];
        let lost = Call::create().run(&[lost]).error().clone();
        assert_eq!((lost.kind().name(), lost.body()), ("truncated", kept), "{cut:?}");
    }
    let whole = vec![(0, stream()), (0, data(start)), (0, In::Fail(TransportError::Body))];
    assert_eq!(Call::create().run(&[whole]).error().body(), None);
    // The error body limit applies.
    let call = Call::create().with(|config| config.limits.error_body = 5);
    let long = vec![(0, stream()), (0, data("data: 1234567\n")), (0, In::Eof)];
    assert_eq!(call.run(&[long]).error().body(), Some("12345"));
}
