//! Errors in streams and objects, and error responses of all forms.

use super::*;

#[test]
fn rows_35_to_37_rule_3_an_error_ends_a_stream_after_its_text() {
    let error = r#"{"error":{"message":"overloaded","type":"server_error","code":503}}"#;
    let named = |name: &str, json: &str| format!("event: {name}\ndata: {json}\n\n");
    let beside = r#"{"choices":[{"index":0,"delta":{"content":"B"},"finish_reason":"error"}],"error":{"message":"m"}}"#;
    for (name, event, log, message) in [
        ("row 35", data(error), &["text \"A\"", "stream"][..], Some("overloaded")),
        ("row 35: any name", named("x", error), &["text \"A\"", "stream"], Some("overloaded")),
        ("row 36: a string", named("error", r#"{"error":"boom"}"#), &["text \"A\"", "stream"], Some("boom")),
        ("row 36: only the name", named("error", r#"{"message":"m"}"#), &["text \"A\"", "stream"], Some("m")),
        ("row 36: not JSON", named("error", "boom"), &["text \"A\"", "stream"], None),
        ("row 36: no data", "event: error\ndata:\n\n".to_owned(), &["text \"A\"", "stream"], None),
        ("row 36: [DONE]", named("error", "[DONE]"), &["text \"A\"", "stream"], None),
        ("row 37", data(beside), &["text \"A\"", "text \"B\" error", "stream"], Some("m")),
        ("row 37: named error", named("error", beside), &["text \"A\"", "text \"B\" error", "stream"], Some("m")),
        ("rule 12: empty", data(r#"{"error":{}}"#), &["text \"A\"", "stream"], None),
        ("true", data(r#"{"error":true}"#), &["text \"A\"", "stream"], None),
        ("a number", data(r#"{"error":0.5}"#), &["text \"A\"", "stream"], Some("0.5")),
        ("the last of two", data(r#"{"error":null,"error":"m"}"#), &["text \"A\"", "stream"], Some("m")),
    ] {
        let got = streamed(text("A") + &event + &text("C"));
        assert_eq!(got.log(), log, "{name}");
        let body = event.lines().find_map(|line| line.strip_prefix("data:")).expect("data");
        assert_eq!(got.error().body(), Some(body.trim_start()), "{name}");
        let said = got.error().server_error().and_then(|error| error.message);
        assert_eq!(said.as_deref(), message, "{name}");
        if let Some(message) = message {
            assert!(got.error().to_string().ends_with(&format!(": {message}")), "{name}: {}", got.error());
        }
    }
}

#[test]
fn rule_3_an_error_member_without_content_is_no_error() {
    for value in ["null", "false", "0", "-0.0", "0e5", "\"\""] {
        let body = data(&format!(r#"{{"error":{value},"choices":[{{"delta":{{"content":"A"}}}}]}}"#));
        assert_eq!(streamed(body + DONE).log(), ["text \"A\"", "completed"], "{value}");
        let named = format!("event: x\ndata: {{\"error\":{value}}}\n\n");
        assert_eq!(streamed(&named).log(), [&*format!("other x {{\"error\":{value}}} "), "truncated"]);
    }
}

#[test]
fn row_38_rule_4_rule_12_data_of_another_form_is_a_decode_error() {
    for json in [
        "error: boom",
        ": PROCESSING",
        r#"{"choices":[]}{"choices":[]}"#,
        r#"{"choices":[{"del"#,
        "5",
        "[]",
        "\"text\"",
        "null",
        r#"{"choices":5}"#,
        r#"{"choices":{}}"#,
        r#"{"choices":[null]}"#,
        r#"{"choices":[{"delta":"A"}]}"#,
        r#"{"choices":[{"delta":[]}]}"#,
        r#"{"choices":[{"delta":{"content":5}}]}"#,
        r#"{"choices":[{"delta":{"content":{"text":"A"}}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":"x"}}]}"#,
    ] {
        let got = streamed(text("A") + &data(json) + &text("B") + DONE);
        assert_eq!(got.log(), ["text \"A\"", "decode"], "{json}");
        assert_eq!((got.error().body(), &*got.answer.text), (Some(json), "A"), "the text is kept");
    }
}

#[test]
fn row_43_rule_9_an_object_with_an_error_is_an_api_error() {
    for (body, message) in [
        (r#"{"error":{"message":"m"}}"#, Some("m")),
        (r#"{"error":"m"}"#, Some("m")),
        (r#"{"object":"error","message":"m","code":404}"#, Some("m")),
        (r#"{"choices":null,"error":{}}"#, None),
    ] {
        let got = object(body);
        assert_eq!((got.kind(), got.error().status().map(|status| status.as_u16())), ("api", Some(200)), "{body}");
        assert_eq!(got.error().server_error().and_then(|error| error.message).as_deref(), message, "{body}");
        assert_eq!(got.error().body(), Some(body));
    }
    let beside = r#"{"choices":[{"message":{"content":"A"}}],"error":{"message":"m"}}"#;
    assert_eq!(object(beside).log(), ["text \"A\"", "stream"]);
    assert_eq!(object(r#"{"choices":[{"message":{"content":"A"},"finish_reason":"error"}]}"#).kind(), "stream");
}

#[test]
fn row_45_other_content_types_are_unexpected() {
    for headers in [&[("content-type", "text/plain")][..], &[], &[("content-type", "")]] {
        let got = receive(&head(200, headers), text("A"), &Config::default());
        assert_eq!((got.kind(), got.error().body()), ("unexpected_response", Some(&*text("A"))), "{headers:?}");
    }
    let charset = head(200, &[("content-type", "Text/Event-Stream; charset=utf-8")]);
    assert_eq!(receive(&charset, text("A") + DONE, &Config::default()).complete().text, "A");
}

#[test]
fn rows_46_to_53_the_message_of_every_form_of_error_is_found() {
    const SSE: &str = "text/event-stream";
    const APP: &str = "application/json";
    const HTML: &str = "text/html";
    for (row, status, content_type, body, kind, message, code) in [
        (
            46,
            429,
            SSE,
            "data: {\"error\":{\"message\":\"slow down\",\"code\":\"r\"}}\n\ndata: [DONE]\n\n",
            "api",
            "slow down",
            "r",
        ),
        (47, 400, APP, r#"[{"error":{"message":"m","code":400,"status":"INVALID"}}]"#, "api", "m", "400"),
        (48, 500, APP, r#"{"error":"m"}"#, "api", "m", ""),
        (49, 404, APP, r#"{"detail":"m"}"#, "api", "m", ""),
        (49, 422, APP, r#"{"detail":[{"loc":["body","n"],"msg":"bad","type":"t"}]}"#, "validation", "body.n: bad", ""),
        (49, 422, APP, r#"{"detail":"m"}"#, "api", "m", ""),
        (49, 422, APP, r#"{"detail":[]}"#, "api", "", ""),
        (49, 400, APP, r#"{"detail":[{"loc":["body"],"msg":"bad","type":"t"}]}"#, "api", "body: bad", ""),
        (50, 400, APP, r#"{"object":"error","message":"m","type":"t","param":null,"code":7}"#, "api", "m", "7"),
        (50, 404, APP, r#"{"message":"m"}"#, "api", "m", ""),
        (50, 404, APP, r#"{"title":"T","status":404,"detail":"m"}"#, "api", "m", ""),
        (50, 404, APP, r#"{"error":"SyntaxError","message":"m"}"#, "api", "m", ""),
        (51, 400, APP, r#"{"error":{"message":"m","type":"t","code":400,"param":5}}"#, "api", "m", "400"),
        (51, 400, APP, r#"{"error":{"message":"m","code":"400","param":{}}}"#, "api", "m", "400"),
        (52, 502, HTML, "<html>Bad gateway</html>", "api", "", ""),
        (52, 500, "text/plain", "Internal Server Error", "api", "", ""),
        (53, 400, APP, r#"{"error":{"message":"bad key"}}"#, "api", "bad key", ""),
    ] {
        let got = receive(&head(status, &[("content-type", content_type)]), body, &Config::default());
        let error = got.error();
        assert_eq!((error.kind().name(), error.body()), (kind, Some(body)), "row {row}: {body}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "row {row}");
        assert!(error.partial().is_none() && got.events.is_empty());
        let said = error.server_error().unwrap_or_default();
        assert_eq!(said.message.as_deref().unwrap_or_default(), message, "row {row}: {body}");
        assert_eq!(said.code.as_deref().unwrap_or_default(), code, "row {row}: {body}");
        let shown = error.to_string();
        assert!(shown.ends_with(if message.is_empty() { body } else { message }), "row {row}: {shown}");
    }
}

#[test]
fn row_53_the_advice_follows_the_status() {
    let advice = |status: u16, body: &str| receive(&head(status, &[JSON]), body, &Config::default()).error().advice();
    for (status, body, words) in [
        (400, "{}", "Correct the request"),
        (401, "{}", "Check the API key"),
        (402, "{}", "balance"),
        (403, "{}", "Web integration"),
        (404, "{}", "name of the model"),
        (429, "{}", "Wait"),
        (429, r#"{"error":{"code":"insufficient_quota"}}"#, "Waiting does not help"),
        (429, r#"{"error":{"type":"insufficient_quota"}}"#, "Waiting does not help"),
        (500, "{}", "Try again later"),
    ] {
        assert!(advice(status, body).contains(words), "{status}: {}", advice(status, body));
    }
}

#[test]
fn the_request_id_is_found_in_several_headers() {
    for name in ["x-request-id", "request-id", "x-litellm-call-id", "x-generation-id", "cf-ray"] {
        let got = receive(&head(500, &[JSON, (name, "r-1")]), "{}", &Config::default());
        assert_eq!(got.error().request_id(), Some("r-1"), "{name}");
    }
}
