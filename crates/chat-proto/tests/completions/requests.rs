//! Requests: their exact bytes, and input that is rejected.

use chat_proto::completions::{
    AllowedTools, ContentPart, JsonSchema, Message, MessageToolCall, ReasoningEffort, ResponseFormat, Role, Tool,
    ToolChoice,
};
use chat_proto::sessions::CreateInput;
use chat_proto::{ApiKey, ErrorKind};
use serde_json::{Map, Value, json};

use super::*;

fn input() -> CompletionInput {
    CompletionInput::new("m", ["Hi"])
}

#[track_caller]
fn body(input: &CompletionInput) -> Value {
    let request = Request::complete(&endpoint(), input).expect("a request");
    serde_json::from_slice(request.http().body()).expect("JSON")
}

/// The field that a rejection names.
#[track_caller]
fn field(input: &CompletionInput) -> String {
    let error = Request::complete(&endpoint(), input).expect_err("it is rejected");
    match error.kind() {
        ErrorKind::InvalidRequest { field, .. } => field.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_54_rule_10_unset_fields_are_omitted() {
    let request = Request::complete(&endpoint(), &input()).expect("a request");
    assert_eq!(request.http().body(), &r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#);
    let plain = input().with_stream(false);
    assert_eq!(body(&plain), json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}));
    let accept = |input: &CompletionInput| {
        Request::complete(&endpoint(), input).expect("a request").http().headers()["accept"].clone()
    };
    assert_eq!(accept(&input()), "text/event-stream, application/json;q=0.9");
    assert_eq!(accept(&plain), "application/json");
}

#[test]
fn every_field_is_written() {
    let mut all = input()
        .with_stream_usage()
        .with_tools([Tool::function("f", "D", json!({"type": "object"})).with_strict(true)])
        .with_tool_choice(ToolChoice::Auto)
        .with_response_format(ResponseFormat::json_schema("s", json!({})).with_strict(false))
        .with_temperature(0.5)
        .with_max_tokens(7)
        .with_max_completion_tokens(8)
        .with_reasoning_effort(ReasoningEffort::Low);
    all.parallel_tool_calls = Some(false);
    all.top_p = Some(0.25);
    all.frequency_penalty = Some(-1.0);
    all.presence_penalty = Some(1.0);
    all.stop = vec!["x".into()];
    all.seed = Some(-5);
    all.n = Some(1);
    all.logprobs = Some(true);
    all.top_logprobs = Some(2);
    all.logit_bias.insert("7".into(), -1.5);
    all.user = Some("u".into());
    all.metadata.insert("k".into(), "v".into());
    assert_eq!(
        body(&all),
        json!({
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "tools": [{"type": "function", "function":
                {"name": "f", "description": "D", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": "auto",
            "parallel_tool_calls": false,
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "strict": false}},
            "temperature": 0.5,
            "top_p": 0.25,
            "frequency_penalty": -1.0,
            "presence_penalty": 1.0,
            "max_completion_tokens": 8,
            "max_tokens": 7,
            "stop": ["x"],
            "seed": -5,
            "n": 1,
            "logprobs": true,
            "top_logprobs": 2,
            "logit_bias": {"7": -1.5},
            "reasoning_effort": "low",
            "user": "u",
            "metadata": {"k": "v"},
        })
    );
}

#[test]
fn extra_fields_are_merged_and_replace_others() {
    let extra = input().with_temperature(0.5).with_extra("top_k", 40).with_extra("temperature", json!(null));
    let written = body(&extra.with_extra("messages", json!([{"role": "bot"}])));
    assert_eq!(
        written,
        json!({"model": "m", "messages": [{"role": "bot"}], "stream": true, "temperature": null, "top_k": 40})
    );
}

#[test]
fn messages_of_every_role_are_written() {
    let call: MessageToolCall =
        serde_json::from_value(json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}))
            .expect("a call");
    let mut thinking = Message::assistant("A");
    thinking.extra.insert("reasoning_content".into(), "T".into());
    let parts = vec![ContentPart::text("t"), ContentPart::image("data:,"), ContentPart::audio("AA==", "wav")];
    for (message, written) in [
        (Message::system("S"), json!({"role": "system", "content": "S"})),
        (Message::developer("D"), json!({"role": "developer", "content": "D"})),
        (Message::user("U").with_name("n"), json!({"role": "user", "content": "U", "name": "n"})),
        (
            Message::user(parts),
            json!({"role": "user", "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": "data:,"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ]}),
        ),
        (thinking, json!({"role": "assistant", "content": "A", "reasoning_content": "T"})),
        (
            Message::tool_calls(vec![call]),
            json!({"role": "assistant", "tool_calls":
                [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}),
        ),
        (Message::tool("a", "R"), json!({"role": "tool", "tool_call_id": "a", "content": "R"})),
        (Message::new(Role::from("bot"), "B"), json!({"role": "bot", "content": "B"})),
    ] {
        assert_eq!(body(&CompletionInput::new("m", [message]))["messages"][0], written);
    }
}

