//! The server over real HTTP, asked by a bare client.

mod common;
#[path = "common/server.rs"]
mod server;

use std::time::{Duration, Instant};

use chat_mock::Server;
use chat_proto::sessions::{AssistantMessage, ChatResult, MessageChunk, RecordsCited};
use chat_proto::{FinishReason, RecordType};
use common::{Http, http, post, text, until};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use server::{ask, bind, send};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The canned answer.
const ANSWER: &str = "This is a canned answer from the mock server. [1] It is the same for every question. [2]";

fn create_url(server: &Server) -> String {
    format!("{}/v0/chat_sessions/chat_results", server.url())
}

fn continue_url(server: &Server, id: &str) -> String {
    format!("{}/v0/chat_sessions/{id}/chat_results", server.url())
}

fn question(text: &str, stream: bool) -> Value {
    json!({
        "integration_id": "int",
        "chat_session": { "messages": [{ "role": "user", "content": text }] },
        "stream": stream,
    })
}

fn follow_up(text: &str, stream: bool) -> Value {
    json!({ "integration_id": "int", "message": { "role": "user", "content": text }, "stream": stream })
}

/// Posts JSON and reads a ChatResult.
async fn result(http: &Http, url: &str, body: &Value) -> ChatResult {
    let (status, headers, body) = ask(http, url, body).await;
    assert_eq!((status, &headers["content-type"]), (200, &"application/json".parse().expect("a header value")));
    serde_json::from_str(&body).expect("a ChatResult")
}

/// A stream's events: names and data, read without the project's own decoder.
fn events(stream: &str) -> Vec<(&str, Value)> {
    let whole = stream.strip_suffix("\n\n").expect("the last event is whole");
    whole
        .split("\n\n")
        .map(|event| {
            let (name, data) = event.split_once("\ndata: ").expect("two lines");
            (name.strip_prefix("event: ").expect("a name"), serde_json::from_str(data).expect("data is JSON"))
        })
        .collect()
}

#[tokio::test]
async fn create_as_json() {
    let server = bind(Server::builder()).await;
    let (status, headers, body) =
        ask(&http(), &create_url(&server), &question("Where do the frogs live?", false)).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers.contains_key("date"));
    assert_eq!(headers["x-request-id"], "req-00000001");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let id = body["chat_session_id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("session-"), "{id}");
    assert_eq!(
        body,
        json!({
            "chat_session_id": id,
            "message": {
                "role": "assistant",
                "content": ANSWER,
                "records_cited": { "citations": [
                    {
                        "number": 1,
                        "record": {
                            "type": "documentation",
                            "url": "https://docs.example/mock#1",
                            "title": "Canned answers",
                            "description": "This is a canned answer from the mock server.",
                            "breadcrumbs": ["Mock server", "Canned answers"],
                        },
                    },
                    {
                        "number": 2,
                        "record": {
                            "type": "documentation",
                            "url": "https://docs.example/mock#2",
                            "title": "Questions",
                            "description": "It is the same for every question.",
                            "breadcrumbs": ["Mock server", "Questions"],
                        },
                    },
                ] },
            },
        })
    );
}

#[tokio::test]
async fn create_as_a_stream() {
    let server = bind(Server::builder()).await;
    let http = http();
    let (status, headers, stream) = ask(&http, &create_url(&server), &question("Frogs or tomatoes?", true)).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["transfer-encoding"], "chunked");
    assert!(headers.contains_key("date") && headers.contains_key("x-request-id"));

    let events = events(&stream);
    let place = events.iter().position(|(name, _)| *name == "records_cited").expect("it cites");
    assert_eq!(place, events.len() - 2, "the citations come right before the last chunk");
    let records: RecordsCited = serde_json::from_value(events[place].1.clone()).expect("RecordsCited");
    assert!(records.citations.iter().all(|one| one.record.record_type == Some(RecordType::Documentation)));

    let chunks: Vec<MessageChunk> = events
        .iter()
        .filter(|(name, _)| *name == "message_chunk")
        .map(|(_, data)| serde_json::from_value(data.clone()).expect("a MessageChunk"))
        .collect();
    assert_eq!(chunks.len(), events.len() - 1);
    let id = chunks[0].chat_session_id.clone().expect("the first chunk has the id");
    assert!(chunks.iter().all(|chunk| chunk.chat_session_id.as_ref() == Some(&id)));
    let (last, before) = chunks.split_last().expect("there are chunks");
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    assert!(before.iter().all(|chunk| chunk.finish_reason.is_none()));
    let text: String = chunks.iter().map(|chunk| chunk.content_chunk.as_str()).collect();
    assert_eq!(text, ANSWER);
}

