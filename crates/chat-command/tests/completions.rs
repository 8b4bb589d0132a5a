//! `chat ask --api completions` and `chat models`, over HTTP between two processes.

mod support;

use std::fs;
use std::process::Command;

use chat_mock::{ScriptedReply as Reply, Step};
use serde_json::{Value, json};
use support::{KEY, Script, Serve, all_at_once, chat, run, run_with_input, transports};

const QUESTION: &str = "What is a transport?";

/// `chat ask --api completions` of a model.
fn complete(url: &str, args: &[&str]) -> Command {
    let mut command = chat(["ask", "--api", "completions", "--model", "m-1", "--server", url, "--api-key", KEY]);
    command.args(args);
    command
}

/// The body of the only request.
fn sent(server: &Script) -> Value {
    let [request] = &server.requests()[..] else { panic!("one request") };
    serde_json::from_slice(&request.body).expect("a JSON body")
}

/// A file with this text, in a folder of its own.
fn file(name: &str, text: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("completions");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("a path in Unicode").to_owned()
}

#[test]
fn a_stream_and_an_object_say_the_same_over_every_transport() {
    let server = Serve::start(&[]);
    all_at_once(transports(), |transport| {
        let args = ["--json", "--links", "--transport", transport, QUESTION];
        let streamed = run(&mut complete(&server.url, &args));
        let whole = run(complete(&server.url, &args).arg("--no-stream"));
        let (one, other) = (streamed.outcome(), whole.outcome());
        assert_eq!(one["outcome"], "completed", "{transport}: {one}");
        for field in ["content", "citations", "finish_reason", "model", "reasoning", "refusal", "chat_session_id"] {
            assert_eq!(one[field], other[field], "{field} over {transport}");
        }
        assert_eq!(one["tool_calls"][0]["name"], "provideLinks");
        assert_eq!(one["citations"][0]["label"], "1");
        assert_eq!((&one["usage"], &one["model"]), (&Value::Null, &json!("m-1")));
        assert!(other["usage"]["total_tokens"].is_u64() && one["id"].is_string(), "{other}");
        assert_eq!(streamed.text_of_events(), one["content"].as_str().expect("text"));
    });
}

#[test]
fn text_is_printed_with_its_sources() {
    let server = Serve::start(&[]);
    let plain = run(&mut complete(&server.url, &["--links", QUESTION]));
    assert_eq!((plain.status, &*plain.stderr), (Some(0), ""), "{plain:?}");
    let (text, cited) = plain.stdout.split_once("\n\n").expect("the text, a blank line, the sources");
    assert!(text.contains("[1]") && cited.starts_with("[1] "), "{plain:?}");
    let without = run(&mut complete(&server.url, &[QUESTION]));
    assert!(!without.stdout.contains("\n\n"), "no links were asked for: {without:?}");
}

#[test]
fn each_option_is_part_of_the_request() {
    let server = Script::start([Reply::completion("Yes.")]);
    let tool = file("tool.json", r#"{"name":"weather","parameters":{"type":"object"}}"#);
    let tools = file("tools.json", r#"[{"type":"custom","custom":{"name":"note"}},{"type":"web_search"}]"#);
    let schema = file("city.json", r#"{"type":"object","properties":{"name":{"type":"string"}}}"#);
    let args = [
        "--system",
        "Be brief.",
        "--links",
        "--tool",
        &tool,
        "--tool",
        &tools,
        "--response-format",
        &schema,
        "--extra",
        r#"{"top_k":4,"seed":7}"#,
        "--temperature",
        "0.5",
        "--max-tokens",
        "9",
        "Hi?",
    ];
    let answer = run(&mut complete(&server.url(), &args));
    assert_eq!((answer.status, &*answer.stdout), (Some(0), "Yes.\n"), "{answer:?}");
    let mut body = sent(&server);
    let tools = body["tools"].take();
    assert_eq!(tools[0]["function"]["name"], "provideLinks");
    assert_eq!(
        tools[1],
        json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}})
    );
    assert_eq!(tools[2], json!({"type": "custom", "custom": {"name": "note"}}));
    assert_eq!(tools[3], json!({"type": "web_search"}));
    assert_eq!(
        body,
        json!({
            "model": "m-1",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}],
            "stream": true,
            "tools": null,
            "tool_choice": "auto",
            "response_format": {"type": "json_schema", "json_schema": {
                "name": "city",
                "schema": {"type": "object", "properties": {"name": {"type": "string"}}},
            }},
            "temperature": 0.5,
            "max_tokens": 9,
            "top_k": 4,
            "seed": 7,
        })
    );
}

