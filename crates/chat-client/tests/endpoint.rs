//! Where requests go, and which header the key is in.

mod support;

use chat_client::completions::CompletionInput;
use chat_client::{Client, ClientBuilder, Error, ErrorKind, RetryPolicy};
use chat_mock::memory::{MemoryTransport, Script};
use http::Method;
use support::completions::bodies;
use support::run;

const KEY: &str = "sk-very-secret-1";

type Change = fn(ClientBuilder<MemoryTransport>) -> ClientBuilder<MemoryTransport>;

/// A client with these settings, without retries, and its transport.
fn client(scripts: impl IntoIterator<Item = Script>, change: Change) -> (Client<MemoryTransport>, MemoryTransport) {
    let transport = MemoryTransport::new(scripts);
    let builder = Client::builder().api_key(KEY).retry(RetryPolicy::default().with_max_retries(0));
    (change(builder).build_on(transport.clone()).unwrap(), transport)
}

fn field(error: &Error) -> &str {
    match error.kind() {
        ErrorKind::InvalidRequest { field, .. } => field,
        _ => panic!("{error}"),
    }
}

fn question() -> CompletionInput {
    CompletionInput::new("model-1", ["Is it?"])
}

const MODELS: &str = r#"{"object":"list","data":[{"id":"model-1","owned_by":"us"},{"no":"id"},{"id":"model-2"}]}"#;

#[test]
fn base_urls_may_have_each_form() {
    for (base_url, chat, models) in [
        ("https://h.example", "https://h.example/v1/chat/completions", "https://h.example/v1/models"),
        ("https://h.example/", "https://h.example/v1/chat/completions", "https://h.example/v1/models"),
        ("https://h.example/v1", "https://h.example/v1/chat/completions", "https://h.example/v1/models"),
        ("https://h.example/v1/", "https://h.example/v1/chat/completions", "https://h.example/v1/models"),
        ("http://h.example:81/a/b", "http://h.example:81/a/b/chat/completions", "http://h.example:81/a/b/models"),
        ("https://h.example/x/chat/completions", "https://h.example/x/chat/completions", "https://h.example/x/models"),
        ("https://h.example/chat/completions/", "https://h.example/chat/completions", "https://h.example/models"),
        (
            "https://h.example/v1?api-version=1&a=%20",
            "https://h.example/v1/chat/completions?api-version=1&a=%20",
            "https://h.example/v1/models?api-version=1&a=%20",
        ),
        (
            "https://h.example?api-version=1",
            "https://h.example/v1/chat/completions?api-version=1",
            "https://h.example/v1/models?api-version=1",
        ),
        (
            "https://h.example/x/chat/completions?api-version=1",
            "https://h.example/x/chat/completions?api-version=1",
            "https://h.example/x/models?api-version=1",
        ),
    ] {
        let (client, transport) = client([Script::completion("Yes."), Script::json(200, MODELS)], |builder| builder);
        let client = client.with(|all| all.base_url(base_url)).unwrap();
        assert_eq!(run(client.complete(&question()).finish()).unwrap().text, "Yes.");
        let listed: Vec<_> = run(client.list_models()).unwrap().into_iter().map(|model| model.id).collect();
        assert_eq!(listed, ["model-1", "model-2"]);
        let sent = transport.requests();
        assert_eq!((sent[0].uri().to_string(), sent[1].uri().to_string()), (chat.to_owned(), models.to_owned()));
        assert_eq!((sent[0].method(), sent[1].method()), (&Method::POST, &Method::GET), "{base_url}");
        assert!(sent[1].body().is_empty() && !sent[1].headers().contains_key("content-type"), "{base_url}");
    }
}

#[test]
fn sessions_reject_a_base_url_of_chat_completions() {
    for base_url in [
        "https://h.example/v1",
        "https://h.example/x/v1/",
        "https://h.example/chat/completions",
        "https://h.example?a=1",
    ] {
        let (client, transport) = client([], |builder| builder);
        let client = client.with(|all| all.base_url(base_url)).unwrap();
        let mut session = client.session("docs");
        let mut reply = session.ask("Is it?");
        let error = run(reply.next()).unwrap().unwrap_err();
        assert_eq!(field(&error), "base_url", "{error}");
        drop(reply);
        assert!(session.history().is_empty() && transport.requests().is_empty(), "{base_url}");
    }
}

/// The names and values of the headers that contain the key.
fn key_headers(transport: &MemoryTransport) -> Vec<Vec<(String, String)>> {
    let of = |sent: &http::Request<bytes::Bytes>| {
        let with_key = |value: &http::HeaderValue| value.to_str().unwrap().contains(KEY);
        let headers: Vec<_> = sent.headers().iter().filter(|(_, value)| with_key(value)).collect();
        assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    };
    transport.requests().iter().map(of).collect()
}