#[tokio::test]
async fn each_event_is_a_separate_chunk() {
    let server = bind(Server::builder()).await;
    let body = question("frogs", true).to_string();
    let head =
        "POST /v0/chat_sessions/chat_results HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer k\r\n";
    let mut stream = TcpStream::connect(server.local_addr()).await.expect("it listens");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an end in order");

    let (_, mut rest) = answer.split_once("\r\n\r\n").expect("a head");
    let mut chunks = Vec::new();
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let (chunk, after) = after.split_at(size);
        rest = after.strip_prefix("\r\n").expect("a chunk's end");
        if size == 0 {
            break;
        }
        chunks.push(chunk);
    }
    assert_eq!(rest, "");
    assert!(chunks.iter().all(|chunk| events(chunk).len() == 1), "{chunks:?}");
    assert_eq!(chunks.len(), ANSWER.split(' ').count() + 1);
}

#[tokio::test]
async fn continue_sees_the_questions_before() {
    let server = bind(Server::builder()).await;
    let http = http();
    let first = result(&http, &create_url(&server), &question("Where do the frogs live?", false)).await;
    let url = continue_url(&server, &first.chat_session_id);

    let second = result(&http, &url, &follow_up("And then?", false)).await;
    assert_eq!(second.chat_session_id, first.chat_session_id);
    assert_eq!(
        second.message.content,
        format!("This is question 2 of this session; before it you asked: “Where do the frogs live?”. {ANSWER}")
    );
    let third = result(&http, &url, &follow_up("Who waters the tomatoes?", false)).await;
    let start = "This is question 3 of this session; before it you asked: “And then?”. ";
    assert!(third.message.content.starts_with(start), "{}", third.message.content);

    // Another session has its own history.
    let other = result(&http, &create_url(&server), &question("And then?", false)).await;
    assert_ne!(other.chat_session_id, first.chat_session_id);
    assert_eq!(other.message.content, ANSWER);
}