#[test]
fn the_url_and_the_key_go_where_the_server_wants_them() {
    for (path, args, target) in [
        ("", &[][..], "/v1/chat/completions"),
        ("/", &[], "/v1/chat/completions"),
        ("/v1/", &[], "/v1/chat/completions"),
        ("/openai", &["--api-key-header", "api-key"], "/openai/chat/completions"),
        ("/x/chat/completions?api-version=1", &["--no-api-key"], "/x/chat/completions?api-version=1"),
    ] {
        let server = Script::start([Reply::completion("Yes.")]);
        let url = format!("{}{path}", server.url());
        let mut command = chat(["ask", "--api", "v1", "--model", "m-1", "--server", &url, "Hi?"]);
        let answer = run(command.args(args).env("INKEEP_API_KEY", KEY));
        assert_eq!(answer.status, Some(0), "{path}: {answer:?}");
        let [request] = &server.requests()[..] else { panic!("one request") };
        assert_eq!(request.path, target);
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        let (bearer, own) = (Some(format!("Bearer {KEY}")), Some(KEY.to_owned()));
        match args.first() {
            None => assert_eq!((header("authorization"), header("api-key")), (bearer, None)),
            Some(&"--no-api-key") => assert_eq!((header("authorization"), header("api-key")), (None, None)),
            Some(_) => assert_eq!((header("authorization"), header("api-key")), (None, own)),
        }
    }
}

#[test]
fn the_environment_chooses_the_api_and_the_model() {
    let server = Script::start([Reply::completion("Yes.")]);
    let ask = || chat(["ask", "--server", &server.url(), "--api-key", KEY, "Hi?"]);
    let answer =
        run(ask().env("INKEEP_API", "completions").env("INKEEP_MODEL", " m-2 ").env("INKEEP_INTEGRATION_ID", "i"));
    assert_eq!(answer.status, Some(0), "{answer:?}");
    assert_eq!(sent(&server)["model"], "m-2");
    let missing = run(ask().env("INKEEP_API", "completions").env("INKEEP_MODEL", " "));
    assert_eq!(missing.status, Some(2));
    assert!(missing.stderr.contains("--model is missing") && missing.stderr.contains("INKEEP_MODEL"), "{missing:?}");
    let sessions = run(ask().env("INKEEP_API", "").env("INKEEP_MODEL", "m-2"));
    assert!(sessions.stderr.contains("--integration is missing"), "{sessions:?}");
    let unknown = run(ask().env("INKEEP_API", "soap"));
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.stderr.contains("the API is `sessions` (v0) or `completions` (v1)"), "{unknown:?}");
}

#[test]
fn wrong_use_is_reported_before_anything_is_sent() {
    let server = Script::start([Reply::completion("Yes.")]);
    let url = server.url();
    let (no_json, no_name) = (file("bad.json", "{"), file("unnamed.json", "{\"description\":\"x\"}"));
    let v0 = |args: &[&str]| {
        let mut command = chat(["ask", "--server", &url, "--api-key", KEY, "--integration", "i", "Hi?"]);
        command.args(args);
        command
    };
    for (mut command, message) in [
        (complete(&url, &["--session", "s", "Hi?"]), "--session needs `--api sessions`"),
        (complete(&url, &["--integration", "i", "Hi?"]), "--integration needs `--api sessions`"),
        (v0(&["--links"]), "--links needs `--api completions`"),
        (v0(&["--model", "m"]), "--model needs `--api completions`"),
        (complete(&url, &["--extra", "[]", "Hi?"]), "--extra is not a JSON object"),
        (complete(&url, &["--extra", r#"{"n":2}"#, "Hi?"]), "n must not be greater than 1"),
        (complete(&url, &["--temperature", "NaN", "Hi?"]), "--temperature is not a finite number"),
        (complete(&url, &["--tool", "no-such.json", "Hi?"]), "--tool names a file that cannot be read: no-such.json"),
        (complete(&url, &["--tool", &no_json, "Hi?"]), "--tool names a file that is not JSON"),
        (complete(&url, &["--tool", &no_name, "Hi?"]), "has a tool without a name"),
        (complete(&url, &[" "]), "the question is empty"),
        (complete(&url, &["--no-api-key", "Hi?"]), "--no-api-key cannot be used with --api-key"),
        (complete(&format!("{url}/v1#x"), &["Hi?"]), "--server must not have a fragment"),
    ] {
        let refused = run(&mut command);
        assert_eq!((refused.status, &*refused.stdout), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.contains(message), "{message}: {refused:?}");
    }
    for base in ["/v1", "/chat/completions"] {
        let refused =
            run(&mut chat(["ask", "--server", &format!("{url}{base}"), "--api-key", KEY, "--integration", "i", "Hi?"]));
        assert_eq!(refused.status, Some(2));
        assert!(refused.stderr.contains("--server is that of chat completions (v1)"), "{refused:?}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn the_question_may_come_from_standard_input() {
    let server = Script::start([Reply::completion("Yes.")]);
    let answer = run_with_input(&mut complete(&server.url(), &["-"]), "\u{feff}Hi?\n".as_bytes());
    assert_eq!(answer.stdout, "Yes.\n");
    assert_eq!(sent(&server)["messages"][0]["content"], "Hi?");
}

#[test]
fn refusals_and_calls_are_notes() {
    let body = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "refusal": "No.",
        "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": "{\"city\":\"Basel\"}"}}],
    }}]});
    let server = Script::start([Reply::json(200, &[], body.to_string())]);
    let answer = run(&mut complete(&server.url(), &["Hi?"]));
    assert_eq!((answer.status, &*answer.stdout), (Some(0), ""));
    assert_eq!(answer.stderr, "The model refused: No.\nThe model calls weather: {\"city\":\"Basel\"}\n");
}

