//! Surrogate halves and control characters. (rule 18)

use super::*;

type Read = fn(&Answer) -> &str;

/// Each member that has text, with a place for it, and how to read it.
const PLACES: [(&str, Read); 8] = [
    (r#""content":"@""#, |answer| &answer.text),
    (r#""content":[{"type":"text","text":"@"}]"#, |answer| &answer.text),
    (r#""reasoning":"@""#, |answer| answer.reasoning.as_deref().unwrap_or_default()),
    (r#""reasoning_content":"@""#, |answer| answer.reasoning.as_deref().unwrap_or_default()),
    (r#""refusal":"@""#, |answer| answer.refusal.as_deref().unwrap_or_default()),
    (r#""tool_calls":[{"index":0,"function":{"arguments":"@"}}]"#, |answer| &answer.tool_calls[0].arguments),
    (r#""tool_calls":[{"index":0,"custom":{"input":"@"}}]"#, |answer| &answer.tool_calls[0].arguments),
    (r#""function_call":{"arguments":"@"}"#, |answer| &answer.tool_calls[0].arguments),
];

#[test]
fn rule_18_halves_are_joined_over_deltas() {
    for (place, read) in PLACES {
        for (pieces, joined) in [
            (&[r"a\ud83d", r"\ude00b"][..], "a😀b"),
            (&[r"\ud83d", "", r"\ude00"], "😀"),
            (&[r"\ud83d\ude00"], "😀"),
            (&[r"\ud83d", "b"], "\u{fffd}b"),
            (&[r"a\ude00b"], "a\u{fffd}b"),
            (&[r"a\ud83d"], "a\u{fffd}"),
            (&[r"\ud83d\ud83d", r"\ude00"], "\u{fffd}😀"),
        ] {
            let body: String = pieces.iter().map(|piece| delta(&place.replace('@', piece))).collect();
            assert_eq!(read(streamed(body.clone() + DONE).complete()), joined, "{body}");
            let cut = streamed(&body);
            assert_eq!((cut.kind(), read(&cut.answer)), ("truncated", joined), "the partial answer of {body}");
        }
    }
}

#[test]
fn rule_18_a_lone_half_anywhere_is_no_error() {
    for (json, log) in [
        (r#"{"\ud83d":1,"choices":[{"delta":{"content":"A"}}]}"#, &["text \"A\"", "completed"][..]),
        (
            r#"{"x":"\ud83d","choices":[{"\ude00":1,"delta":{"\ud83d":"\ud83d","content":"A"}}]}"#,
            &["text \"A\"", "completed"],
        ),
        (r#"{"id":"\ud83d","choices":[]}"#, &["started \u{fffd} -", "completed"]),
        (r#"{"choices":[{"delta":{},"finish_reason":"\ud83d"}]}"#, &["text \"\" \u{fffd}", "completed"]),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"\ud83d","function":{"name":"\ude00"}}]}}]}"#,
            &["call 0 \u{fffd} \u{fffd} ", "completed"],
        ),
        (r#"{"choices":[],"error":"\ud83d"}"#, &["stream"]),
    ] {
        assert_eq!(streamed(data(json) + DONE).log(), log, "{json}");
    }
    let got = streamed(data(r#"{"choices":[],"usage":{"total_tokens":1,"x":"\ud83d"}}"#) + DONE);
    assert_eq!(got.complete().usage.as_ref().and_then(|usage| usage.total_tokens), Some(1));
    let links = r#""tool_calls":[{"index":0,"function":{"name":"provideLinks","arguments":"{\"links\":[{\"url\":\"u\",\"title\":\"\\ud83d\"}]}"}}]"#;
    assert_eq!(streamed(delta(links) + DONE).answer.citations()[0].title(), Some("\u{fffd}"));
}

#[test]
fn control_characters_in_strings_are_a_decode_error() {
    for body in [
        data("{\"choices\":[{\"delta\":{\"content\":\"a\u{1}\"}}]}"),
        data("{\"x\":\"\t\",\"choices\":[]}"),
        data("{\"\u{1}\":1,\"choices\":[]}"),
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\ndata: b\"}}]}\n\n".to_owned(),
    ] {
        assert_eq!(streamed(&body).kind(), "decode", "{body:?}");
    }
    assert_eq!(
        streamed("data:\t{\"choices\":\t[]}\n\ndata: [DONE]\n\n").log(),
        ["completed"],
        "white space is no error"
    );
    assert_eq!(object("{\"choices\":[{\"message\":{\"content\":\"a\nb\"}}]}").kind(), "decode");
    assert_eq!(streamed(text("a\u{7f}\u{85}\u{2028}") + DONE).complete().text, "a\u{7f}\u{85}\u{2028}");
}

#[test]
fn invalid_utf_8_is_replaced() {
    let body = [b"data: {\"choices\":[{\"delta\":{\"content\":\"a\xff\"}}]}\n\n", DONE.as_bytes()].concat();
    assert_eq!(streamed(body).log(), ["text \"a\u{fffd}\"", "completed"]);
}