#[tokio::test]
async fn a_function_answers_from_the_history_and_the_question() {
    let server = bind(Server::builder().respond_with(|history, question| {
        let before: Vec<&str> = history.entries().map(|entry| entry.answer.as_str()).collect();
        AssistantMessage::new(format!("{} {question} {before:?}", history.questions()), None)
    }))
    .await;
    let http = http();
    let first = result(&http, &create_url(&server), &question("a", false)).await;
    assert_eq!((first.message.content.as_str(), &first.message.records_cited), ("0 a []", &None));
    let url = continue_url(&server, &first.chat_session_id);
    let second = result(&http, &url, &follow_up("b", false)).await;
    assert_eq!(second.message.content, r#"1 b ["0 a []"]"#);
}

#[tokio::test]
async fn continue_as_a_stream_keeps_the_id() {
    let server = bind(Server::builder()).await;
    let http = http();
    let first = result(&http, &create_url(&server), &question("frogs", false)).await;
    let url = continue_url(&server, &first.chat_session_id);
    let (status, _, stream) = ask(&http, &url, &follow_up("Tell me more", true)).await;
    assert_eq!(status, 200);
    let text: String = events(&stream)
        .iter()
        .filter(|(name, _)| *name == "message_chunk")
        .map(|(_, data)| {
            assert_eq!(data["chat_session_id"], *first.chat_session_id);
            data["content_chunk"].as_str().expect("text").to_owned()
        })
        .collect();
    assert!(text.starts_with("This is question 2 of this session; before it you asked: “frogs”."), "{text}");
}

#[tokio::test]
async fn an_unknown_session_is_404() {
    let server = bind(Server::builder()).await;
    let (status, headers, body) = ask(&http(), &continue_url(&server, "s-none"), &follow_up("x", true)).await;
    assert_eq!((status, body.as_str()), (404, r#"{"detail":"Chat session not found"}"#));
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn the_least_recently_used_session_is_forgotten() {
    let server = bind(Server::builder().max_sessions(2)).await;
    let http = http();
    let mut ids = Vec::new();
    for n in 0..3 {
        let created = result(&http, &create_url(&server), &question("frogs", false)).await;
        ids.push(created.chat_session_id.to_string());
        if n == 1 {
            // Used again, so that the second is now the oldest.
            assert_eq!(ask(&http, &continue_url(&server, &ids[0]), &follow_up("more", false)).await.0, 200);
        }
    }
    let mut seen = Vec::new();
    for id in &ids {
        seen.push(ask(&http, &continue_url(&server, id), &follow_up("more", false)).await.0);
    }
    assert_eq!(seen, [200, 404, 200]);
}

#[tokio::test]
async fn the_bearer_is_checked() {
    let server = bind(Server::builder().api_key("right")).await;
    let http = http();
    let with = |authorization: Option<&str>| {
        let mut request = post(&create_url(&server), question("frogs", false).to_string());
        request.headers_mut().remove("authorization");
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().expect("a header value"));
        }
        request
    };
    for (authorization, detail) in [
        (None, "Not authenticated"),
        (Some("Bearer "), "Not authenticated"),
        (Some("Basic cmlnaHQ="), "Not authenticated"),
        (Some("Bearer wrong"), "Invalid API key"),
        (Some("Bearer right but more"), "Invalid API key"),
    ] {
        let response = send(&http, with(authorization)).await;
        assert_eq!(response.status(), 401, "{authorization:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(text(response).await, json!({ "detail": detail }).to_string());
    }
    assert_eq!(send(&http, with(Some("Bearer right"))).await.status(), 200);
    assert_eq!(send(&http, with(Some("bearer right"))).await.status(), 200);
}

#[tokio::test]
async fn the_key_is_not_printed() {
    let builder = Server::builder().api_key("hush");
    assert!(!format!("{builder:?}").contains("hush"));
    assert!(!format!("{:?}", bind(builder).await).contains("hush"));
}

#[tokio::test]
async fn without_a_key_any_bearer_that_is_not_empty_is_accepted() {
    let server = bind(Server::builder()).await;
    let http = http();
    let mut request = post(&create_url(&server), question("frogs", false).to_string());
    assert_eq!(send(&http, request.clone()).await.status(), 200);
    request.headers_mut().insert("authorization", "Bearer".parse().expect("a header value"));
    assert_eq!(send(&http, request.clone()).await.status(), 401);
    request.headers_mut().remove("authorization");
    assert_eq!(send(&http, request).await.status(), 401);
}

/// Posts a body that is wrong; what is wrong with it, as `(loc, msg, type)`.
async fn refused(http: &Http, url: &str, body: &str) -> Value {
    let response = send(http, post(url, body.to_owned())).await;
    assert_eq!(response.status(), 422, "{body}");
    assert_eq!(response.headers()["content-type"], "application/json");
    let error: Value = serde_json::from_str(&text(response).await).expect("JSON");
    assert_eq!(error.as_object().expect("an object").len(), 1);
    error["detail"].clone()
}

#[tokio::test]
async fn all_faults_of_a_create_are_reported() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), create_url(&server));

    let response = send(&http, post(&url, r#"{"chat_session":{"messages":[{"role":"user","content":"x"}]}}"#)).await;
    assert_eq!(response.status(), 422);
    assert_eq!(
        text(response).await,
        r#"{"detail":[{"loc":["body","integration_id"],"msg":"field required","type":"value_error.missing"}]}"#
    );

    assert_eq!(
        refused(&http, &url, "{}").await,
        json!([
            { "loc": ["body", "integration_id"], "msg": "field required", "type": "value_error.missing" },
            { "loc": ["body", "chat_session"], "msg": "field required", "type": "value_error.missing" },
        ])
    );
    let wrong = json!({
        "integration_id": null,
        "chat_session": {
            "messages": [{ "role": "system", "content": 1 }],
            "guidance": [],
            "context": true,
            "tags": ["ok", 2, null],
        },
        "chat_mode": 3,
        "stream": "yes",
    });
    assert_eq!(
        refused(&http, &url, &wrong.to_string()).await,
        json!([
            { "loc": ["body", "integration_id"], "msg": "none is not an allowed value",
              "type": "type_error.none.not_allowed" },
            { "loc": ["body", "chat_session", "messages", 0, "role"],
              "msg": "unexpected value; permitted: 'user', 'assistant'", "type": "value_error.const" },
            { "loc": ["body", "chat_session", "messages", 0, "content"], "msg": "str type expected",
              "type": "type_error.str" },
            { "loc": ["body", "chat_session", "guidance"], "msg": "str type expected", "type": "type_error.str" },
            { "loc": ["body", "chat_session", "context"], "msg": "str type expected", "type": "type_error.str" },
            { "loc": ["body", "chat_session", "tags", 1], "msg": "str type expected", "type": "type_error.str" },
            { "loc": ["body", "chat_session", "tags", 2], "msg": "str type expected", "type": "type_error.str" },
            { "loc": ["body", "chat_mode"], "msg": "str type expected", "type": "type_error.str" },
            { "loc": ["body", "stream"], "msg": "value could not be parsed to a boolean", "type": "type_error.bool" },
        ])
    );
}

#[tokio::test]
async fn a_create_has_exactly_one_message() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), create_url(&server));
    let message = json!({ "role": "user", "content": "x" });
    for (messages, msg, kind) in [
        (json!([]), "ensure this value has at least 1 items", "value_error.list.min_items"),
        (json!([message, message]), "ensure this value has at most 1 items", "value_error.list.max_items"),
        (json!({}), "value is not a valid list", "type_error.list"),
        (json!("x"), "value is not a valid list", "type_error.list"),
    ] {
        let body = json!({ "integration_id": "int", "chat_session": { "messages": messages } }).to_string();
        let expected = json!([{ "loc": ["body", "chat_session", "messages"], "msg": msg, "type": kind }]);
        assert_eq!(refused(&http, &url, &body).await, expected);
    }
}