#[test]
fn tools_choices_and_formats_are_written() {
    for (choice, written) in [
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Function("f".into()), json!({"type": "function", "function": {"name": "f"}})),
        (ToolChoice::Custom("c".into()), json!({"type": "custom", "custom": {"name": "c"}})),
        (
            ToolChoice::Allowed(AllowedTools { mode: "auto".into(), tools: vec![json!(1)] }),
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [1]}}),
        ),
        (ToolChoice::Other(json!({"type": "x"})), json!({"type": "x"})),
    ] {
        assert_eq!(body(&input().with_tool_choice(choice))["tool_choice"], written);
    }
    for (format, written) in [
        (ResponseFormat::Text {}, json!({"type": "text"})),
        (ResponseFormat::JsonObject {}, json!({"type": "json_object"})),
        (
            ResponseFormat::JsonSchema {
                json_schema: JsonSchema { name: "n".into(), description: Some("d".into()), schema: None, strict: None },
            },
            json!({"type": "json_schema", "json_schema": {"name": "n", "description": "d"}}),
        ),
        (ResponseFormat::Other(json!({"type": "structural_tag"})), json!({"type": "structural_tag"})),
    ] {
        assert_eq!(body(&input().with_response_format(format))["response_format"], written);
    }
    let tools =
        json!([{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}, {"type": "web", "x": 1}]);
    let read: Vec<Tool> = serde_json::from_value(tools.clone()).expect("tools");
    assert_eq!(body(&input().with_tools(read))["tools"], tools);
    let provided = [Tool::provide_links(), Tool::provide_records_considered(), Tool::provide_ai_annotations()];
    for tool in body(&input().with_tools(provided))["tools"].as_array().expect("tools") {
        assert!(Tool::is_provided(tool["function"]["name"].as_str().expect("a name")), "{tool}");
        assert_eq!(tool["function"]["parameters"]["type"], "object");
    }
}

#[test]
fn invalid_input_is_rejected_by_its_field() {
    let with = |change: fn(&mut CompletionInput)| {
        let mut changed = input();
        change(&mut changed);
        changed
    };
    for (input, name) in [
        (CompletionInput::new("", ["Hi"]), "model"),
        (CompletionInput::new("m", [""; 0]), "messages"),
        (with(|input| input.n = Some(2)), "n"),
        (input().with_extra("n", 2), "n"),
        (input().with_extra("n", 2.0), "n"),
        (with(|input| input.temperature = Some(f64::NAN)), "temperature"),
        (with(|input| input.top_p = Some(f64::INFINITY)), "top_p"),
        (with(|input| input.frequency_penalty = Some(f64::NAN)), "frequency_penalty"),
        (with(|input| input.presence_penalty = Some(f64::NAN)), "presence_penalty"),
        (with(|input| _ = input.logit_bias.insert("1".into(), f64::NAN)), "logit_bias"),
        (input().with_stream_usage().with_stream(false), "stream_options"),
        (input().with_extra("stream", false), "extra"),
        (CompletionInput::new("m", [Message::new(Role::Tool, "R")]), "messages[0].tool_call_id"),
    ] {
        assert_eq!(field(&input), name);
    }
    assert_eq!(body(&with(|input| input.n = Some(2)).with_extra("n", 1))["n"], 1, "an extra field replaces it");
}

