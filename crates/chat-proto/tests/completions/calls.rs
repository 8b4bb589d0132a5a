//! Tool calls, put together from pieces of all kinds.

use super::*;

/// A delta with these pieces of calls.
fn pieces(pieces: &str) -> String {
    delta(&format!(r#""tool_calls":[{pieces}]"#))
}

/// Checks the calls of streams, as `id name arguments`.
#[track_caller]
fn check<const N: usize>(rows: [(&str, &[&str], &[&str]); N]) {
    for (name, deltas, calls) in rows {
        let body: String = deltas.iter().map(|piece| pieces(piece)).chain([finish("\"tool_calls\"")]).collect();
        let got = streamed(&body);
        got.complete();
        assert_eq!(got.calls(), calls, "{name}: {body}");
    }
}

#[test]
fn rule_7_pieces_are_joined_by_index() {
    check([
        (
            "in order",
            &[
                r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}"#,
                r#"{"index":0,"function":{"arguments":"{\"x\""}}"#,
                r#"{"index":0,"function":{"arguments":": 1}"}}"#,
            ],
            &["a f {\"x\": 1}"],
        ),
        (
            "interleaved",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}},{"index":1,"id":"b","function":{"name":"g","arguments":"3"}}"#,
                r#"{"index":1,"function":{"arguments":"4"}}"#,
                r#"{"index":0,"function":{"arguments":"2"}}"#,
            ],
            &["a f 12", "b g 34"],
        ),
        (
            "rule 15: sorted by index",
            &[
                r#"{"index":7,"id":"c","function":{"name":"h"}}"#,
                r#"{"index":2,"id":"b","function":{"name":"g"}}"#,
                r#"{"id":"z","function":{"name":"i"}}"#,
                r#"{"index":-1,"id":"a","function":{"name":"f"}}"#,
            ],
            &["a f ", "b g ", "c h ", "z i "],
        ),
        (
            "1.0 is 1",
            &[
                r#"{"index":1,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":1.0,"function":{"arguments":"2"}}"#,
            ],
            &["a f 12"],
        ),
    ]);
}

#[test]
fn row_24_rule_15_without_an_index_the_id_identifies_a_call() {
    check([
        (
            "absent",
            &[
                r#"{"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"id":"b","function":{"name":"g","arguments":"3"}}"#,
                r#"{"id":"a","function":{"arguments":"2"}}"#,
            ],
            &["a f 12", "b g 3"],
        ),
        (
            "null",
            &[
                r#"{"index":null,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":null,"id":"b","function":{"name":"g"}}"#,
            ],
            &["a f 1", "b g "],
        ),
        (
            "no id either: the last call",
            &[
                r#"{"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"function":{"arguments":"2"}}"#,
                r#"{"id":"","function":{"name":"","arguments":"3"}}"#,
            ],
            &["a f 123"],
        ),
        (
            "the same name: the last call",
            &[r#"{"function":{"name":"f","arguments":"1"}}"#, r#"{"function":{"name":"f","arguments":"2"}}"#],
            &["- f 12"],
        ),
        (
            "another name: a new call",
            &[r#"{"function":{"name":"f","arguments":"1"}}"#, r#"{"function":{"name":"g","arguments":"2"}}"#],
            &["- f 1", "- g 2"],
        ),
        (
            "the index only on the first piece",
            &[
                r#"{"index":1,"id":"b","function":{"name":"g","arguments":"1"}}"#,
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"id":"b","function":{"arguments":"2"}}"#,
                r#"{"function":{"arguments":"3"}}"#,
            ],
            &["a f 1", "b g 123"],
        ),
    ]);
}

#[test]
fn row_25_another_id_at_the_same_index_is_another_call() {
    check([
        (
            "whole calls",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}},{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}"#,
            ],
            &["a f 1", "b f 2"],
        ),
        (
            "pieces go to the newest",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}"#,
                r#"{"index":0,"function":{"arguments":"3"}}"#,
            ],
            &["a f 1", "b f 23"],
        ),
        (
            "back to the first",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}"#,
                r#"{"index":0,"id":"a","function":{"arguments":"3"}}"#,
            ],
            &["a f 13", "b f 2"],
        ),
    ]);
}