#[test]
fn errors_have_their_kind_and_the_servers_words() {
    let error = |text: &str| json!({"error": {"message": text, "code": "insufficient_quota"}}).to_string();
    let quota = Script::start([Reply::json(429, &[("retry-after", "0")], error("No quota left."))]);
    let refused = run(&mut complete(&quota.url(), &["--json", "Hi?"]));
    assert_eq!(refused.error("api")["message"], "the API responded with 429 Too Many Requests: No quota left.");
    assert_eq!(quota.requests().len(), 1, "it is not retried");
    assert!(refused.stderr.contains("Check the plan and the balance"), "{refused:?}");

    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n";
    let failed = Script::start([Reply::sse(format!("{text}data: {{\"error\":\"overloaded\"}}\n\n"))]);
    let failed = run(&mut complete(&failed.url(), &["--json", "Hi?"]));
    let line = failed.error("stream");
    assert_eq!((failed.status, &line["partial"]["content"]), (Some(5), &json!("Half")));
    assert_eq!(line["partial"]["tool_calls"], json!([]));

    let unfinished = Script::start([Reply::sse(text)]);
    let cut = run(&mut complete(&unfinished.url(), &["Hi?"]));
    assert_eq!((cut.status, &*cut.stdout), (Some(5), "Half\n"));
    assert!(cut.stderr.contains("the answer ended without a finish reason"), "{cut:?}");
}

#[test]
fn an_answer_is_complete_at_its_end_mark() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"Yes.\"}}]}\n\ndata: [DONE]\n\n";
    all_at_once(transports(), |transport| {
        let open = Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
        let server = Script::start([open.chunk(text).then(Step::Stall)]);
        let answer = run(&mut complete(&server.url(), &["--transport", transport, "Hi?"]));
        assert_eq!((answer.status, &*answer.stdout, &*answer.stderr), (Some(0), "Yes.\n", ""), "{transport}");
    });
}

#[test]
fn models_are_listed() {
    let server = Serve::start(&[]);
    all_at_once(transports(), |transport| {
        let models = |args: &[&str]| {
            let mut command = chat(["models", "--server", &server.url, "--transport", transport]);
            run(command.args(args))
        };
        let listed = models(&["--api-key", KEY]);
        assert_eq!((listed.status, &*listed.stderr), (Some(0), ""), "{listed:?}");
        assert!(listed.stdout.lines().any(|line| line == "inkeep-qa-expert"), "{listed:?}");
        let lines = models(&["--api-key", KEY, "--json"]).lines();
        assert_eq!(lines[0]["object"], "model", "{lines:?}");
        let refused = models(&["--api-key", "sk-wrong-key", "--json"]);
        assert_eq!((refused.status, &refused.error("api")["status"]), (Some(3), &json!(401)), "{refused:?}");
    });
    let foreign = Script::start([Reply::json(200, &[], "{}")]);
    let refused = run(&mut chat(["models", "--server", &foreign.url(), "--api-key", KEY]));
    assert_eq!(refused.status, Some(5));
    assert!(refused.stderr.contains("the list of models is not an array in `data`"), "{refused:?}");
}

#[test]
fn a_saved_answer_is_decoded() {
    let body = "data: {\"id\":\"x\",\"choices\":[{\"delta\":{\"reasoning\":\"So. \",\"content\":\"Yes.\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\nrubbish";
    let args = ["decode", "--api", "completions", "--status", "200", "--content-type", "text/event-stream", "-"];
    let decoded = run_with_input(&mut chat(args), body.as_bytes());
    assert_eq!(
        decoded.lines(),
        [
            json!({"event": "reasoning", "text": "So. "}),
            json!({"event": "message_chunk", "data": {"content_chunk": "Yes.", "finish_reason": "stop"}}),
            json!({
                "outcome": "completed", "chat_session_id": null, "content": "Yes.", "citations": null,
                "finish_reason": "stop", "reasoning": "So. ", "refusal": null, "tool_calls": [], "usage": null,
                "model": null, "id": "x",
            }),
        ]
    );
}
