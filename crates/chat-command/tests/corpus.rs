//! Runs the corpus through `chat sse` and `chat decode`, in several chunk sizes.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Mutex;

use support::{Run, Running, chat, corpus, in_parallel, run_with_input};

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
        let mut whole = None;
        for size in [None, Some(1), Some(2), Some(3), Some(5), Some(7)] {
            let stays_open = case["stays_open"] == true;
            if size.is_some_and(|size| stays_open || raw.len() > BIG && size < 7) {
                continue;
            }
            let mut args = command(case);
            args.extend(size.map(|size| format!("--chunk={size}")));
            args.push("-".to_owned());
            let mut command = chat(args);
            let run = if stays_open { run_without_eof(&mut command, &raw) } else { run_with_input(&mut command, &raw) };
            let whole = whole.get_or_insert_with(|| run.stdout.clone());
            if let Err(why) = judge(case, &raw, &run).and_then(|()| same("output", &run.stdout, whole)) {
                let chunk = size.map_or_else(|| "whole".to_owned(), |size| format!("--chunk {size}"));
                failed.lock().expect("not poisoned").push(format!("{} ({chunk}): {why}", case["name"]));
                return;
            }
        }
    });
    let failed = failed.into_inner().expect("not poisoned");
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// Runs a command to its end. Its standard input has this content and does not end.
fn run_without_eof(command: &mut std::process::Command, input: &[u8]) -> Run {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.stdin().expect("standard input is piped");
    stdin.write_all(input).expect("the command reads");
    let run = running.end();
    drop(stdin);
    run
}

#[test]
fn event_streams_are_decoded_as_the_standard_says() {
    check("sse_cases.jsonl", "input_b64", |_| vec!["sse".to_owned()], judge_sse);
}

#[test]
fn answers_are_decoded_as_the_contract_says() {
    check("chat_cases.jsonl", "body_b64", decode, judge_chat);
}

#[test]
fn completions_are_decoded_as_the_contract_says() {
    let decode = |case: &Value| [decode(case), vec!["--api=completions".to_owned()]].concat();
    check("completions_cases.jsonl", "body_b64", decode, judge_completion);
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

fn judge_completion(case: &Value, _: &[u8], run: &Run) -> Result<(), String> {
    let expect = case["expect"].as_object().ok_or("no expectation")?;
    let mut events = run.lines();
    let outcome = events.pop().ok_or("no outcome line")?;
    same("outcome", &outcome["outcome"], &expect["outcome"])?;
    let is_error = outcome["outcome"] == "error";
    if is_error {
        let wanted = &expect["kind"];
        let fits = wanted.as_array().map_or(&outcome["kind"] == wanted, |all| all.contains(&outcome["kind"]));
        if !fits {
            return Err(format!("kind: got {} want {wanted}", outcome["kind"]));
        }
    }
    let status = match outcome["kind"].as_str() {
        None => 0,
        Some("api" | "validation") => 3,
        Some(_) => 5,
    };
    same("exit status", &run.status, &Some(status))?;
    let answer = if is_error { &outcome["partial"] } else { &outcome };
    for (key, wanted) in expect {
        match (key.as_str(), key.strip_prefix("partial_")) {
            // These are compared above and below.
            ("outcome" | "kind" | "other", _) => {}
            ("status" | "retry_after", _) => same(key, &outcome[key], wanted)?,
            ("body_contains" | "message_contains", _) => {
                let name = key.trim_end_matches("_contains");
                let text = outcome[name].as_str().unwrap_or_default();
                let words = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
                let missing = words.iter().filter_map(Value::as_str).find(|word| !text.contains(word));
                same(&format!("words that {} lacks", short(&text)), &missing, &None)?;
            }
            ("items", _) => same(key, &Value::from_iter(chunks(&events)), wanted)?,
            ("chunks", _) => same(key, &Value::from(chunks(&events).count()), wanted)?,
            (key, part) => judge_answer(part.unwrap_or(key), answer, wanted)?,
        }
    }
    let other = events.iter().filter(|event| event["event"] == "other");
    let other =
        other.map(|event| serde_json::json!({ "type": event["type"], "data": event["data"], "id": event["id"] }));
    same("other", &other.collect(), &expect.get("other").and_then(Value::as_array).cloned().unwrap_or_default())?;
    judge_sum(answer, &events)
}

/// The chunks of text, each with its finish reason.
fn chunks(events: &[Value]) -> impl Iterator<Item = Value> + '_ {
    let chunks = events.iter().filter(|event| event["event"] == "message_chunk").map(|event| &event["data"]);
    chunks.map(|data| serde_json::json!([data["content_chunk"], data["finish_reason"]]))
}

