//! Answers in one JSON object. (rule 8)

use serde_json::{Value, json};

use super::*;

/// An object with a message, and the stream that says the same in small pieces.
fn both(message: &Value, reason: &str) -> (String, String) {
    let start = json!({"id": "c-1", "model": "m"});
    let usage = json!({"total_tokens": 5, "x": [1]});
    let whole = json!({
        "id": "c-1", "model": "m", "object": "chat.completion", "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    });
    let mut deltas = Vec::new();
    for (name, value) in message.as_object().expect("a message") {
        match value {
            Value::String(text) => deltas.extend(pieces(text).map(|piece| json!({name: piece}))),
            Value::Array(calls) if name == "tool_calls" => {
                calls.iter().enumerate().for_each(|(index, call)| deltas.extend(call_pieces(index, call)));
            }
            other => deltas.push(json!({name: other})),
        }
    }
    let chunk = |delta: Value| data(&json!({"choices": [{"index": 0, "delta": delta}]}).to_string());
    let body = data(&start.to_string())
        + &deltas.into_iter().map(chunk).collect::<String>()
        + &finish(&format!("{reason:?}"))
        + &data(&json!({"choices": [], "usage": usage}).to_string())
        + DONE;
    (whole.to_string(), body)
}

fn pieces(text: &str) -> impl Iterator<Item = String> + '_ {
    text.chars().map(String::from)
}

fn call_pieces(index: usize, call: &Value) -> Vec<Value> {
    let (member, field) = if call["custom"].is_object() { ("custom", "input") } else { ("function", "arguments") };
    let mut first = call.clone();
    first["index"] = index.into();
    first[member][field] = "".into();
    let rest = pieces(call[member][field].as_str().expect("arguments"))
        .map(|piece| json!({"index": index, member: {field: piece}}));
    [first].into_iter().chain(rest).map(|piece| json!({"tool_calls": [piece]})).collect()
}

#[test]
fn rule_8_an_object_and_a_stream_give_the_same_answer() {
    let link = r#"{"links":[{"label":"1","url":"u","title":"T"}],"text":"x"}"#;
    for (message, reason) in [
        (json!({"role": "assistant", "content": "Hi 😀"}), "stop"),
        (json!({"content": null, "refusal": "No."}), "content_filter"),
        (json!({"reasoning_content": "So.", "content": "A"}), "length"),
        (json!({"content": [{"type": "text", "text": "A"}, {"type": "thinking", "thinking": "B"}]}), "eos"),
        (
            json!({"content": "A", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}},
                {"id": "b", "type": "custom", "custom": {"name": "c", "input": "raw"}},
            ]}),
            "tool_calls",
        ),
        (
            json!({"content": "A", "tool_calls": [{"id": "a", "function": {"name": "provideLinks", "arguments": link}}]}),
            "stop",
        ),
        (json!({"content": "A", "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}), "stop"),
        (json!({"content": null, "function_call": {"name": "f", "arguments": "{}"}}), "function_call"),
    ] {
        let (whole, stream) = both(&message, reason);
        let (one, other) = (object(&whole), streamed(&stream));
        let (one_answer, other_answer) = (one.complete(), other.complete());
        let known = |answer: &Answer| {
            let calls: Vec<_> = answer.tool_calls.iter().map(|call| (call.id.clone(), call.is_custom)).collect();
            let texts = (answer.text.clone(), answer.reasoning.clone(), answer.refusal.clone());
            let ids = (answer.id().map(str::to_owned), answer.model().map(str::to_owned));
            (texts, ids, calls, answer.citations.clone(), answer.usage.clone(), answer.finish_reason.clone())
        };
        assert_eq!(known(one_answer), known(other_answer), "{message}");
        assert_eq!(one.calls(), other.calls(), "{message}");
        let kinds = |got: &Got| {
            let mut kinds: Vec<_> = got.events.iter().map(std::mem::discriminant).collect();
            kinds.dedup();
            kinds.len()
        };
        assert!(kinds(&one) >= 2 && one.answer.events <= other.answer.events, "an object has events too");
    }
}

#[test]
fn row_11_an_object_without_choices_is_a_decode_error() {
    for body in
        ["{}", r#"{"choices":null}"#, r#"{"choices":[]}"#, r#"{"choices":[{"index":1,"message":{}}]}"#, "[]", "5", ""]
    {
        let got = object(body);
        assert_eq!((got.kind(), got.error().body()), ("decode", Some(body)), "{body}");
    }
}

#[test]
fn row_40_white_space_before_an_object_is_skipped() {
    let body = r#"{"choices":[{"message":{"content":"A"}}]}"#;
    for start in ["\n\n\n", "\u{feff}", " \r\n"] {
        assert_eq!(object(format!("{start}{body}")).complete().text, "A", "{start:?}");
    }
}

#[test]
fn row_44_the_content_type_decides_whatever_was_asked_for() {
    for stream in [true, false] {
        let input = CompletionInput::new("m", ["Hi"]).with_stream(stream);
        let request = Request::complete(&endpoint(), &input).expect("a request");
        let call = Call { request, ..Call::create() };
        for (start, body) in [
            (support::stream(), text("A") + &stop()),
            (support::json(), r#"{"choices":[{"message":{"content":"A"}}]}"#.to_owned()),
        ] {
            let transcript = call.run(&[vec![(0, start), (0, support::data(body)), (0, support::In::Eof)]]);
            assert_eq!(transcript.answer().text, "A");
        }
    }
}

#[test]
fn an_object_without_a_finish_reason_is_complete() {
    let got = object(r#"{"choices":[{"message":{"content":"A"},"finish_reason":null}]}"#);
    assert_eq!((got.log(), &got.answer.finish_reason), (vec!["text \"A\"".to_owned(), "completed".to_owned()], &None));
    let cut = receive(&head(200, &[JSON, ("content-length", "99")]), r#"{"choices":[]}"#, &Config::default());
    assert_eq!(cut.kind(), "truncated");
}

#[test]
fn rule_8_an_error_beside_an_empty_list_of_choices_ends_both_forms() {
    for json in [r#"{"error":{"message":"boom"},"choices":[]}"#, r#"{"object":"error","message":"boom","choices":[]}"#]
    {
        let got = object(json);
        assert_eq!(got.log().pop().as_deref(), Some("stream"), "{json}");
        assert_eq!(got.error().server_error().and_then(|error| error.message).as_deref(), Some("boom"));
    }
    assert_eq!(streamed(data(r#"{"error":{"message":"boom"},"choices":[]}"#)).log(), ["stream"]);
    assert_eq!(object(r#"{"choices":[]}"#).log(), ["decode"]);
}
