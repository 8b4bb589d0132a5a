//! The OpenAI-style API of the server over real HTTP, asked by a bare client.

mod common;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use chat_mock::Server;
use chat_proto::sessions::{AssistantMessage, RecordsCited};
use chat_proto::{Citation, Record, RecordType};
use common::{Http, http, post, text, until};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use server::{ask, bind, send};

/// The canned answer.
const ANSWER: &str = "This is a canned answer from the mock server. [1] It is the same for every question. [2]";

fn chat_url(server: &Server) -> String {
    format!("{}/v1/chat/completions", server.url())
}

fn question(text: &str) -> Value {
    json!({ "model": "any-model", "messages": [{ "role": "user", "content": text }] })
}

/// A question with more fields.
fn with(fields: Value) -> Value {
    let mut body = question("Where do the frogs live?");
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    body.as_object_mut().expect("a question is an object").extend(fields);
    body
}

fn tool(name: &str, parameters: Value) -> Value {
    let mut tool = forced(name);
    tool["function"]["parameters"] = parameters;
    tool
}

fn forced(name: &str) -> Value {
    json!({ "type": "function", "function": { "name": name } })
}

/// Posts a question and reads the choice of the answer in one object.
async fn choice(server: &Server, body: &Value) -> Value {
    let (status, headers, text) = ask(&http(), &chat_url(server), body).await;
    assert_eq!((status, headers["content-type"].as_bytes()), (200, &b"application/json"[..]), "{text}");
    let mut answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["choices"][0].take()
}

async fn content(server: &Server, body: &Value) -> String {
    choice(server, body).await["message"]["content"].as_str().expect("text").to_owned()
}

/// Posts a question and reads the chunks of the stream.
async fn chunks(server: &Server, mut body: Value) -> Vec<Value> {
    body["stream"] = json!(true);
    let (status, headers, stream) = ask(&http(), &chat_url(server), &body).await;
    assert_eq!((status, headers["content-type"].as_bytes()), (200, &b"text/event-stream"[..]), "{stream}");
    let events = stream.strip_suffix("data: [DONE]\n\n").expect("the last event is the end");
    let data = events.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("only data"));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// Puts the message of a stream together, by the rules of the API.
fn message(chunks: &[Value]) -> Value {
    let mut message = json!({});
    for delta in chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).map(|choice| &choice["delta"]) {
        for (name, value) in delta.as_object().expect("a delta is an object") {
            match (name.as_str(), value) {
                ("content", Value::String(text)) => {
                    message["content"] = json!(format!("{}{text}", message["content"].as_str().unwrap_or_default()));
                }
                ("tool_calls", calls) => {
                    let fragment = &calls[0];
                    assert_eq!((calls.as_array().map(Vec::len), &fragment["index"]), (Some(1), &json!(0)));
                    let arguments = fragment["function"]["arguments"].as_str().expect("a string");
                    if message.get("tool_calls").is_none() {
                        let mut call = fragment.clone();
                        call.as_object_mut().expect("an object").remove("index");
                        message["tool_calls"] = json!([call]);
                    } else {
                        assert!(fragment.get("id").is_none() && fragment["function"].get("name").is_none());
                        let so_far = message["tool_calls"][0]["function"]["arguments"].as_str().expect("a string");
                        message["tool_calls"][0]["function"]["arguments"] = json!(format!("{so_far}{arguments}"));
                    }
                }
                _ => message[name] = value.clone(),
            }
        }
    }
    message
}

/// The JSON arguments of a choice's only call.
fn arguments(choice: &Value) -> Value {
    let calls = choice["message"]["tool_calls"].as_array().expect("there are calls");
    assert_eq!(calls.len(), 1);
    serde_json::from_str(calls[0]["function"]["arguments"].as_str().expect("a string")).expect("JSON")
}

#[tokio::test]
async fn one_object() {
    let server = bind(Server::builder()).await;
    let (status, headers, body) = ask(&http(), &chat_url(&server), &question("Where do the frogs live?")).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        serde_json::from_str::<Value>(&body).expect("JSON"),
        json!({
            "id": "chatcmpl-00000001",
            "object": "chat.completion",
            "created": 1_735_689_600,
            "model": "any-model",
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": ANSWER, "refusal": null },
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": { "prompt_tokens": 5, "completion_tokens": 18, "total_tokens": 23 },
        })
    );
}