#[tokio::test]
async fn a_body_must_be_an_object() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), create_url(&server));
    let missing = json!([{ "loc": ["body"], "msg": "field required", "type": "value_error.missing" }]);
    assert_eq!(refused(&http, &url, "").await, missing);
    assert_eq!(refused(&http, &url, "null").await, missing);
    for other in ["[]", "\"text\"", "1"] {
        let expected = json!([{ "loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict" }]);
        assert_eq!(refused(&http, &url, other).await, expected);
    }
    for broken in ["{", "no json", "{}{}", &"[".repeat(100_000)] {
        let detail = refused(&http, &url, broken).await;
        assert_eq!(detail[0]["loc"], json!(["body"]));
        assert_eq!(detail[0]["type"], "value_error.jsondecode");
        assert_eq!(detail.as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn a_continue_is_checked_before_its_session() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), continue_url(&server, "s-none"));
    assert_eq!(
        refused(&http, &url, r#"{"message":{"content":"x"},"stream":1}"#).await,
        json!([
            { "loc": ["body", "integration_id"], "msg": "field required", "type": "value_error.missing" },
            { "loc": ["body", "message", "role"], "msg": "field required", "type": "value_error.missing" },
            { "loc": ["body", "stream"], "msg": "value could not be parsed to a boolean", "type": "type_error.bool" },
        ])
    );
    let cited = r#"{"integration_id":"i","message":{"role":"assistant","content":"x","records_cited":[]}}"#;
    let detail = refused(&http, &url, cited).await;
    assert_eq!(detail[0]["loc"], json!(["body", "message", "records_cited"]));
}

