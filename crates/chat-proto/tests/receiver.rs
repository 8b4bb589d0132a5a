//! The receiver without an exchange: bodies that do not match their head.

use chat_proto::sessions::MessageChunk;
use chat_proto::{Error, ErrorKind, Event, Head, Limits, Receiver, Truncation};
use http::{HeaderMap, HeaderName, HeaderValue};

fn read(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Result<(), Error> {
    let mut receiver = receiver(status, headers);
    let mut input = body.as_bytes();
    while let Some(event) = receiver.next(&mut input) {
        event?;
    }
    receiver.end()
}

fn receiver(status: u16, headers: &[(&'static str, &'static str)]) -> Receiver {
    let pairs = headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let head = Head::new(status.try_into().unwrap(), pairs.collect::<HeaderMap>());
    Receiver::new(head, &Limits::default())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const STREAM: (&str, &str) = ("content-type", "text/event-stream");

#[test]
fn a_truncated_422_is_an_api_error_with_its_partial_body() {
    let body = "{\"detail\":[]}";
    let whole = read(422, &[JSON, ("content-length", "13")], body).unwrap_err();
    assert!(matches!(whole.kind(), ErrorKind::Validation { .. }), "{whole}");
    let cut = read(422, &[JSON, ("content-length", "14")], body).unwrap_err();
    assert_eq!(cut.kind(), &ErrorKind::Api { body: body.to_owned() });
}

#[test]
fn a_422_without_details_shows_its_body() {
    let error = read(422, &[JSON], "{\"error\":\"unknown integration\"}").unwrap_err();
    assert!(error.to_string().contains("unknown integration"), "{error}");
}

#[test]
fn a_content_length_has_only_digits() {
    let cut = read(200, &[STREAM, ("content-length", "5")], "").unwrap_err();
    assert_eq!(cut.kind(), &ErrorKind::Truncated(Truncation::ContentLength));
    assert!(read(200, &[STREAM, ("content-length", "+5")], "").is_ok());
}

const CHUNK: &[u8] = b"event: message_chunk\ndata: {\"content_chunk\":\"Hi\"}\n\n";

#[test]
fn an_incomplete_body_is_never_an_answer() {
    let mut cut = receiver(200, &[STREAM]);
    let mut input = &[CHUNK, b"data: {"].concat()[..];
    assert!(matches!(cut.next(&mut input), Some(Ok(_))) && cut.next(&mut input).is_none());
    let error = cut.into_answer().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Truncated(Truncation::InsideEvent));
    assert_eq!(error.partial().map(|partial| &*partial.text), Some("Hi"));

    let mut json = receiver(200, &[JSON]);
    assert!(json.next(&mut &br#"{"chat_session_id":"s","#[..]).is_none());
    assert!(matches!(json.into_answer().unwrap_err().kind(), ErrorKind::Decode { .. }));
    assert!(matches!(receiver(500, &[]).into_answer().unwrap_err().kind(), ErrorKind::Api { .. }));
}

#[test]
fn an_answer_is_complete_even_if_its_last_events_were_not_taken() {
    let result = br#"{"chat_session_id":"s","message":{"role":"assistant","content":"Hi"}}"#;
    for take in [true, false] {
        let mut json = receiver(200, &[JSON]);
        assert!(json.next(&mut &result[..]).is_none());
        if take {
            json.end().unwrap();
            assert!(json.next(&mut &[][..]).is_some_and(|event| event.is_ok()));
        }
        assert_eq!(json.into_answer().unwrap().text, "Hi");
    }
}

#[test]
fn the_end_is_final() {
    for fault in [&b"event: error\ndata: no\n\n"[..], b"event: message_chunk\ndata: {}\n\n"] {
        let mut failed = receiver(200, &[STREAM, ("x-request-id", "r-1")]);
        let mut input = &[CHUNK, fault, CHUNK].concat()[..];
        assert!(matches!(failed.next(&mut input), Some(Ok(_))));
        let Some(Err(error)) = failed.next(&mut input) else { panic!("{fault:?} is a fault") };
        assert!(failed.next(&mut input).is_none() && input.is_empty() && !failed.wants_more());
        let again = [failed.end().unwrap_err(), failed.interrupt(ErrorKind::Cancelled)];
        assert!(again.iter().all(|again| again.kind() == error.kind()));
        // The head and the partial answer are still available.
        assert_eq!((failed.head().request_id(), &*failed.answer().text), (Some("r-1"), "Hi"));
        assert_eq!(failed.into_answer().unwrap_err().kind(), error.kind());
    }

    let mut whole = receiver(200, &[STREAM]);
    assert!(whole.next(&mut &CHUNK[..]).is_some_and(|event| event.is_ok()));
    whole.end().unwrap();
    assert!(whole.next(&mut &CHUNK[..]).is_none());
    whole.end().unwrap();
    assert_eq!(whole.into_answer().unwrap().text, "Hi");
}

/// Consecutive chunks of similar form. The fast path for the second must not reuse values of the first.
#[test]
fn each_chunk_is_parsed_correctly() {
    let texts =
        ["plain", "a \\\"word\\\"", "two\\nlines", "caf\\u00e9", "back\\\\slash", "\\\\", "", "\u{1f600}", "plain"];
    let mut rows: Vec<_> =
        texts.map(|text| format!("{{\"content_chunk\":\"{text}\",\"chat_session_id\":\"s\"}}")).into();
    let oddities = [
        r#"{"content_chunk":"x","chat_session_id":"t"}"#,
        r#"{"content_chunk":"x","chat_session_id":"s","finish_reason":"stop"}"#,
        r#"{"content_chunk":"x","content_chunk_":"y","chat_session_id":"s"}"#,
        r#"{ "content_chunk" : "x" }"#,
    ];
    rows.extend(oddities.map(str::to_owned));
    for before in &rows {
        for row in &rows {
            let body = [before, row].map(|data| format!("event: message_chunk\ndata: {data}\n\n")).concat();
            let (mut receiver, mut input) = (receiver(200, &[STREAM]), body.as_bytes());
            for data in [before, row] {
                let event = receiver.next(&mut input).expect("an event").expect("a chunk");
                let alone: MessageChunk = serde_json::from_str(data).expect("JSON");
                let Event::Text(delta) = event else { panic!("{event:?}") };
                let expected = (alone.content_chunk, alone.chat_session_id, alone.finish_reason);
                assert_eq!((delta.text, delta.session_id, delta.finish_reason), expected, "{row} after {before}");
            }
        }
    }
    for broken in ["a \"word\"", "tab\there", "back\\"] {
        let body =
            format!("event: message_chunk\ndata: {{\"content_chunk\":\"{broken}\",\"chat_session_id\":\"s\"}}\n\n");
        let body = format!("event: message_chunk\ndata: {}\n\n{body}", rows[0]);
        assert!(matches!(read(200, &[STREAM], &body).unwrap_err().kind(), ErrorKind::Decode { .. }), "{broken}");
    }
}