#[tokio::test]
async fn a_stream() {
    let server = bind(Server::builder()).await;
    let chunks = chunks(&server, question("Where do the frogs live?")).await;
    let chunk = |delta: Value, finish_reason: Option<&str>| {
        json!({
            "id": "chatcmpl-00000001",
            "object": "chat.completion.chunk",
            "created": 1_735_689_600,
            "model": "any-model",
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }],
        })
    };
    let words = ANSWER.split_inclusive(' ').map(|word| json!({ "content": word }));
    let deltas = std::iter::once(json!({ "role": "assistant", "content": "", "refusal": null })).chain(words);
    let mut expected: Vec<Value> = deltas.map(|delta| chunk(delta, None)).collect();
    expected.push(chunk(json!({}), Some("stop")));
    assert_eq!(chunks, expected);
}

#[tokio::test]
async fn usage_is_in_a_stream_if_it_is_asked_for() {
    let server = bind(Server::builder()).await;
    for (options, included) in [
        (json!({ "include_usage": true }), true),
        (json!({ "include_usage": false }), false),
        (json!({ "include_usage": null, "include_obfuscation": false }), false),
        (Value::Null, false),
    ] {
        let chunks = chunks(&server, with(json!({ "stream_options": options }))).await;
        let (last, before) = chunks.split_last().expect("there are chunks");
        if included {
            assert_eq!(last["choices"], json!([]));
            assert_eq!(last["usage"], json!({ "prompt_tokens": 5, "completion_tokens": 18, "total_tokens": 23 }));
            assert!(before.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
        } else {
            assert_eq!(last["choices"][0]["finish_reason"], "stop");
            assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
        }
    }
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection() {
    // The second event would come tomorrow.
    let server = bind(Server::builder().chunk_delay(Duration::from_secs(86_400))).await;
    let http = http();
    let mut body = send(&http, post(&chat_url(&server), with(json!({ "stream": true })).to_string())).await.into_body();
    let first = body.frame().await.expect("a frame").expect("whole").into_data().expect("data");
    assert!(first.ends_with(b"\n\n"), "one event is one frame");
    assert_eq!(server.open_connections(), 1);
    drop((body, http));
    until("the connection is closed", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn the_history_is_that_of_the_messages() {
    let server = bind(Server::builder().respond_with(|history, question| {
        let turns: Vec<_> = history.entries().map(|entry| (&entry.question, &entry.answer)).collect();
        AssistantMessage::new(format!("{question} {turns:?}"), None)
    }))
    .await;
    let call = json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let body = json!({ "model": "m", "messages": [
        { "role": "system", "content": "Be brief." },
        { "role": "assistant", "content": "Hello." },
        { "role": "user", "content": "a" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "c", "content": "not a turn" },
        { "role": "assistant", "content": [{ "type": "text", "text": "A" }, { "type": "refusal", "refusal": "no" }] },
        { "role": "developer", "content": [{ "type": "text", "text": "Be kind." }] },
        { "role": "user", "content": "b" },
        { "role": "user", "content": [
            { "type": "text", "text": "c" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,eA==" } },
            { "type": "text", "text": "d" },
        ], "name": "me" },
        { "role": "assistant", "content": "cut off" },
    ] });
    assert_eq!(content(&server, &body).await, r#"cd [("a", "A"), ("b", "")]"#);
    assert_eq!(content(&server, &question("x")).await, "x []");
}

#[tokio::test]
async fn citations_are_links_for_a_client_that_lists_the_tool() {
    let server = bind(Server::builder()).await;
    let links = tool("provideLinks", json!({ "type": "object" }));
    let call = json!({
        "links": [
            {
                "label": "1",
                "url": "https://docs.example/mock#1",
                "title": "Canned answers",
                "description": "This is a canned answer from the mock server.",
                "type": "documentation",
                "breadcrumbs": ["Mock server", "Canned answers"],
            },
            {
                "label": "2",
                "url": "https://docs.example/mock#2",
                "title": "Questions",
                "description": "It is the same for every question.",
                "type": "documentation",
                "breadcrumbs": ["Mock server", "Questions"],
            },
        ],
    });
    for choice_of_tool in [Value::Null, json!("auto"), json!("required"), forced("provideLinks")] {
        let body = with(json!({ "tools": [links], "tool_choice": choice_of_tool }));
        let whole = choice(&server, &body).await;
        assert_eq!(whole["finish_reason"], "tool_calls");
        assert_eq!(whole["message"]["content"], ANSWER);
        assert_eq!(whole["message"]["tool_calls"][0]["type"], "function");
        assert_eq!(whole["message"]["tool_calls"][0]["function"]["name"], "provideLinks");
        assert_eq!(arguments(&whole), call);

        let chunks = chunks(&server, body).await;
        let mut streamed = message(&chunks);
        // The ids are those of the request.
        assert_ne!(streamed["tool_calls"][0]["id"], whole["message"]["tool_calls"][0]["id"]);
        streamed["tool_calls"][0]["id"] = whole["message"]["tool_calls"][0]["id"].clone();
        assert_eq!(streamed, whole["message"]);
        let has = |name: &str| chunks.iter().map(|chunk| chunk["choices"][0]["delta"].get(name).is_some()).collect();
        let (texts, fragments): (Vec<bool>, Vec<bool>) = (has("content"), has("tool_calls"));
        assert!(fragments.iter().filter(|fragment| **fragment).count() > 3);
        assert!(texts.iter().rposition(|text| *text) < fragments.iter().position(|fragment| *fragment));
        assert_eq!(chunks.last().expect("chunks")["choices"][0]["finish_reason"], "tool_calls");
    }
    for without in [json!({ "tools": [links], "tool_choice": "none" }), json!({ "tools": [tool("f", json!({}))] })] {
        let whole = choice(&server, &with(without)).await;
        assert_eq!((&whole["finish_reason"], whole["message"].get("tool_calls")), (&json!("stop"), None));
    }
}

#[tokio::test]
async fn links_have_what_the_citation_has() {
    let server = bind(Server::builder().respond_with(|_, question| {
        let mut bare = Citation::new(7, Record::new(RecordType::Other("wiki".into())));
        bare.hit_url = Some("https://docs.example/hit".to_owned());
        let citations = if question == "none" { Vec::new() } else { vec![bare] };
        AssistantMessage::new("Grüße [7]", Some(RecordsCited::new(citations)))
    }))
    .await;
    let links = tool("provideLinks", json!({ "type": "object", "required": ["text"] }));
    let link = json!({
        "label": "7", "url": "https://docs.example/hit", "title": null, "description": null, "type": "wiki",
        "breadcrumbs": null,
    });
    let whole = choice(&server, &with(json!({ "tools": [links] }))).await;
    assert_eq!(arguments(&whole), json!({ "links": [link], "text": "Grüße [7]" }));

    // Without citations, the call is made only if it is forced.
    let mut body = with(json!({ "tools": [links], "messages": [{ "role": "user", "content": "none" }] }));
    assert_eq!(choice(&server, &body).await["finish_reason"], "stop");
    body["tool_choice"] = json!("required");
    assert_eq!(arguments(&choice(&server, &body).await), json!({ "links": [], "text": "Grüße [7]" }));
}

#[tokio::test]
async fn a_forced_function_is_called_instead_of_text() {
    let server = bind(Server::builder()).await;
    let weather = json!({
        "type": "object",
        "properties": { "place": { "type": "string" }, "unit": { "enum": ["C", "F"] }, "note": { "type": "string" } },
        "required": ["place", "unit"],
    });
    let tools = json!([tool("weather", weather), tool("ping", json!({ "type": "object", "properties": {} }))]);
    let place = json!({ "place": "Where do the frogs live?", "unit": "C" });
    for (tool_choice, name, expected) in [
        (json!("required"), "weather", &place),
        (forced("weather"), "weather", &place),
        (forced("ping"), "ping", &json!({})),
    ] {
        let body = with(json!({ "tools": tools, "tool_choice": tool_choice }));
        let whole = choice(&server, &body).await;
        assert_eq!((&whole["finish_reason"], &whole["message"]["content"]), (&json!("tool_calls"), &Value::Null));
        assert_eq!(whole["message"]["tool_calls"][0]["function"]["name"], name);
        assert_eq!(&arguments(&whole), expected);

        let mut streamed = message(&chunks(&server, body).await);
        streamed["tool_calls"][0]["id"] = whole["message"]["tool_calls"][0]["id"].clone();
        assert_eq!(streamed, whole["message"]);
    }
}

#[tokio::test]
async fn the_result_of_a_tool_is_answered_in_text() {
    let server = bind(Server::builder()).await;
    let after = |name: &str| {
        let call = json!({ "id": "c", "type": "function", "function": { "name": name, "arguments": "{}" } });
        json!({
            "model": "m",
            "messages": [
                { "role": "user", "content": "Where?" },
                { "role": "assistant", "tool_calls": [call] },
                { "role": "tool", "tool_call_id": "c", "content": "Here." },
            ],
            "tools": [tool("f", json!({})), tool("provideLinks", json!({}))],
            "tool_choice": "required",
        })
    };
    // The links are still to come. Once they were provided, they are not provided again.
    for (name, finish_reason) in [("f", "tool_calls"), ("provideLinks", "stop")] {
        let whole = choice(&server, &after(name)).await;
        assert_eq!((&whole["message"]["content"], &whole["finish_reason"]), (&json!(ANSWER), &json!(finish_reason)));
    }
}

#[tokio::test]
async fn the_text_may_be_json() {
    let server = bind(Server::builder().respond_with(|_, _| AssistantMessage::new("Yes.", None))).await;
    let schema = |schema: Value| json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    let properties = json!({
        "text": { "type": "string" },
        "maybe": { "type": ["null", "string"] },
        "count": { "type": "integer" },
        "ratio": { "type": "number" },
        "sure": { "type": "boolean" },
        "nothing": { "type": "null" },
        "list": { "type": "array", "items": { "type": "string" } },
        "level": { "type": "string", "enum": ["high", "low"] },
        "kind": { "const": "answer" },
        "inner": { "$ref": "#/$defs/inner" },
        "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
    });
    let inner = json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": {} }, "required": ["a"] });
    let all = json!({ "type": "object", "properties": properties, "$defs": { "inner": inner } });
    let mut some = all.clone();
    some["required"] = json!(["count", "level"]);
    for (format, expected) in [
        (json!({ "type": "json_object" }), json!({ "answer": "Yes." })),
        (json!({ "type": "json_schema", "json_schema": { "name": "n" } }), json!({ "answer": "Yes." })),
        (
            schema(all),
            json!({
                "text": "Yes.", "maybe": "Yes.", "count": 0, "ratio": 0, "sure": false, "nothing": null, "list": [],
                "level": "high", "kind": "answer", "inner": { "a": "Yes." }, "either": "Yes.",
            }),
        ),
        (schema(some), json!({ "count": 0, "level": "high" })),
    ] {
        let body = with(json!({ "response_format": format }));
        let whole = content(&server, &body).await;
        assert_eq!(serde_json::from_str::<Value>(&whole).expect("JSON"), expected);
        assert_eq!(message(&chunks(&server, body).await)["content"], whole);
    }
    assert_eq!(content(&server, &with(json!({ "response_format": { "type": "text" } }))).await, "Yes.");
}

#[tokio::test]
async fn a_schema_that_refers_to_itself_has_a_bounded_value() {
    let server = bind(Server::builder()).await;
    let next = json!({ "anyOf": [{ "$ref": "#" }, { "type": "null" }] });
    let schema = json!({ "type": "object", "properties": { "next": next } });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    let text = content(&server, &with(json!({ "response_format": format }))).await;
    assert_eq!(text, r#"{"next":{"next":null}}"#);

    // This one has no end.
    let properties = json!({ "a": { "$ref": "#" }, "b": { "$ref": "#" }, "c": { "$ref": "#" } });
    let schema = json!({ "type": "object", "properties": properties });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    let text = content(&server, &with(json!({ "response_format": format }))).await;
    assert!(text.len() < 100_000, "{}", text.len());
}

#[tokio::test]
async fn models() {
    let server = bind(Server::builder()).await;
    let mut request = post(&format!("{}/v1/models", server.url()), "");
    *request.method_mut() = http::Method::GET;
    let response = send(&http(), request).await;
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].as_bytes()),
        (200, &b"application/json"[..])
    );
    let model = |id: &str| json!({ "id": id, "object": "model", "created": 1_735_689_600, "owned_by": "inkeep" });
    let names = ["inkeep-qa-expert", "inkeep-context-expert", "inkeep-base-expert"];
    assert_eq!(
        serde_json::from_str::<Value>(&text(response).await).expect("JSON"),
        json!({ "object": "list", "data": names.map(model) })
    );
}

/// Reads an error: its message, type, param and code.
fn error(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let names: Vec<&String> = body["error"].as_object().expect("an object").keys().collect();
    assert_eq!(names, ["code", "message", "param", "type"]);
    assert_eq!(body["error"]["type"], "invalid_request_error");
    body["error"].clone()
}

fn has_rate_limit(headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let names = ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    names.map(value) == [Some("1000"), Some("999"), Some("60ms")]
}

#[tokio::test]
async fn every_response_has_its_id_and_the_rate_limit() {
    let server = bind(Server::builder()).await;
    let http = http();
    let url = chat_url(&server);
    let (_, first, _) = ask(&http, &url, &question("x")).await;
    let (_, second, _) = ask(&http, &url, &with(json!({ "stream": true }))).await;
    let (status, third, _) = ask(&http, &url, &json!({})).await;
    assert_eq!(status, 400);
    assert_eq!([&first, &second, &third].map(has_rate_limit), [true; 3]);
    let ids = [&first, &second, &third].map(|headers| headers["x-request-id"].as_bytes());
    assert_eq!(ids, [b"req-00000001", b"req-00000002", b"req-00000003"]);
    // The other API has no such headers.
    assert!(!has_rate_limit(&ask(&http, &server.url(), &json!({})).await.1));
}

/// Posts a body that is rejected. Returns the message and the field.
async fn rejected(http: &Http, url: &str, body: impl ToString) -> (String, Option<String>) {
    let body = body.to_string();
    let response = send(http, post(url, body.clone())).await;
    assert_eq!(response.status(), 400, "{body}");
    let error = error(&text(response).await);
    assert_eq!(error["code"], Value::Null);
    (error["message"].as_str().expect("text").to_owned(), error["param"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_body_must_be_an_object() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), chat_url(&server));
    for broken in ["", "{", "no json", "{}{}", &"[".repeat(100_000)] {
        let (message, param) = rejected(&http, &url, broken).await;
        assert!(message.starts_with("The body is not valid JSON: "), "{message}");
        assert_eq!(param, None);
    }
    for other in ["[]", "null", "1"] {
        let expected = ("The body must be an object.".to_owned(), None);
        assert_eq!(rejected(&http, &url, other).await, expected, "{other}");
    }
}

#[tokio::test]
async fn the_wrong_field_is_named() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), chat_url(&server));
    let message = |message: Value| json!({ "messages": [message] });
    let content = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    let call = |call: Value| json!({ "messages": [{ "role": "assistant", "tool_calls": [call] }] });
    let f = json!([tool("f", json!({}))]);
    for (fields, param, says) in [
        (json!({ "model": null }), "model", "is required"),
        (json!({ "model": "" }), "model", "not empty"),
        (json!({ "model": 4 }), "model", "a string"),
        (json!({ "messages": null }), "messages", "is required"),
        (json!({ "messages": [] }), "messages", "at least one user message"),
        (json!({ "messages": {} }), "messages", "an array"),
        (json!({ "messages": ["x"] }), "messages[0]", "an object"),
        (message(json!({ "role": "system", "content": "x" })), "messages", "at least one user message"),
        (message(json!({ "content": "x" })), "messages[0].role", "is required"),
        (message(json!({ "role": "robot", "content": "x" })), "messages[0].role", "one of 'system'"),
        (message(json!({ "role": "assistant" })), "messages[0].content", "is required"),
        (message(json!({ "role": "tool", "content": "x" })), "messages[0].tool_call_id", "is required"),
        (content(Value::Null), "messages[0].content", "is required"),
        (content(json!(1)), "messages[0].content", "a string or an array"),
        (content(json!([])), "messages[0].content", "at least one part"),
        (content(json!([{ "type": "text" }])), "messages[0].content[0].text", "is required"),
        (content(json!([{ "type": "refusal", "refusal": "x" }])), "messages[0].content[0].type", "one of 'text'"),
        (content(json!([{ "type": "file", "file": "x" }])), "messages[0].content[0].file", "an object"),
        (call(json!({ "type": "function" })), "messages[0].tool_calls[0].id", "is required"),
        (
            call(json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": {} } })),
            "messages[0].tool_calls[0].function.arguments",
            "a string",
        ),
        (json!({ "stream": "yes" }), "stream", "true or false"),
        (json!({ "stream_options": { "include_usage": true } }), "stream_options", "absent"),
        (json!({ "stream": true, "stream_options": { "include_usage": 1 } }), "stream_options.include_usage", "true"),
        (json!({ "n": 2 }), "n", "one choice per answer"),
        (json!({ "n": 0 }), "n", "must be 1"),
        (json!({ "tools": {} }), "tools", "an array"),
        (json!({ "tools": [{ "type": "function", "function": {} }] }), "tools[0].function.name", "is required"),
        (json!({ "tools": [{ "type": "other" }] }), "tools[0].type", "one of 'function'"),
        (json!({ "tools": [tool("f", json!(1))] }), "tools[0].function.parameters", "an object"),
        (json!({ "tool_choice": "required" }), "tool_choice", "no function"),
        (json!({ "tools": f, "tool_choice": "f" }), "tool_choice", "'none', 'auto', 'required'"),
        (json!({ "tools": f, "tool_choice": { "type": "custom" } }), "tool_choice.type", "'function'"),
        (json!({ "tools": f, "tool_choice": forced("g") }), "tool_choice.function.name", "in 'tools'"),
        (json!({ "response_format": "json" }), "response_format", "an object"),
        (json!({ "response_format": { "type": "xml" } }), "response_format.type", "one of 'text'"),
        (json!({ "response_format": { "type": "json_schema" } }), "response_format.json_schema", "is required"),
    ] {
        let (message, actual) = rejected(&http, &url, with(fields.clone())).await;
        assert_eq!(actual.as_deref(), Some(param), "{fields}");
        assert!(message.starts_with(&format!("'{param}' ")) && message.contains(says), "{fields}: {message}");
    }
}

#[tokio::test]
async fn null_counts_as_absent_and_unknown_fields_are_ignored() {
    let server = bind(Server::builder()).await;
    let body = with(json!({
        "stream": null, "stream_options": null, "n": 1, "tools": null, "tool_choice": null, "response_format": null,
        "temperature": 0.5, "later": { "is": "fine" },
    }));
    assert_eq!(content(&server, &body).await, ANSWER);
}

#[tokio::test]
async fn the_key_is_checked() {
    let server = bind(Server::builder().api_key("right")).await;
    let http = http();
    for (key, status) in [(None, 401), (Some("Bearer "), 401), (Some("Bearer wrong"), 401), (Some("Bearer right"), 200)]
    {
        let mut request = post(&chat_url(&server), question("x").to_string());
        request.headers_mut().remove("authorization");
        if let Some(key) = key {
            request.headers_mut().insert("authorization", key.parse().expect("a header value"));
        }
        let response = send(&http, request).await;
        assert_eq!(response.status(), status, "{key:?}");
        if status == 401 {
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert!(has_rate_limit(response.headers()));
            assert_eq!(error(&text(response).await)["code"], "invalid_api_key");
        }
    }
}

#[tokio::test]
async fn wrong_methods_and_paths() {
    let server = bind(Server::builder()).await;
    let http = http();
    for (path, method, allowed) in [("/v1/chat/completions", "GET", "POST"), ("/v1/models", "POST", "GET")] {
        let mut request = post(&format!("{}{path}", server.url()), "");
        *request.method_mut() = method.parse().expect("a method");
        let response = send(&http, request).await;
        assert_eq!((response.status().as_u16(), response.headers()["allow"].as_bytes()), (405, allowed.as_bytes()));
        error(&text(response).await);
    }
    for path in ["/v1", "/v1/", "/v1/chat/completions/", "/v1/completions", "/v1/chat_sessions/chat_results"] {
        let response = send(&http, post(&format!("{}{path}", server.url()), question("x").to_string())).await;
        assert_eq!(response.status(), 404, "{path}");
        error(&text(response).await);
    }
    let response = send(&http, post(&format!("{}/v10/models", server.url()), "")).await;
    assert_eq!(text(response).await, r#"{"detail":"Not Found"}"#);
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_413() {
    let server = bind(Server::builder()).await;
    let response = send(&http(), post(&chat_url(&server), question(&"x".repeat(1 << 20)).to_string())).await;
    assert_eq!(response.status(), 413);
    error(&text(response).await);
}
