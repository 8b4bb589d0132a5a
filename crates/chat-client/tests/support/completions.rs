//! Answers of `/v1`, and what was sent to get them.

use chat_client::{Client, ToolCall};
use chat_mock::memory::{MemoryTransport, Script};
use serde_json::{Value, json};

/// A client that answers from these scripts, and its transport.
pub(crate) fn client(scripts: impl IntoIterator<Item = Script>) -> (Client<MemoryTransport>, MemoryTransport) {
    let transport = MemoryTransport::new(scripts);
    (Client::builder().api_key("k").build_on(transport.clone()).unwrap(), transport)
}

/// One chunk of a stream.
pub(crate) fn chunk(delta: &Value, finish_reason: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish_reason});
    format!("data: {}\n\n", json!({"id": "c-1", "model": "served-1", "choices": [choice]}))
}

/// A chunk of text.
pub(crate) fn text(text: &str) -> String {
    chunk(&json!({"content": text}), None)
}

/// An answer in one JSON object.
pub(crate) fn message(message: &Value) -> Script {
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Script::json(200, json!({"id": "c-1", "model": "served-1", "choices": [choice]}).to_string())
}

/// An answer that only calls functions: their ids and names. The arguments are `{"q":1}`.
pub(crate) fn calls(calls: &[(Option<&str>, &str)]) -> Script {
    message(&json!({"role": "assistant", "content": null, "tool_calls": call_list(calls)}))
}

/// Calls as the server sends them.
pub(crate) fn call_list(calls: &[(Option<&str>, &str)]) -> Value {
    calls.iter().map(|(id, name)| call(*id, name)).collect()
}

fn call(id: Option<&str>, name: &str) -> Value {
    let mut call = json!({"type": "function", "function": {"name": name, "arguments": "{\"q\":1}"}});
    if let Some(id) = id {
        call["id"] = id.into();
    }
    call
}

/// A call as an answer has it.
pub(crate) fn answered(id: Option<&str>, name: &str) -> ToolCall {
    let mut call = ToolCall::default();
    (call.id, call.name) = (id.map(str::to_owned), name.to_owned());
    call
}

/// The bodies of the requests so far.
pub(crate) fn bodies(transport: &MemoryTransport) -> Vec<Value> {
    transport.requests().iter().map(|sent| serde_json::from_slice(sent.body()).unwrap()).collect()
}

/// The messages of the last request, as `role: text`. Calls are `name(id)`, and results are `id=text`.
pub(crate) fn last_messages(transport: &MemoryTransport) -> Vec<String> {
    let bodies = bodies(transport);
    bodies.last().expect("a request")["messages"].as_array().unwrap().iter().map(brief).collect()
}

fn brief(message: &Value) -> String {
    let mut known = vec!["role", "content"];
    let mut brief = format!("{}:", message["role"].as_str().unwrap());
    if let Some(id) = message.get("tool_call_id") {
        known.push("tool_call_id");
        brief += &format!(" {}=", id.as_str().unwrap());
    }
    match &message["content"] {
        Value::Null => {}
        Value::String(text) => brief += &format!(" {text}"),
        other => brief += &format!(" {other}"),
    }
    if let Some(calls) = message.get("tool_calls") {
        known.push("tool_calls");
        for call in calls.as_array().unwrap() {
            let kind = call["type"].as_str().unwrap();
            brief += &format!(" {}({})", call[kind]["name"].as_str().unwrap(), call["id"].as_str().unwrap());
        }
    }
    let unknown = message.as_object().unwrap().keys().filter(|name| !known.contains(&name.as_str()));
    unknown.fold(brief, |brief, name| brief + &format!(" {name}={}", message[name]))
}