#[test]
fn the_key_goes_into_the_chosen_header_only() {
    let bearer = format!("Bearer {KEY}");
    let cases: [(Change, &[(&str, &str)]); 6] = [
        (|builder| builder, &[("authorization", &bearer)]),
        (|builder| builder.api_key_header("Api-Key"), &[("api-key", KEY)]),
        (|builder| builder.api_key_header("api-key").api_key_header("Authorization"), &[("authorization", &bearer)]),
        (|builder| builder.api_key_header("api-key").api_key_fn(|| Ok(KEY.to_owned())), &[("api-key", KEY)]),
        (|builder| builder.no_api_key(), &[]),
        (|builder| builder.api_key_header("api-key").no_api_key(), &[]),
    ];
    for (at, (change, expected)) in cases.into_iter().enumerate() {
        let scripts = [Script::completion("Yes."), Script::json(200, MODELS), support::answer("Yes.")];
        let (client, transport) = client(scripts, change);
        run(client.complete(&question()).finish()).unwrap();
        run(client.list_models()).unwrap();
        run(client.session("docs").ask("Is it?").finish()).unwrap();
        for sent in key_headers(&transport) {
            let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(sent, expected, "{at}");
        }
        let names = ["authorization", "api-key"];
        let present = |sent: &http::Request<_>| names.iter().filter(|name| sent.headers().contains_key(**name)).count();
        assert!(transport.requests().iter().all(|sent| present(sent) == expected.len()), "{at}");
    }
}

#[test]
fn a_local_key_goes_into_the_chosen_header() {
    let transport = MemoryTransport::new([Script::completion("Yes.")]);
    let builder = Client::builder().api_key_header("api-key");
    let client = builder.build_on_local(transport.clone(), async || Ok(KEY.to_owned())).unwrap();
    run(client.complete(&question()).finish()).unwrap();
    assert_eq!(key_headers(&transport), [[("api-key".to_owned(), KEY.to_owned())]]);
}

#[test]
fn a_header_that_the_client_sets_is_not_for_the_key() {
    for name in ["content-type", "Host", "a b", ""] {
        let error = Client::builder().api_key("k").api_key_header(name).build_on(MemoryTransport::new([])).unwrap_err();
        assert_eq!(field(&error), format!("header {name:?}"));
    }
}

#[test]
fn a_key_in_another_header_is_in_no_error_and_in_no_debug_output() {
    for callback in [false, true] {
        let echo = Script::json(401, format!("{{\"error\":{{\"message\":\"wrong key {KEY}\"}}}}"));
        let in_head = Script::head(500, &[("api-key", KEY), ("x-request-id", KEY)]);
        let in_stream = Script::events([format!("data: {{\"error\":{{\"message\":\"{KEY}\"}}}}\n\n")]);
        let (client, _) = client([echo, in_head, in_stream], |builder| builder.api_key_header("api-key"));
        let client = client.with(|all| if callback { all.api_key_fn(|| Ok(KEY.to_owned())) } else { all }).unwrap();
        let mut chat = client.chat("model-1");
        for _ in 0..3 {
            let mut reply = chat.ask("Is it?");
            let error = run(reply.next()).unwrap().unwrap_err();
            let mut printed = format!("{error} {error:#} {error:?} {:?} {:?} {reply:?}", error.kind(), error.body());
            printed += &format!("{:?} {client:?} {:?}", error.head(), client.settings());
            drop(reply);
            printed += &format!("{chat:?} {:?}", chat.export());
            assert!(!printed.contains(&KEY[..8]), "{printed}");
        }
    }
}

#[test]
fn without_a_key_an_error_names_no_origin() {
    let (client, _) = client([Script::json(401, "{\"error\":{\"message\":\"no\"}}")], ClientBuilder::no_api_key);
    let error = run(client.complete(&question()).finish()).unwrap_err();
    assert_eq!(error.to_string(), "the API responded with 401 Unauthorized: no");
}

#[test]
fn changed_settings_keep_the_base_url_and_the_header_of_the_key() {
    let change: Change = |builder| builder.base_url("https://h.example/v1?api-version=1").api_key_header("api-key");
    let (client, transport) = client([Script::completion("Yes."), Script::completion("Yes.")], change);
    let traced = client.with(|all| all.header("x-trace", "7f")).unwrap();
    run(traced.complete(&question()).finish()).unwrap();
    let other = traced.with(|all| all.api_key("sk-2").base_url("https://other.example/v1")).unwrap();
    run(other.complete(&question()).finish()).unwrap();
    let sent = transport.requests();
    assert_eq!(sent[0].uri(), "https://h.example/v1/chat/completions?api-version=1");
    assert_eq!(
        (&sent[0].headers()["api-key"], &sent[0].headers()["x-trace"]),
        (&KEY.parse().unwrap(), &"7f".parse().unwrap())
    );
    assert_eq!(sent[1].uri(), "https://other.example/v1/chat/completions");
    assert_eq!(sent[1].headers()["api-key"], "sk-2");
    assert!(sent.iter().all(|sent| !sent.headers().contains_key("authorization")));
}

#[test]
fn a_completion_has_no_history() {
    let (client, transport) = client([Script::completion("Yes."), Script::completion("Yes.")], |builder| builder);
    for _ in 0..2 {
        run(client.complete(&question()).finish()).unwrap();
    }
    let bodies = bodies(&transport);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0]["messages"].as_array().unwrap().len(), 1);
    let error = run(client.complete(&CompletionInput::new("", ["Is it?"])).finish()).unwrap_err();
    assert_eq!(field(&error), "model");
}

#[test]
fn a_list_of_models_fails_like_any_call() {
    let (client, transport) =
        client([Script::json(404, "{\"detail\":\"no\"}"), Script::json(200, "{}")], |builder| builder);
    assert_eq!(run(client.list_models()).unwrap_err().status().map(|status| status.as_u16()), Some(404));
    assert!(matches!(run(client.list_models()).unwrap_err().kind(), ErrorKind::Decode { .. }));
    assert_eq!(transport.requests().len(), 2);
}
