//! Limits on the memory of a chat completion.

use chat_proto::{ErrorKind, Limit, Limits};

use super::*;

fn limited(body: impl AsRef<[u8]>, answer: usize) -> Got {
    receive(&head(200, &[STREAM]), body, &Config::default().with_limits(Limits::default().with_answer(answer)))
}

#[track_caller]
fn check(got: &Got, limit: usize) {
    assert_eq!(got.error().kind(), &ErrorKind::Limit { limit: Limit::Answer, bytes: limit });
    let size: usize =
        got.answer.text.len() + got.answer.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>();
    assert!(size <= limit, "{size} bytes are held");
}

#[test]
fn everything_that_is_kept_counts() {
    let long = "x".repeat(60);
    let links = format!(r#"{{\"links\":[{{\"url\":\"{long}\"}}"#);
    for members in [
        format!(r#""content":"{long}""#),
        format!(r#""reasoning":"{long}""#),
        format!(r#""refusal":"{long}""#),
        format!(r#""tool_calls":[{{"index":0,"function":{{"arguments":"{long}"}}}}]"#),
        format!(r#""tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{long}"}}}}]"#),
        format!(r#""tool_calls":[{{"index":0,"function":{{"name":"provideLinks","arguments":"{links}"}}}}]"#),
        format!(r#""tool_calls":[{{"index":0,"custom":{{"name":"f","input":"{long}"}}}}]"#),
        format!(r#""function_call":{{"name":"f","arguments":"{long}"}}"#),
        format!(r#""annotations":[{{"type":"url_citation","url_citation":{{"url":"{long}"}}}}]"#),
    ] {
        let body = delta(&members).repeat(50);
        check(&limited(&body, 1000), 1000);
        assert_eq!(limited(body.clone() + DONE, 1 << 20).log().pop().as_deref(), Some("completed"), "{members}");
    }
}

#[test]
fn the_number_of_calls_is_limited() {
    let calls: String = (0..500).map(|n| delta(&format!(r#""tool_calls":[{{"index":{n}}}]"#))).collect();
    check(&limited(calls, 4000), 4000);
    let names: String =
        (0..500).map(|n| delta(&format!(r#""tool_calls":[{{"function":{{"name":"f{n}"}}}}]"#))).collect();
    check(&limited(names, 4000), 4000);
}

#[test]
fn what_is_held_back_is_limited_while_it_arrives() {
    for members in [
        r#""function_call":{"arguments":"0123456789"}"#,
        r#""annotations":[{"type":"url_citation","url_citation":{"url":"0123456789"}}]"#,
    ] {
        let config = Config::default().with_limits(Limits::default().with_answer(1000));
        let mut receiver = Receiver::completions(head(200, &[STREAM]), &config);
        let piece = delta(members);
        let fails = (0..200).any(|_| {
            let mut rest = piece.as_bytes();
            std::iter::from_fn(|| receiver.next(&mut rest)).any(|event| event.is_err())
        });
        assert!(fails, "{members}");
    }
}

#[test]
fn an_event_and_an_object_are_limited() {
    let config = Config::default().with_limits(Limits::default().with_event(100).with_json_body(100));
    let long = text(&"x".repeat(200));
    let got = receive(&head(200, &[STREAM]), text("A") + &long, &config);
    assert_eq!((got.kind(), &*got.answer.text), ("limit", "A"));
    let object = format!(r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#, "x".repeat(200));
    assert_eq!(receive(&head(200, &[JSON]), object, &config).kind(), "limit");
}

#[test]
fn many_small_items_take_no_memory() {
    let list = |item: &str, count: usize| vec![item; count].join(",");
    let choices = data(&format!(r#"{{"choices":[{}]}}"#, list(r#"{"index":0}"#, 100_000))) + DONE;
    assert_eq!(streamed(choices).log(), ["completed"]);
    // Of the pieces that add nothing, one is an event.
    let calls = delta(&format!(r#""tool_calls":[{}]"#, list(r#"{"index":0,"id":"a"}"#, 100_000))) + DONE;
    assert_eq!(streamed(calls).answer.events, 1);
    // New calls count while they are read.
    let calls: Vec<String> = (0..100_000).map(|index| format!(r#"{{"index":{index}}}"#)).collect();
    let got = limited(delta(&format!(r#""tool_calls":[{}]"#, calls.join(","))), 10_000);
    check(&got, 10_000);
    assert!(got.answer.tool_calls.len() < 200, "{}", got.answer.tool_calls.len());
}
