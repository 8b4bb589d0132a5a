//! Streams as different servers write them.

use super::*;

/// Checks the events and the end of streams.
#[track_caller]
fn check<const N: usize>(rows: [(&str, String, &[&str]); N]) {
    for (name, body, log) in rows {
        assert_eq!(streamed(&body).log(), log, "{name}: {body}");
    }
}

#[test]
fn rows_1_to_9_rule_5_a_finish_reason_or_done_is_the_end() {
    let chunk = |reason: &str| data(&format!(r#"{{"choices":[{{"delta":{{"content":"B"}}{reason}}}]}}"#));
    check([
        ("row 1: no [DONE]", text("A") + &stop(), &["text \"A\"", "text \"\" stop", "completed"]),
        ("row 2: no finish reason", text("A") + DONE, &["text \"A\"", "completed"]),
        ("row 3: neither", text("A"), &["text \"A\"", "truncated"]),
        ("row 5: empty", text("A") + &finish("\"\""), &["text \"A\"", "truncated"]),
        (
            "row 5: empty, then one",
            text("A") + &finish("\"\"") + &stop(),
            &["text \"A\"", "text \"\" stop", "completed"],
        ),
        ("row 6: absent", chunk("") + DONE, &["text \"B\"", "completed"]),
        ("row 7: the string null", text("A") + &finish("\"null\""), &["text \"A\"", "truncated"]),
        ("row 8: eos", text("A") + &finish("\"eos\""), &["text \"A\"", "text \"\" eos", "completed"]),
        ("row 8: NULL", text("A") + &finish("\"NULL\""), &["text \"A\"", "text \"\" NULL", "completed"]),
        ("row 8: error", text("A") + &finish("\"error\""), &["text \"A\"", "text \"\" error", "stream"]),
        ("row 9: with text", chunk(r#","finish_reason":"length""#), &["text \"B\" length", "completed"]),
        ("the last one counts", finish("\"length\"") + &stop(), &["text \"\" length", "text \"\" stop", "completed"]),
        ("a number does not count", finish("5") + DONE, &["completed"]),
    ]);
    assert_eq!(streamed(finish("\"length\"") + &stop()).answer.finish_reason, Some("stop".into()));
}

#[test]
fn rows_10_to_12_chunks_without_text_are_skipped() {
    let empty = data(r#"{"id":"","object":"","created":0,"model":"","prompt_filter_results":[{}],"choices":[]}"#);
    check([
        (
            "row 10: empty choices",
            empty.clone() + &text("A") + &empty + &stop(),
            &["text \"A\"", "text \"\" stop", "completed"],
        ),
        ("row 11: absent choices", data(r#"{"usage":{"x":1}}"#) + DONE, &["usage {\"x\":1}", "completed"]),
        ("row 11: null choices", data(r#"{"choices":null,"error":{}}"#), &["stream"]),
        (
            "row 12: absent delta",
            data(r#"{"choices":[{"index":0,"content_filter":{}}]}"#) + &stop(),
            &["text \"\" stop", "completed"],
        ),
        (
            "row 12: null delta",
            data(r#"{"choices":[{"index":0,"delta":null}]}"#) + &stop(),
            &["text \"\" stop", "completed"],
        ),
        ("only skipped chunks", empty, &["truncated"]),
    ]);
}

#[test]
fn rows_13_to_16_rule_17_each_usage_is_an_event_and_the_last_one_counts() {
    let used = |usage: &str| data(&format!(r#"{{"choices":[{{"index":0,"delta":{{}}}}],"usage":{usage}}}"#));
    check([
        (
            "row 13: with a choice",
            stop() + &used(r#"{"total_tokens":3}"#) + DONE,
            &["text \"\" stop", "usage {\"total_tokens\":3}", "completed"],
        ),
        (
            "row 14: in every chunk",
            used(r#"{"a":1}"#) + &used(r#"{"a":2}"#) + DONE,
            &["usage {\"a\":1}", "usage {\"a\":2}", "completed"],
        ),
        ("row 15: empty", used("{}") + DONE, &["usage {}", "completed"]),
        ("row 15: null", used("null") + DONE, &["completed"]),
        (
            "row 15: null fields",
            used(r#"{"completion_tokens": null}"#) + DONE,
            &["usage {\"completion_tokens\": null}", "completed"],
        ),
        ("row 15: not an object", used("5") + DONE, &["completed"]),
        ("row 16: none", stop() + DONE, &["text \"\" stop", "completed"]),
    ]);
    let got =
        streamed(used(r#"{"a":1}"#) + &used(r#"{"total_tokens":2,"completion_tokens":null}"#) + &used("null") + DONE);
    let usage = got.answer.usage.expect("usage");
    assert_eq!((usage.total_tokens, usage.completion_tokens, usage.prompt_tokens), (Some(2), None, None));
}

#[test]
fn rows_17_to_19_rule_14_the_first_id_and_model_that_are_not_empty_count() {
    let named = |members: &str| data(&format!(r#"{{{members},"choices":[]}}"#));
    check([
        ("row 17: none", text("A") + DONE, &["text \"A\"", "completed"]),
        ("row 18: a float", named(r#""created":1.5"#) + &named(r#""created":1.0"#) + DONE, &["completed"]),
        (
            "row 19: a new id",
            named(r#""id":"a","model":"m""#) + &named(r#""id":"b","model":"n""#) + DONE,
            &["started a m", "completed"],
        ),
        (
            "empty first",
            named(r#""id":"","model":null"#) + &named(r#""id":"b""#) + &named(r#""model":"n""#) + DONE,
            &["started b -", "started - n", "completed"],
        ),
        ("wrong types", named(r#""id":5,"model":{}"#) + DONE, &["completed"]),
    ]);
    let got = streamed(named(r#""id":"a""#) + &named(r#""id":"b","model":"n""#) + DONE);
    assert_eq!((got.answer.id(), got.answer.model()), (Some("a"), Some("n")));
}

#[test]
fn rows_20_to_23_every_form_of_text_and_reasoning_is_read() {
    let done = |body: String| body + DONE;
    check([
        (
            "row 20: role in every chunk",
            done(delta(r#""role":"assistant","content":"A""#) + &delta(r#""role":null,"content":"B""#)),
            &["text \"A\"", "text \"B\"", "completed"],
        ),
        (
            "row 21: nulls",
            done(delta(
                r#""content":null,"tool_calls":null,"function_call":null,"refusal":null,"reasoning":null,"reasoning_content":null,"annotations":null"#,
            )),
            &["completed"],
        ),
        (
            "row 22: parts",
            done(delta(
                r#""content":[{"type":"text","text":"A"},{"type":"thinking","thinking":[{"type":"text","text":"T"}]},{"type":"thinking","thinking":"U"},"B",{"type":"refusal","refusal":"R"},{"type":"image"},{"type":"output_text","text":"C"}]"#,
            )),
            &["reasoning \"TU\"", "text \"ABC\"", "refusal \"R\"", "completed"],
        ),
        ("row 23: reasoning_content", done(delta(r#""reasoning_content":"T""#)), &["reasoning \"T\"", "completed"]),
        (
            "row 23: reasoning",
            done(delta(r#""reasoning":"T","content":"A""#)),
            &["reasoning \"T\"", "text \"A\"", "completed"],
        ),
        ("row 23: think in text", done(text("<think>T</think>A")), &["text \"<think>T</think>A\"", "completed"]),
        (
            "rule 14: the same under both names",
            done(delta(r#""reasoning":"T","reasoning_content":"T""#)),
            &["reasoning \"T\"", "completed"],
        ),
        (
            "different texts under both names",
            done(delta(r#""reasoning":"B","reasoning_content":"A""#)),
            &["reasoning \"AB\"", "completed"],
        ),
        (
            "a refusal",
            done(delta(r#""refusal":"N""#) + &delta(r#""refusal":"o""#)),
            &["refusal \"N\"", "refusal \"o\"", "completed"],
        ),
        ("empty texts", done(delta(r#""content":"","reasoning":"","refusal":"""#)), &["completed"]),
    ]);
}

#[test]
fn rule_6_only_choice_0_is_read() {
    let choice = |index: &str, text: &str| format!(r#"{{"index":{index},"delta":{{"content":"{text}"}}}}"#);
    let chunk = |choices: &[String]| data(&format!(r#"{{"choices":[{}]}}"#, choices.join(",")));
    check([
        ("interleaved", chunk(&[choice("1", "B")]) + &chunk(&[choice("0", "A")]) + DONE, &["text \"A\"", "completed"]),
        ("in one chunk", chunk(&[choice("1", "B"), choice("0", "A")]) + DONE, &["text \"A\"", "completed"]),
        ("rule 14: a null index", chunk(&[choice("null", "A")]) + DONE, &["text \"A\"", "completed"]),
        ("1.0 is 1", chunk(&[choice("1.0", "B")]) + DONE, &["completed"]),
    ]);
    let other = data(r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#);
    assert_eq!(streamed(other).kind(), "truncated", "the finish reason of another choice");
}

#[test]
fn row_39_row_42_comments_and_empty_data_are_skipped() {
    check([
        ("row 39: comments", format!(": PROCESSING\n\n:\n{}:\n\n{DONE}", text("A")), &["text \"A\"", "completed"]),
        (
            "row 42: empty data",
            format!("data:\n\ndata: \n\n{}event: ping\ndata:\n\n{DONE}", text("A")),
            &["text \"A\"", "completed"],
        ),
        (
            "row 42: ping",
            format!("event: ping\nid: 7\ndata: {{\"t\":1}}\n\n{DONE}"),
            &["other ping {\"t\":1} 7", "completed"],
        ),
    ]);
}

#[test]
fn row_41_every_line_end_is_read() {
    let body = text("A") + &stop() + DONE;
    for changed in [body.clone(), body.replace('\n', "\r\n"), body.replace('\n', "\r"), body.replace("data: ", "data:")]
    {
        assert_eq!(streamed(&changed).log(), ["text \"A\"", "text \"\" stop", "completed"], "{changed:?}");
    }
    let lines = "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"A\"}}]}\n\ndata: [DONE]\n\n";
    assert_eq!(streamed(lines).log(), ["text \"A\"", "completed"]);
    assert_eq!(streamed(format!("\u{feff}{body}")).log(), ["text \"A\"", "text \"\" stop", "completed"]);
}

#[test]
fn row_55_rule_10_unknown_members_and_words_are_ignored() {
    let chunk = r#"{"service_tier":"on_demand","x":{"choices":5},"obfuscation":"ab","choices":[{"index":0,"x":[],"delta":{"content":"A","x":1,"role":"bot"},"logprobs":{"content":[]}}],"object":7}"#;
    assert_eq!(streamed(data(chunk) + DONE).log(), ["text \"A\"", "completed"]);
}

#[test]
fn rule_12_a_named_event_with_choices_is_a_chunk() {
    let named = |name: &str, json: &str| format!("event: {name}\ndata: {json}\n\n");
    let chunk = r#"{"choices":[{"delta":{"content":"A"}}]}"#;
    check([
        ("a chunk", named("completion.chunk", chunk) + DONE, &["text \"A\"", "completed"]),
        ("named message", named("message", chunk) + DONE, &["text \"A\"", "completed"]),
        ("without choices", named("x", "{\"a\":1}") + DONE, &["other x {\"a\":1} ", "completed"]),
        ("not JSON", named("x", "{a") + DONE, &["other x {a ", "completed"]),
        ("not an object", named("x", "[1]") + DONE, &["other x [1] ", "completed"]),
        ("null choices", named("x", "{\"choices\":null}") + DONE, &["other x {\"choices\":null} ", "completed"]),
        ("choices of a wrong type", named("x", "{\"choices\":5}") + DONE, &["decode"]),
        ("[DONE]", named("x", "[DONE]") + &text("A"), &["completed"]),
    ]);
}

#[test]
fn rule_1_what_follows_done_is_not_read() {
    check([
        ("chunks", text("A") + DONE + &text("B"), &["text \"A\"", "completed"]),
        ("an error", text("A") + DONE + &data(r#"{"error":"x"}"#), &["text \"A\"", "completed"]),
        ("no event stream", text("A") + DONE + "{\"x\"", &["text \"A\"", "completed"]),
        ("spaces", text("A") + "data:   [DONE] \n\n{", &["text \"A\"", "completed"]),
        ("only [DONE]", DONE.to_owned(), &["completed"]),
    ]);
}

#[test]
fn raw_chunks_are_additional_events() {
    let chunk = r#"{"choices":[{"delta":{"content":"A"},"logprobs":{"content":[1]}}],"x":1}"#;
    let named = format!("event: x\ndata: {{}}\n\n{}", data(chunk) + DONE);
    let raw = receive(&head(200, &[STREAM]), &named, &Config::default().with_raw_chunks(true));
    assert_eq!(raw.log(), ["other x {} ", &format!("chunk {chunk}"), "text \"A\"", "completed"]);
    assert_eq!(streamed(&named).log(), ["other x {} ", "text \"A\"", "completed"]);
    let object = chunk.replace("delta", "message");
    let raw = receive(&head(200, &[JSON]), &object, &Config::default().with_raw_chunks(true));
    assert_eq!(raw.log(), [&*format!("chunk {object}"), "text \"A\"", "completed"]);
}

#[test]
fn rule_6_an_ignored_choice_may_be_anything_and_all_choices_0_are_read() {
    let body = data(
        r#"{"choices":[{"index":1,"delta":"x"},{"delta":{"content":"A"}},{"index":2,"delta":{"refusal":5}}]}"#,
    ) + &data(
        r#"{"choices":[{"index":0,"delta":{"content":"B"}},{"index":0,"delta":{"content":"C"},"finish_reason":"stop"}]}"#,
    );
    assert_eq!(streamed(body).log(), ["text \"A\"", "text \"B\"", "text \"C\" stop", "completed"]);
}

#[test]
fn rule_14_the_same_reasoning_with_other_escapes_counts_once() {
    let delta = r#""reasoning":"caf\u00e9","reasoning_content":"café""#;
    let body = data(&format!(r#"{{"choices":[{{"delta":{{{delta}}}}}]}}"#)) + DONE;
    assert_eq!(streamed(body).log(), ["reasoning \"café\"", "completed"]);
}
