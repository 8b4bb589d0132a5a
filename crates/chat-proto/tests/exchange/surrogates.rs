//! Surrogate pairs that are split over two chunks: JSON escapes each half separately.

use super::*;

/// A chunk whose text is not escaped.
fn raw(text: &str) -> String {
    event("message_chunk", &format!(r#"{{"content_chunk":"{text}","chat_session_id":"s"}}"#))
}

/// Attempts that deliver a body in different chunk sizes.
#[track_caller]
fn attempts(body: &str, then: &In) -> Vec<Attempt> {
    let cut = |size: usize| {
        let pieces = body.as_bytes().chunks(size).map(|piece| (0, data(piece)));
        [(0, stream())].into_iter().chain(pieces).chain([(0, then.clone())]).collect()
    };
    [1, 2, 3, 7, 64, usize::MAX].map(cut).into()
}

#[test]
fn a_split_pair_is_joined() {
    let body = [raw("A"), raw(r"x\ud83d"), raw(r"\ude00y"), last("Z")].concat();
    for attempt in attempts(&body, &In::Eof) {
        let transcript = Call::create().run(&[attempt]);
        assert_eq!(transcript.answer().text, "Ax😀yZ");
        let chunks: Vec<_> = transcript.events.iter().filter_map(Event::text).collect();
        assert_eq!(chunks, ["A", "x", "😀y", "Z"]);
    }
}

#[test]
fn events_between_two_halves_do_not_separate_them() {
    let between = [raw(""), event("records_cited", CITED), event("ping", "{}"), ": comment\n\n".to_owned()];
    for between in between {
        let body = [raw(r"\uD83D"), between.clone(), raw(r"\uDE00"), last("")].concat();
        for attempt in attempts(&body, &In::Eof) {
            let transcript = Call::create().run(&[attempt]);
            assert_eq!((&*transcript.answer().text, &*transcript.text()), ("😀", "😀"), "{between}");
        }
    }
}

#[test]
fn an_unpaired_half_at_the_end_is_replaced_before_the_end() {
    let half = raw("A") + &raw(r"x\ud83d");
    let error = event("error", "no");
    let truncated = |how| ErrorKind::Truncated(how);
    for (body, then, kind) in [
        (half.clone(), In::Eof, None),
        (half.clone(), In::Fail(TransportError::Body), Some(truncated(Truncation::ConnectionLost))),
        (half.clone() + "data: {", In::Eof, Some(truncated(Truncation::InsideEvent))),
        (half.clone() + &error, In::Eof, Some(ErrorKind::Stream { data: "no".into() })),
        (half.clone() + &error, In::Fail(TransportError::Body), Some(ErrorKind::Stream { data: "no".into() })),
        (half.clone() + &error + &raw("y"), In::Eof, Some(ErrorKind::Stream { data: "no".into() })),
    ] {
        for attempt in attempts(&body, &then) {
            let transcript = Call::create().run(&[attempt]);
            let chunks: Vec<_> = transcript.events.iter().filter_map(Event::text).collect();
            assert_eq!(chunks, ["A", "x", "\u{fffd}"], "{body}");
            match &kind {
                None => assert_eq!(transcript.answer().text, "Ax\u{fffd}"),
                Some(kind) => {
                    assert_eq!(transcript.error().kind(), kind, "{body}");
                    let partial = transcript.error().partial().expect("a success had begun");
                    assert_eq!((&*partial.text, partial.events), ("Ax\u{fffd}", 3), "{body}");
                }
            }
        }
    }
}

#[test]
fn an_unpaired_half_is_replaced_before_an_idle_timeout() {
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(raw(r"x\ud83d")))]]);
    assert!(transcript.error().is_timeout());
    assert_eq!(transcript.text(), "x\u{fffd}");
    assert_eq!(transcript.error().partial().map(|partial| &*partial.text), Some("x\u{fffd}"));
}

/// After a cancel there is no further event, so a surrogate half that was held back is discarded.
#[test]
fn a_cancel_keeps_the_delivered_text() {
    for then in [String::new(), event("error", "no")] {
        let body = raw(r"x\ud83d") + &then;
        let attempt = vec![(0, stream()), (0, data(body)), (1, In::Cancel)];
        let transcript = Call::create().run(&[attempt]);
        let partial = transcript.error().partial().expect("a success had begun");
        assert_eq!(partial.text, transcript.text());
        if then.is_empty() {
            assert_eq!((transcript.error().kind(), &*partial.text), (&ErrorKind::Cancelled, "x"));
        }
    }
    // Cancel after the last text and before the error.
    let mut exchange = Call::create().exchange();
    assert!(matches!(exchange.poll_output(ms(0)), Output::Send(..)));
    support::apply(&mut exchange, stream(), ms(0));
    support::apply(&mut exchange, data(raw(r"x\ud83d") + &event("error", "no")), ms(0));
    let mut text = String::new();
    for _ in 0..2 {
        let Output::Event(event) = exchange.poll_output(ms(0)) else { panic!("an event") };
        text += event.text().expect("text");
    }
    exchange.cancel();
    let Some(Err(error)) = exchange.into_outcome() else { panic!("an error") };
    assert_eq!((error.kind(), &*text), (&ErrorKind::Cancelled, "x\u{fffd}"));
    assert_eq!(error.partial().map(|partial| &*partial.text), Some(&*text));
}