/// Compares a field of an answer.
fn judge_answer(key: &str, answer: &Value, wanted: &Value) -> Result<(), String> {
    let calls = || answer["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
    match key {
        "content" | "reasoning" | "refusal" => {
            same(key, &answer[key].as_str().unwrap_or_default(), &wanted.as_str().unwrap_or_default())
        }
        "tool_calls" => {
            let wanted = wanted.as_array().ok_or("no calls")?;
            same("number of calls", &calls().len(), &wanted.len())?;
            calls().iter().zip(wanted).try_for_each(|(call, wanted)| judge_call(call, wanted))
        }
        "tool_call_count" => same(key, &Value::from(calls().len()), wanted),
        "tool_calls_some" => wanted.as_object().ok_or("no calls")?.iter().try_for_each(|(at, wanted)| {
            let call = at.parse().ok().and_then(|at: usize| calls().get(at));
            judge_call(call.ok_or_else(|| format!("no call {at}"))?, wanted)
        }),
        "citations" => same(key, &cited(answer), &cited(&serde_json::json!({ "citations": wanted }))),
        "usage" | "finish_reason" | "id" | "model" => {
            if matches(&answer[key], wanted) {
                Ok(())
            } else {
                same(key, &answer[key], wanted)
            }
        }
        other => Err(format!("no such expectation: {other}")),
    }
}

fn judge_call(call: &Value, wanted: &Value) -> Result<(), String> {
    same("id of a call", &call["id"], &wanted["id"])?;
    same("name of a call", &call["name"], &wanted["name"])?;
    let arguments = call["arguments"].as_str().ok_or("no arguments")?;
    if let Some(json) = wanted.get("arguments_json") {
        let text = if arguments.is_empty() { "{}" } else { arguments };
        return same("arguments", &serde_json::from_str(text).unwrap_or_default(), json);
    }
    match wanted.get("arguments_len") {
        Some(length) => same("length of arguments", &length_of(&call["arguments"]), length),
        None => same("arguments", &call["arguments"], &wanted["arguments"]),
    }
}

/// Checks that the events add up to the answer.
fn judge_sum(answer: &Value, events: &[Value]) -> Result<(), String> {
    let of = |name: &'static str| events.iter().filter(move |event| event["event"] == name);
    let text = |name| of(name).filter_map(|event| event["text"].as_str()).collect::<String>();
    let given = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let content = of("message_chunk").filter_map(|event| event["data"]["content_chunk"].as_str()).collect::<String>();
    same("text of the events", &content, &given("content"))?;
    same("reasoning of the events", &text("reasoning"), &given("reasoning"))?;
    same("refusal of the events", &text("refusal"), &given("refusal"))?;
    let usage = of("usage").next_back().map_or(Value::Null, |event| event["data"].clone());
    same("usage of the events", &usage, answer.get("usage").unwrap_or(&Value::Null))?;
    same(
        "citations of the events",
        &of("records_cited").next_back().map_or_else(Vec::new, |event| cited(&event["data"])),
        &cited(answer),
    )?;
    let mut names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    names.retain(|name| {
        !matches!(*name, "message_chunk" | "reasoning" | "refusal" | "tool_call" | "records_cited" | "usage" | "other")
    });
    same("unknown lines", &names, &Vec::new())?;
    let is_empty = |data: &Value| data["content_chunk"] == "" && data["finish_reason"].is_null();
    same("empty chunks", &of("message_chunk").filter(|event| is_empty(&event["data"])).count(), &0)
}

/// Compares values. The wanted value "any" matches every value.
fn matches(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (_, Value::String(any)) if any == "any" => true,
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && wanted.iter().all(|(name, wanted)| got.get(name).is_some_and(|got| matches(got, wanted)))
        }
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| matches(got, wanted))
        }
        _ => got == wanted,
    }
}

/// The citations of an answer of v1, with `null` for missing optional fields.
fn cited(answer: &Value) -> Vec<Value> {
    let known = |citation: &Value| {
        let record = &citation["record"];
        let fields = ["type", "url", "title", "description", "breadcrumbs"].map(|name| record[name].clone());
        serde_json::json!({ "number": citation["number"], "label": citation["label"], "record": fields })
    };
    answer["citations"].as_array().into_iter().flatten().map(known).collect()
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