#[test]
fn the_base_url_is_taken_as_it_is_given() {
    for (base, chat, models) in [
        ("https://h", "https://h/v1/chat/completions", "https://h/v1/models"),
        ("https://h/", "https://h/v1/chat/completions", "https://h/v1/models"),
        ("https://h:8080?a=b", "https://h:8080/v1/chat/completions?a=b", "https://h:8080/v1/models?a=b"),
        ("https://h/v1", "https://h/v1/chat/completions", "https://h/v1/models"),
        ("https://h/v1/", "https://h/v1/chat/completions", "https://h/v1/models"),
        ("https://h/openai/x", "https://h/openai/x/chat/completions", "https://h/openai/x/models"),
        ("https://h/p/chat/completions", "https://h/p/chat/completions", "https://h/p/models"),
        ("https://h/chat/completions/", "https://h/chat/completions", "https://h/models"),
        (
            "https://h/d/chat/completions?api-version=1",
            "https://h/d/chat/completions?api-version=1",
            "https://h/d/models?api-version=1",
        ),
        ("http://chat/completions", "http://chat/completions/chat/completions", "http://chat/completions/models"),
        ("https://h/p?x=/v1", "https://h/p/chat/completions?x=/v1", "https://h/p/models?x=/v1"),
    ] {
        let endpoint = Endpoint::new(base).expect("a URL");
        let uri = |request: Result<Request, Error>| request.expect("a request").http().uri().to_string();
        assert_eq!(uri(Request::complete(&endpoint, &input())), chat, "{base}");
        assert_eq!(uri(Request::models(&endpoint)), models, "{base}");
    }
    for base in ["https://h/v1", "https://h/v1/", "https://h/v1/chat/completions", "https://h?a=b", "https://h/p?a=b"] {
        let endpoint = Endpoint::new(base).expect("a URL");
        let error = Request::create(&endpoint, &CreateInput::new("i", "m")).expect_err("v0 rejects it");
        assert!(error.to_string().starts_with("base_url "), "{base}: {error}");
    }
    assert!(Request::create(&Endpoint::new("http://v1").expect("a host"), &CreateInput::new("i", "Hi?")).is_ok());
    let v10 = Endpoint::new("https://h/v10").expect("a URL");
    assert!(Request::create(&v10, &CreateInput::new("i", "m")).is_ok());
}

#[test]
fn the_key_goes_into_the_header_of_the_endpoint() {
    let sent = |endpoint: &Endpoint| {
        let mut http = Request::complete(endpoint, &input()).expect("a request").http().clone();
        ApiKey::new("k-1").expect("a key").authorize(&mut http);
        http.headers().clone()
    };
    assert_eq!(sent(&endpoint())["authorization"], "Bearer k-1");
    let headers = sent(&endpoint().with_key_header("api-key").expect("a header"));
    assert_eq!(headers["api-key"], "k-1");
    assert!(headers["api-key"].is_sensitive() && !headers.contains_key("authorization"));
    assert_eq!(sent(&endpoint().with_key_header("Authorization").expect("a header"))["authorization"], "Bearer k-1");
    for name in ["host", "content-type", "", "a b"] {
        assert!(endpoint().with_key_header(name).is_err(), "{name:?}");
    }
}

#[test]
fn filters_are_an_ascii_header() {
    let filters = |filters: Value| {
        let filters: Map<String, Value> = serde_json::from_value(filters).expect("an object");
        let request = Request::complete(&endpoint(), &input().with_filters(filters)).expect("a request");
        request.http().headers().get("inkeep-filters").map(|value| value.to_str().expect("ASCII").to_owned())
    };
    assert_eq!(filters(json!({})), None);
    assert_eq!(filters(json!({"p": ["x", 1]})).as_deref(), Some(r#"{"attributes":{"p":["x",1]}}"#));
    let escaped = filters(json!({"ö": "😀\n"})).expect("a header");
    assert_eq!(escaped, r#"{"attributes":{"\u00f6":"\ud83d\ude00\n"}}"#);
    assert_eq!(serde_json::from_str::<Value>(&escaped).expect("JSON"), json!({"attributes": {"ö": "😀\n"}}));
}

#[test]
fn a_request_knows_its_model() {
    let request = Request::complete(&endpoint(), &input()).expect("a request");
    assert_eq!((request.model(), request.http().method().as_str()), (Some("m"), "POST"));
    let replaced = Request::complete(&endpoint(), &input().with_extra("model", "other")).expect("a request");
    assert_eq!(replaced.model(), Some("other"));
    let models = Request::models(&endpoint()).expect("a request");
    assert_eq!((models.model(), models.http().method().as_str(), models.http().body().len()), (None, "GET", 0));
    assert!(!models.http().headers().contains_key("content-type"));
}

#[cfg(feature = "schemars")]
#[test]
fn schemas_come_from_rust_types() {
    /// Where to search.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its schema matters")]
    struct Search {
        query: String,
        limit: Option<u32>,
    }
    let tools = input().with_tools([Tool::function_of::<Search>("search", "Searches")]);
    let function = body(&tools.with_response_format(ResponseFormat::of::<Search>().with_strict(true)));
    let parameters = &function["tools"][0]["function"]["parameters"];
    assert_eq!(function["tools"][0]["function"]["name"], "search");
    assert_eq!((&parameters["type"], &parameters["required"]), (&json!("object"), &json!(["query"])));
    assert_eq!(parameters["properties"]["query"]["type"], "string");
    assert_eq!(parameters["additionalProperties"], false);
    let format = &function["response_format"]["json_schema"];
    assert_eq!((&format["name"], &format["strict"], &format["schema"]), (&json!("Search"), &json!(true), parameters));
    let list = body(&input().with_response_format(ResponseFormat::of::<Vec<Search>>()));
    let name = list["response_format"]["json_schema"]["name"].as_str().expect("a name");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')), "{name}");
}
