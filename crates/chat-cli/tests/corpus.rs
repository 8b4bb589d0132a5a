//! Runs the corpus through `chat sse` and `chat decode`, in several chunk sizes.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Mutex;

use support::{Run, chat, corpus, in_parallel, run_with_input};

/// Larger bodies are not fed in small chunks.
const BIG: usize = 50_000;

/// Compares the output of the command with a case.
type Judge = fn(&Value, &[u8], &Run) -> Result<(), String>;

fn check(file: &str, body: &str, command: fn(&Value) -> Vec<String>, judge: Judge) {
    let Some(text) = corpus(file) else { return };
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    assert!(cases.len() > 50, "the corpus has shrunk to {}", cases.len());
    let failed = Mutex::new(Vec::new());
    in_parallel(&cases, |case| {
        let raw = STANDARD.decode(case[body].as_str().expect("a body")).expect("base64");
        for size in [None, Some(1), Some(2), Some(3), Some(5), Some(7)] {
            if raw.len() > BIG && size.is_some_and(|size| size < 7) {
                continue;
            }
            let mut args = command(case);
            args.extend(size.map(|size| format!("--chunk={size}")));
            args.push("-".to_owned());
            let run = run_with_input(&mut chat(args), &raw);
            if let Err(why) = judge(case, &raw, &run) {
                let chunk = size.map_or_else(|| "whole".to_owned(), |size| format!("--chunk {size}"));
                failed.lock().expect("not poisoned").push(format!("{} ({chunk}): {why}", case["name"]));
                return;
            }
        }
    });
    let failed = failed.into_inner().expect("not poisoned");
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn event_streams_are_decoded_as_the_standard_says() {
    check("sse_cases.jsonl", "input_b64", |_| vec!["sse".to_owned()], judge_sse);
}

#[test]
fn answers_are_decoded_as_the_contract_says() {
    check("chat_cases.jsonl", "body_b64", decode, judge_chat);
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {} want {}", short(got), short(want))) }
}

fn short(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take(200).collect()
}

fn judge_sse(case: &Value, raw: &[u8], run: &Run) -> Result<(), String> {
    same("status", &run.status, &Some(0))?;
    same("standard error", &run.stderr.as_str(), &"")?;
    let mut lines = run.lines();
    let end = lines.pop().and_then(|mut line| line.get_mut("end").map(Value::take)).ok_or("no end line")?;
    same("events", &lines, case["events"].as_array().ok_or("no events")?)?;
    same("last_event_id", &end["last_event_id"], &case["last_event_id_string"])?;
    // A case with a note is one that the standard leaves open. All of them are about the reconnection time.
    if case.get("note").is_none() {
        same("retry_ms", &end["retry_ms"], &case["retry_ms"])?;
    }
    same("incomplete", &end["incomplete"], &Value::Bool(is_incomplete(raw)))
}

/// Whether a stream ends inside an event: in an incomplete line that is not a comment, or after a `data`, `event` or `id`
/// line without a blank line.
fn is_incomplete(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw));
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (whole, partial) = text.rsplit_once('\n').map_or(("", text.as_str()), |(whole, partial)| (whole, partial));
    if !partial.is_empty() && !partial.starts_with(':') {
        return true;
    }
    let field = |line: &str| matches!(line.split(':').next(), Some("data" | "event" | "id"));
    whole.split('\n').rev().take_while(|line| !line.is_empty()).any(field)
}

fn decode(case: &Value) -> Vec<String> {
    let mut args = vec!["decode".to_owned(), format!("--status={}", case["status"])];
    args.extend(case["content_type"].as_str().map(|kind| format!("--content-type={kind}")));
    for header in case["headers"].as_array().expect("headers") {
        let part = |n: usize| header[n].as_str().expect("a header's name and value");
        args.push(format!("--header={}: {}", part(0), part(1)));
    }
    args
}