/// Splits texts in UTF-16 units at every place. The result equals that of the standard library for the whole text.
#[test]
fn chunks_add_up_to_the_text_for_every_split() {
    const UNITS: [u16; 5] = [0xD83D, 0xDE00, 0x78, 0x2028, 0xDC00];
    let escaped = |units: &[u16]| units.iter().map(|unit| format!("\\u{unit:04X}")).collect::<String>();
    for number in 0..5usize.pow(4) {
        let units: Vec<u16> = (0..4).map(|digit| UNITS[number / 5usize.pow(digit) % 5]).collect();
        let whole = String::from_utf16_lossy(&units);
        for cut in 0..=4 {
            let body = raw(&escaped(&units[..cut])) + &raw(&escaped(&units[cut..]));
            let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body)), (0, In::Eof)]]);
            assert_eq!((&*transcript.answer().text, &*transcript.text()), (&*whole, &*whole), "{units:x?} at {cut}");
        }
    }
}

#[test]
fn an_unpaired_half_in_any_other_string_is_replaced() {
    let json = r#"{"chat_session_id":"s\ud83d","message":{"role":"assistant","content":"a\ude00 b","records_cited":
        {"citations":[{"hit_url":"h\ud83d","record":{"type":"t\ud83d","title":"\ud83dt","url":"u\ud83d\ude00","breadcrumbs":["\udfff"]}}]}}}"#;
    let transcript = Call::create().run(&[vec![(0, support::json()), (0, data(json)), (0, In::Eof)]]);
    let answer = transcript.answer();
    assert_eq!((&*answer.text, answer.session_id.as_deref()), ("a\u{fffd} b", Some("s\u{fffd}")));
    let citation = &answer.citations()[0];
    assert_eq!((citation.title(), citation.url()), (Some("\u{fffd}t"), Some("h\u{fffd}")));
    assert_eq!(citation.record.record_type.as_ref().map(ToString::to_string).as_deref(), Some("t\u{fffd}"));
    assert_eq!(citation.record.url.as_deref(), Some("u😀"));
    assert_eq!(citation.record.breadcrumbs.as_deref(), Some(&["\u{fffd}".to_owned()][..]));

    // In a stream: the id, the finish reason, unknown names, citations.
    let chunk = r#"{"\ud83d":"\ude00","content_chunk":"x","chat_session_id":"\ud83d","finish_reason":"why\ude00"}"#;
    let cited = r#"{"citations":[{"record":{"title":"\ud83d"}}]}"#;
    let body = event("message_chunk", chunk) + &event("records_cited", cited);
    for attempt in attempts(&body, &In::Eof) {
        let transcript = Call::create().run(&[attempt]);
        let answer = transcript.answer();
        assert_eq!((&*answer.text, answer.session_id.as_deref()), ("x", Some("\u{fffd}")));
        assert_eq!(answer.finish_reason.as_ref().map(ToString::to_string).as_deref(), Some("why\u{fffd}"));
        assert_eq!(answer.citations()[0].title(), Some("\u{fffd}"));
    }

    let head = head(422, &[("content-type", "application/json")]);
    let detail = r#"{"detail":[{"loc":["body\ud83d",1],"msg":"\ude00","type":"\ud83d"}]}"#;
    let transcript = Call::create().run(&[vec![(0, head), (0, data(detail)), (0, In::Eof)]]);
    assert!(transcript.error().to_string().ends_with("body\u{fffd}.1: \u{fffd}"), "{}", transcript.error());
}

#[test]
fn other_malformed_json_is_an_error() {
    for text in [r"\ud83", r"\ud83d\", "\\ud83d\t", r"\ud83d\x"] {
        let transcript = Call::create().run(&[vec![(0, stream()), (0, data(raw(text))), (0, In::Eof)]]);
        assert!(matches!(transcript.error().kind(), ErrorKind::Decode { .. }), "{text}: {}", transcript.error());
        assert!(transcript.error().body().is_some_and(|body| body.contains(text)), "{:?}", transcript.error().body());
    }
}