#[test]
fn rows_26_to_29_the_first_id_and_name_count() {
    check([
        (
            "row 26: the id in every piece",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":0,"id":"a","function":{"arguments":"2"}}"#,
            ],
            &["a f 12"],
        ),
        (
            "row 27: the name in every piece",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":0,"function":{"name":"f","arguments":"2"}}"#,
            ],
            &["a f 12"],
        ),
        (
            "row 27: another name",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":0,"function":{"name":"g","arguments":"2"}}"#,
            ],
            &["a f 12"],
        ),
        (
            "row 28: later",
            &[
                r#"{"index":0,"function":{"arguments":"1"}}"#,
                r#"{"index":0,"id":"a"}"#,
                r#"{"index":0,"function":{"name":"f","arguments":"2"}}"#,
            ],
            &["a f 12"],
        ),
        (
            "row 28: overwritten by nothing",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#,
                r#"{"index":0,"id":"","function":{"name":"","arguments":"2"}}"#,
                r#"{"index":0,"id":null,"function":{"name":null,"arguments":null}}"#,
            ],
            &["a f 12"],
        ),
        (
            "row 29: no id",
            &[
                r#"{"index":0,"function":{"name":"f","arguments":"1"}},{"index":1,"function":{"name":"g","arguments":"2"}}"#,
            ],
            &["- f 1", "- g 2"],
        ),
    ]);
    let body = pieces(r#"{"index":0,"function":{"arguments":"1"}}"#)
        + &pieces(r#"{"index":0,"id":"a","function":{"name":"f"}}"#)
        + &pieces(r#"{"index":0,"id":"a","function":{"name":"f","arguments":"2"}}"#)
        + DONE;
    assert_eq!(streamed(body).log(), ["call 0 - - 1", "call 0 a f ", "call 0 - - 2", "completed"], "each is told once");
}

#[test]
fn row_30_whole_calls_and_arguments_of_any_type_are_taken() {
    check([
        (
            "whole",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}"#,
            ],
            &["a f {}", "b g "],
        ),
        (
            "an object",
            &[r#"{"index":0,"id":"a","function":{"name":"f","arguments":{"x": "\u00e9"}}}"#],
            &[r#"a f {"x": "\u00e9"}"#],
        ),
        ("a list", &[r#"{"index":0,"id":"a","function":{"name":"f","arguments":[1]}}"#], &["a f [1]"]),
        ("no function", &[r#"{"index":0,"id":"a","type":"function"}"#], &["a  "]),
    ]);
}

#[test]
fn row_31_a_repeated_call_is_not_dropped() {
    check([(
        "the same id",
        &[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
        ],
        &["a f {}{}"],
    )]);
}

#[test]
fn row_32_function_call_counts_only_without_tool_calls() {
    let old = |members: &str| delta(&format!(r#""function_call":{{{members}}}"#));
    let alone = old(r#""name":"f","arguments":"{\"a\"""#)
        + &old(r#""name":"f","arguments":":1}""#)
        + &finish("\"function_call\"");
    assert_eq!(streamed(&alone).log(), ["text \"\" function_call", "call 0 - f {\"a\":1}", "completed"]);
    let call = pieces(r#"{"index":0,"id":"a","function":{"name":"g","arguments":"1"}}"#);
    for body in [alone.clone() + &call + DONE, call.clone() + &alone + DONE] {
        assert_eq!(streamed(&body).calls(), ["a g 1"], "{body}");
    }
    let cut = streamed(old(r#""name":"f","arguments":"{""#));
    assert_eq!((cut.kind(), cut.calls()), ("truncated", vec!["- f {".to_owned()]), "nothing received is lost");
}

#[test]
fn rows_33_and_34_calls_count_with_any_reason_and_any_text() {
    let call = pieces(r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#);
    let got = streamed(text("A") + &call + &text("B") + &stop() + DONE);
    assert_eq!(got.log(), ["text \"A\"", "call 0 a f 1", "text \"B\"", "text \"\" stop", "completed"]);
    assert_eq!((&*got.answer.text, got.calls()), ("AB", vec!["a f 1".to_owned()]));
    let both = delta(r#""content":"A","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}]"#);
    assert_eq!(streamed(both + &stop()).log(), ["text \"A\"", "call 0 a f 1", "text \"\" stop", "completed"]);
}

#[test]
fn rule_15_custom_tools_have_text_as_arguments() {
    let body = pieces(r#"{"index":0,"id":"a","type":"custom","custom":{"name":"c","input":"SELECT"}}"#)
        + &pieces(r#"{"index":0,"custom":{"input":" 1"}}"#)
        + DONE;
    let got = streamed(body);
    assert_eq!(got.calls(), ["a c SELECT 1"]);
    assert!(got.answer.tool_calls[0].is_custom);
    let sent_back = chat_proto::completions::MessageToolCall::new("a", &got.answer.tool_calls[0]);
    let json = serde_json::to_string(&sent_back).expect("JSON");
    assert_eq!(json, r#"{"type":"custom","id":"a","custom":{"name":"c","input":"SELECT 1"}}"#);
}

#[test]
fn rule_15_calls_of_an_object_are_separate() {
    let call = |id: &str, name: &str| format!(r#"{{"id":{id},"function":{{"name":"{name}","arguments":"1"}}}}"#);
    let body = |calls: &[String]| {
        format!(r#"{{"choices":[{{"message":{{"tool_calls":[{}]}},"finish_reason":"tool_calls"}}]}}"#, calls.join(","))
    };
    assert_eq!(object(body(&[call("null", "f"), call("null", "f")])).calls(), ["- f 1", "- f 1"]);
    assert_eq!(object(body(&[call("\"a\"", "f"), call("\"a\"", "f")])).calls(), ["a f 1", "a f 1"]);
    let same_index = r#"{"index":0,"function":{"name":"f","arguments":"1"}}"#.to_owned();
    assert_eq!(object(body(&[same_index.clone(), same_index])).calls(), ["- f 1", "- f 1"]);
}

#[test]
fn row_25_a_piece_with_the_index_alone_continues_the_call_that_came_last() {
    let piece = |id: &str, arguments: &str| {
        let id = if id.is_empty() { String::new() } else { format!(r#""id":"{id}","#) };
        data(&format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,{id}"function":{{"name":"f","arguments":"{arguments}"}}}}]}}}}]}}"#
        ))
    };
    let body = piece("a", "1") + &piece("b", "2") + &piece("a", "3") + &piece("", "4") + DONE;
    let answer = streamed(body).answer;
    let calls: Vec<_> = answer.tool_calls.iter().map(|call| (call.id.as_deref(), &*call.arguments)).collect();
    assert_eq!(calls, [(Some("a"), "134"), (Some("b"), "2")]);
}

#[test]
fn ids_and_indexes_of_other_types_are_read() {
    let call = r#"{"index":"1","id":7,"function":{"name":"f","arguments":"{"}}"#;
    let rest = r#"{"index":1,"id":null,"function":{"arguments":"}"}}"#;
    let chunk = |call: &str| {
        data(&format!(r#"{{"choices":[{{"index":"0","delta":{{"refusal":false,"tool_calls":[{call}]}}}}]}}"#))
    };
    let answer = streamed(chunk(call) + &chunk(rest) + DONE).answer;
    let call = &answer.tool_calls[0];
    assert_eq!((call.id.as_deref(), call.server_index, &*call.arguments), (Some("7"), Some(1), "{}"));
    assert_eq!(answer.tool_calls.len(), 1);
}