#[tokio::test]
async fn null_counts_as_absent_and_unknown_fields_are_ignored() {
    let server = bind(Server::builder()).await;
    let (http, url) = (http(), create_url(&server));
    let mut body = question("frogs", false);
    body["stream"] = Value::Null;
    body["chat_mode"] = Value::Null;
    body["later"] = json!({ "is": "fine" });
    body["chat_session"]["guidance"] = Value::Null;
    body["chat_session"]["context"] = json!("in the garden");
    body["chat_session"]["tags"] = Value::Null;
    let (status, headers, _) = ask(&http, &url, &body).await;
    assert_eq!((status, headers["content-type"].as_bytes()), (200, &b"application/json"[..]));
    body.as_object_mut().expect("an object").remove("stream");
    let (status, headers, _) = ask(&http, &url, &body).await;
    assert_eq!((status, headers["content-type"].as_bytes()), (200, &b"application/json"[..]));
}

#[tokio::test]
async fn wrong_methods_and_paths() {
    let server = bind(Server::builder()).await;
    let http = http();
    let mut request = post(&create_url(&server), "");
    *request.method_mut() = http::Method::GET;
    let response = send(&http, request).await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(text(response).await, r#"{"detail":"Method Not Allowed"}"#);

    for path in ["/", "/v0/chat_sessions", "/v0/chat_sessions/s-1", "/v0/chat_sessions/chat_results/"] {
        let response = send(&http, post(&format!("{}{path}", server.url()), question("x", false).to_string())).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(text(response).await, r#"{"detail":"Not Found"}"#);
    }
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_413() {
    let server = bind(Server::builder()).await;
    let http = http();
    // The question itself is what is large; brackets and names come on top.
    let large = question(&"x".repeat(1 << 20), false).to_string();
    let response = send(&http, post(&create_url(&server), large)).await;
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, r#"{"detail":"Request body too large"}"#);

    let fits = question("", false).to_string();
    let fits = question(&"x".repeat((1 << 20) - fits.len()), false).to_string();
    assert_eq!(fits.len(), 1 << 20);
    assert_eq!(send(&http, post(&create_url(&server), fits)).await.status(), 200);
}

#[tokio::test]
async fn requests_of_official_sdks_are_accepted() {
    let server = bind(Server::builder().session_id_prefix("A/b ")).await;
    let http = http();
    // Any order of keys; the body's `stream` decides, whatever `Accept` says; an empty cookie; a charset.
    let body =
        r#"{"stream":true,"chat_session":{"messages":[{"content":"frogs","role":"user"}]},"integration_id":"i"}"#;
    let mut request = post(&create_url(&server), body);
    for (name, value) in [
        ("accept", "application/json;q=1, text/event-stream;q=0"),
        ("cookie", ""),
        ("content-type", "application/json; charset=utf-8"),
    ] {
        request.headers_mut().insert(name, value.parse().expect("a header value"));
    }
    let response = send(&http, request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let stream = text(response).await;
    let id = events(&stream)[0].1["chat_session_id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("A/b "), "{id}");

    // A slash in the id, as it is and encoded; a foreign content type, and none.
    let half = id.replace(' ', "%20");
    let whole = half.replace('/', "%2F");
    for (id, content_type) in [(half, Some("text/plain")), (whole, None)] {
        let mut request = post(&continue_url(&server, &id), follow_up("more", false).to_string());
        request.headers_mut().remove("content-type");
        if let Some(content_type) = content_type {
            request.headers_mut().insert("content-type", content_type.parse().expect("a header value"));
        }
        assert_eq!(send(&http, request).await.status(), 200, "{id}");
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let server = bind(Server::builder()).await;
    let http: Http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = send(&http, post(&create_url(&server), question("frogs", true).to_string())).await;
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert!(events(&text(response).await).len() >= 3);
}

#[tokio::test]
async fn a_connection_is_used_again_after_any_answer() {
    let server = bind(Server::builder().api_key("right")).await;
    let http = http();
    for _ in 0..2 {
        // Refused by its head alone, with a body.
        assert_eq!(ask(&http, &create_url(&server), &question("frogs", true)).await.0, 401);
        assert_eq!(ask(&http, &server.url(), &question("frogs", true)).await.0, 404);
        let mut request = post(&create_url(&server), question("frogs", true).to_string());
        request.headers_mut().insert("authorization", "Bearer right".parse().expect("a header value"));
        text(send(&http, request).await).await;
    }
    assert_eq!((server.accepted_connections(), server.requests()), (1, 6));
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection() {
    // The second event would come tomorrow.
    for http2 in [false, true] {
        let server = bind(Server::builder().chunk_delay(Duration::from_secs(86_400))).await;
        let http: Http = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let response = send(&http, post(&create_url(&server), question("frogs", true).to_string())).await;
        let mut body = response.into_body();
        let first = body.frame().await.expect("a frame").expect("whole").into_data().expect("data");
        assert_eq!(server.open_connections(), 1);
        drop((body, http));
        until("the connection is closed", || server.open_connections() == 0).await;

        // The history has the answer that was not read.
        let first = std::str::from_utf8(&first).expect("text");
        let id = events(first)[0].1["chat_session_id"].as_str().expect("an id").to_owned();
        let answer = result(&common::http(), &continue_url(&server, &id), &follow_up("And then?", false)).await;
        assert!(answer.message.content.starts_with("This is question 2 of this session"), "{answer:?}");
    }
}

#[tokio::test]
async fn dropping_the_server_ends_its_streams() {
    let server = bind(Server::builder().chunk_delay(Duration::from_secs(86_400))).await;
    let url = create_url(&server);
    let http = http();
    let mut body = send(&http, post(&url, question("frogs", true).to_string())).await.into_body();
    body.frame().await.expect("a frame").expect("whole");
    drop(server);
    let end = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("the stream ends soon");
    assert!(end.expect("not in order").is_err(), "the stream is cut");
    assert!(http.request(post(&url, "{}")).await.is_err(), "nothing listens");
}

#[tokio::test]
async fn shutdown_lets_an_answer_finish() {
    let server = bind(Server::builder().chunk_delay(Duration::from_millis(5))).await;
    let url = create_url(&server);
    let http = http();
    let mut response = send(&http, post(&url, question("frogs", true).to_string())).await;
    response.body_mut().frame().await.expect("a frame").expect("whole");
    let (rest, ()) = tokio::join!(text(response), server.shutdown());
    assert!(rest.contains(r#""finish_reason":"stop""#), "{rest}");
    assert!(http.request(post(&url, "{}")).await.is_err(), "nothing listens");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_the_rest_of_a_request() {
    for half in [
        "POST /v0/chat_sessions/chat_re",
        "POST /v0/chat_sessions/chat_results HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{",
    ] {
        let server = bind(Server::builder()).await;
        let mut stream = TcpStream::connect(server.local_addr()).await.expect("it listens");
        stream.write_all(half.as_bytes()).await.expect("it reads");
        until("the connection", || server.open_connections() == 1).await;
        let begun = Instant::now();
        server.shutdown().await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{half}: {:?}", begun.elapsed());
        let mut rest = Vec::new();
        // Closed or reset; either way nothing comes.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

#[tokio::test]
async fn a_server_waits_while_it_serves() {
    let server = bind(Server::builder()).await;
    let waited = tokio::time::timeout(Duration::from_millis(50), server.wait()).await;
    assert!(waited.is_err(), "it still serves");
    assert_eq!(ask(&http(), &create_url(&server), &question("frogs", false)).await.0, 200);
}