fn judge_chat(case: &Value, _: &[u8], run: &Run) -> Result<(), String> {
    // Also checks the keys of the outcome line and the exit status.
    let outcome = run.outcome();
    let mut events = run.lines();
    events.pop();
    let expect = &case["expect"];
    let accepts = |name: &str| case["accept"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let kind = outcome["kind"].as_str().unwrap_or("completed");
    if kind != "completed" {
        same("attempts", &outcome["attempts"], &Value::from(1))?;
        let no_success = matches!(kind, "api" | "validation" | "unexpected_response");
        same("partial is null", &outcome["partial"].is_null(), &no_success)?;
        same("status", &outcome["status"], &case["status"])?;
    }
    match expect["outcome"].as_str().ok_or("no expectation")? {
        "chat_result" if kind == "decode" && accepts("decode_error") => Ok(()),
        "chat_result" => {
            same("kind", &kind, &"completed")?;
            if let Some(length) = expect.get("content_len") {
                same("content_len", &length_of(&outcome["content"]), length)?;
            } else {
                same("content", &outcome["content"], &expect["content"])?;
            }
            same("session", &outcome["chat_session_id"], &expect["chat_session_id"])?;
            same("citations", &citations(&outcome["citations"]), &citations(&expect["citations"]))?;
            // A JSON object gives the events of a stream: the whole text, then the citations.
            let mut names = vec!["message_chunk"];
            names.extend((!outcome["citations"].is_null()).then_some("records_cited"));
            same("events", &events.iter().filter_map(|event| event["event"].as_str()).collect(), &names)?;
            same("text of the events", &events[0]["data"]["content_chunk"], &outcome["content"])
        }
        "stream" => judge_stream(expect, &events, &outcome, kind),
        "validation_error" => {
            same("kind", &kind, &"validation")?;
            same("detail", &outcome["detail"], &expect["detail"])
        }
        "decode_error" if kind == "completed" && accepts("chat_result") => Ok(()),
        "decode_error" => same("kind", &kind, &"decode"),
        "unexpected_content_type" => same("kind", &kind, &"unexpected_response"),
        "api_error" => {
            let failed = case["status"].as_u64().is_some_and(|status| status >= 400);
            same("kind", &kind, &if failed { "api" } else { "unexpected_response" })?;
            judge_api(expect, &outcome)
        }
        other => Err(format!("no such expectation: {other}")),
    }
}

fn judge_stream(expect: &Value, events: &[Value], outcome: &Value, kind: &str) -> Result<(), String> {
    let received = if kind == "completed" { outcome } else { &outcome["partial"] };
    if let Some(length) = expect.get("text_len") {
        same("text_len", &length_of(&received["content"]), length)?;
    } else {
        same("text", &received["content"], &expect["text"])?;
    }
    let items = expect["items"].as_array().ok_or("no items")?;
    same("number of events", &events.len(), &items.len())?;
    for (event, item) in events.iter().zip(items) {
        judge_item(event, item)?;
    }
    let cited = events.iter().any(|event| event["event"] == "records_cited");
    same("saw_records_cited", &Value::Bool(cited), &expect["saw_records_cited"])?;
    same("citations there", &received["citations"].is_array(), &cited)?;
    let finished = Value::Bool(!received["finish_reason"].is_null());
    same("saw_finish_reason", &finished, &expect["saw_finish_reason"])?;
    let end = match expect["end"].as_str().ok_or("no end")? {
        "eof" => "completed",
        "eof_mid_event" => "truncated",
        "decode_error" => "decode",
        "stream_error" => "stream",
        other => return Err(format!("no such end: {other}")),
    };
    same("kind", &kind, &end)
}

fn judge_item(event: &Value, item: &Value) -> Result<(), String> {
    let (name, data) = (&event["event"], &event["data"]);
    match item["kind"].as_str().ok_or("no kind")? {
        "message_chunk" => {
            same("event", name, &"message_chunk".into())?;
            same("session of a chunk", &data["chat_session_id"], &item["chat_session_id"])?;
            same("finish reason of a chunk", &data["finish_reason"], &item["finish_reason"])?;
            match item.get("content_len") {
                Some(length) => same("length of a chunk", &length_of(&data["content_chunk"]), length),
                None => same("chunk", &data["content_chunk"], &item["content_chunk"]),
            }
        }
        "records_cited" => {
            same("event", name, &"records_cited".into())?;
            same("citations of an event", &citations(&data["citations"]), &citations(&item["citations"]))
        }
        _ => {
            same("event", name, &"other".into())?;
            same("type", &event["type"], &item["event"])?;
            same("data", data, &item["data"])
        }
    }
}

fn judge_api(expect: &Value, outcome: &Value) -> Result<(), String> {
    same("status", &outcome["status"], &expect["status"])?;
    if let Some(text) = expect["body_text"].as_str().filter(|text| !text.is_empty()) {
        let body = outcome["body"].as_str().unwrap_or_default();
        // A large body is truncated to our own limit.
        if body.is_empty() || !text.starts_with(body) {
            return Err(format!("body: got {} want {}", short(&body), short(&text)));
        }
    }
    if let Some(after) = expect.get("retry_after") {
        let mut after = after.clone();
        if let Some(after) = after.as_object_mut() {
            after.remove("or");
            if let Some(unix) = after.remove("unix") {
                after.insert("date_unix".to_owned(), unix);
            }
        }
        same("retry_after", &outcome["retry_after"], &after)?;
    }
    match expect.get("location") {
        Some(location) => same("location", &outcome["location"], location),
        None => Ok(()),
    }
}

fn length_of(text: &Value) -> Value {
    text.as_str().map_or(Value::Null, |text| text.chars().count().into())
}

/// Citations, with `null` for missing optional fields.
fn citations(all: &Value) -> Option<Vec<Value>> {
    let known = |citation: &Value| {
        let record = &citation["record"];
        let fields = ["type", "url", "title", "description", "breadcrumbs"].map(|name| record[name].clone());
        let number = citation["number"].as_f64();
        serde_json::json!({ "number": number, "hit_url": citation["hit_url"], "record": fields })
    };
    all.as_array().map(|all| all.iter().map(known).collect())
}

#[test]
fn an_end_inside_an_event_is_distinguished_from_a_clean_end() {
    // Also tests `is_incomplete` itself.
    for (text, incomplete) in [
        ("", false),
        ("data: a\n\n", false),
        ("data: a\n", true),
        ("data: a\r\r", false),
        ("data: a\n\nretry: 5\n", false),
        ("data: a\n\nretry: 5", true),
        (": c", false),
        ("data", true),
        ("data: a\n\n: c\n", false),
        ("data: a\n: c\n", true),
        ("foo: 1\n", false),
        ("\u{feff}id\n", true),
    ] {
        assert_eq!(is_incomplete(text.as_bytes()), incomplete, "{text:?}");
        let run = run_with_input(&mut chat(["sse", "-"]), text.as_bytes());
        assert_eq!(run.lines().last().expect("an end line")["end"]["incomplete"], incomplete, "{text:?}");
    }
}
