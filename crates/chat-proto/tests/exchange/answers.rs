//! Complete answers.

use super::*;

#[test]
fn a_stream_gives_its_events_and_the_merged_answer() {
    let transcript = Call::create().run(&[vec![
        (30, stream()),
        (5, data(chunk("He"))),
        (5, data(event("records_cited", CITED))),
        (5, data(chunk("llo") + &last("!"))),
        (5, In::Eof),
    ]]);
    assert_eq!(transcript.lines, ["0 send", "35 chunk He", "40 cited 1", "45 chunk llo", "45 chunk !", "50 completed"]);
    let answer = transcript.answer();
    assert_eq!(answer.text, "Hello!");
    assert_eq!(answer.session_id.as_deref(), Some("s"));
    assert_eq!(answer.finish_reason, Some(FinishReason::Stop));
    assert_eq!(answer.citation(1).and_then(|citation| citation.record.url.as_deref()), Some("u"));
    assert_eq!(answer.events, 4);
    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.head.headers["content-type"], "text/event-stream");
}

#[test]
fn a_json_answer_gives_the_same_events_as_a_stream() {
    let body = r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Hi [1]","records_cited":{"citations":[{"number":1.0,"record":{}}]}}}"#;
    let (front, back) = body.split_at(40);
    let cut = vec![(30, json()), (5, data(front)), (5, data(back)), (5, In::Eof)];
    let transcript = Call::create().run(&[cut]);
    assert_eq!(transcript.lines, ["0 send", "45 chunk Hi [1]", "45 cited 1", "45 completed"]);
    let answer = transcript.answer();
    assert_eq!((answer.text.as_str(), answer.session_id.as_deref()), ("Hi [1]", Some("s")));
    assert_eq!((answer.finish_reason.as_ref(), answer.events), (None, 2));
    match &transcript.events[0] {
        Event::Text(chunk) => assert_eq!(chunk.session_id.as_deref(), Some("s")),
        other => panic!("{other:?}"),
    }
    // Without citations there is no citations event. A byte order mark is allowed.
    let plain = Call::create().run(&[vec![(0, json()), (0, data("\u{feff}")), (0, data(RESULT)), (0, In::Eof)]]);
    assert_eq!(plain.lines, ["0 send", "0 chunk Hi", "0 completed"]);
    assert_eq!(plain.answer().citations, None);
}

#[test]
fn the_content_type_selects_the_format() {
    for content_type in ["TEXT/Event-Stream; charset=utf-8", "text/event-stream;", " text/event-stream "] {
        let head = head(200, &[("content-type", content_type)]);
        let transcript = Call::continue_session().run(&[vec![(0, head), (0, data(last("x"))), (0, In::Eof)]]);
        assert_eq!(transcript.answer().text, "x", "{content_type}");
    }
    for content_type in ["Application/JSON", "application/json;charset=utf-8", "application/json ; a=b"] {
        let head = head(200, &[("content-type", content_type)]);
        let transcript = Call::create().run(&[vec![(0, head), (0, data(RESULT)), (0, In::Eof)]]);
        assert_eq!(transcript.answer().text, "Hi", "{content_type}");
    }
}

#[test]
fn the_answer_has_all_text_and_the_last_id_reason_and_citations() {
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
    assert_eq!(answer.text, "xxxx");
    assert_eq!(answer.session_id.as_deref(), Some("2"));
    assert_eq!(answer.finish_reason, Some(FinishReason::from("new-reason")));
    assert_eq!(answer.citations.as_ref().map(|cited| cited.len()), Some(0));
}

#[test]
fn a_clean_end_without_a_finish_reason_completes_the_answer() {
    let transcript = Call::create().run(&[streamed(&[(0, In::Eof)])]);
    assert_eq!((transcript.answer().text.as_str(), &transcript.answer().finish_reason), ("He", &None));
    let empty = Call::create().run(&[vec![(0, stream()), (0, In::Eof)]]);
    assert_eq!((empty.answer().text.as_str(), empty.answer().events), ("", 0));
}

#[test]
fn unknown_events_are_passed_on_unchanged() {
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
    assert_eq!((transcript.answer().text.as_str(), transcript.answer().events), ("!", 5));
}

#[test]
fn every_chunk_size_gives_the_same_events() {
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
fn invalid_utf8_is_replaced_in_both_formats() {
    let body =
        [&b"event: message_chunk\ndata: {\"content_chunk\":\"a\xff\xe2\x82b\"}\n\n"[..], last("").as_bytes()].concat();
    let transcript = Call::create().run(&[vec![(0, stream()), (0, data(body)), (0, In::Eof)]]);
    assert_eq!(transcript.answer().text, "a\u{fffd}\u{fffd}b");
    let body = b"{\"chat_session_id\":\"s\",\"message\":{\"role\":\"assistant\",\"content\":\"\xf0\x9f\"}}";
    let transcript = Call::create().run(&[vec![(0, json()), (0, data(body)), (0, In::Eof)]]);
    assert_eq!(transcript.answer().text, "\u{fffd}");
}
