//! Both operations, and what of them is on the wire: each request to the letter, each answer's head as it was sent.

use chat_client::sessions::Message;
use chat_client::{Answer, Event, FinishReason};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::faults::{ensure, said};
use super::suite::{Row, Seen, Stage};
use super::{Ask, Caller, Question, Transcript};
use crate::faults::{FIRST, LAST, RESULT};
use crate::{Received, Reply, Server, Step};

/// What every request has, once. `connection` may come beside them, and nothing else.
const HEADERS: [HeaderName; 8] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::USER_AGENT,
    HeaderName::from_static("x-trace"),
];

pub(super) fn rows<'c, C: Caller + 'c>() -> Vec<Row<'c, C>> {
    vec![
        Row::new("a conversation, streamed", |stage| converse(stage, true)),
        Row::new("a conversation in JSON", |stage| converse(stage, false)),
        Row::new("create, as sent", |stage| {
            let body = |stream| {
                let message = json!({ "role": "user", "content": "What is a chunk?" });
                json!({ "integration_id": "i", "chat_session": { "messages": [message] }, "stream": stream })
            };
            sent(stage, Question::create, "/v0/chat_sessions/chat_results", body)
        }),
        Row::new("continue, as sent", |stage| {
            let body = |stream| {
                let message = json!({ "role": "user", "content": "And then?" });
                json!({ "integration_id": "i", "message": message, "stream": stream })
            };
            let path = "/v0/chat_sessions/a%2Fb%20c%25%C3%BC/chat_results";
            sent(stage, |stream| Question::go_on("a/b c%ü", stream), path, body)
        }),
        Row::new("headers that repeat", repeated),
        Row::new("a header that is no text", odd),
    ]
}

/// Creates a session and continues it, against the API's server.
fn converse<C: Caller>(stage: &Stage<'_, C>, stream: bool) -> Seen {
    let builder = Server::builder().api_key("k").session_id_prefix("a/b %-");
    let scene = stage.host.server(stage.wire, builder).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let ask = |question: Question| -> Result<Answer, String> {
        let Transcript { events, result } = stage.caller.call(&client, &question);
        let answer = result.ok_or("the call was dropped")?.map_err(said)?;
        let text: String = events.iter().filter_map(Event::text).collect();
        ensure(text == answer.text && !text.is_empty(), || format!("handed out {text:?}, kept {answer:?}"))?;
        ensure(answer.head.request_id().is_some(), || format!("no x-request-id: {:?}", answer.head))?;
        // The words of a stream come one by one; JSON is two events, text and citations.
        ensure(if stream { events.len() > 2 } else { events.len() <= 2 }, || format!("{} events", events.len()))?;
        let reason = stream.then_some(FinishReason::Stop);
        ensure(answer.finish_reason == reason, || format!("finish reason {:?}", answer.finish_reason))?;
        Ok(answer)
    };
    let mut question = Question::create(stream);
    if let Ask::Create(input) = &mut question.ask {
        input.chat_session.messages = vec![Message::user("What is a transport?")];
    }
    let first = ask(question)?;
    ensure(!first.citations().is_empty(), || format!("no citations: {first:?}"))?;
    let id = first.session_id.ok_or("no session")?;
    let second = ask(Question::go_on(&id, stream))?;
    ensure(second.session_id.as_ref() == Some(&id), || format!("another session: {second:?}"))?;
    ensure(second.text.contains("What is a transport?"), || format!("no memory of it: {second:?}"))?;
    let requests = scene.server.requests();
    ensure(requests == 2, || format!("{requests} requests for 2 calls"))?;
    scene.end(stage.caller, client)?;
    Ok("2 calls, the second knows the first".to_owned())
}

/// Asks, streamed and not, at a base URL with a path of its own.
fn sent<C: Caller>(
    stage: &Stage<'_, C>,
    question: impl Fn(bool) -> Question,
    path: &str,
    body: impl Fn(bool) -> Value,
) -> Seen {
    let replies = vec![Reply::sse_chunked([FIRST, LAST]), Reply::json(200, &[], RESULT)];
    let mut scene = stage.host.script(stage.wire, replies).map_err(said)?;
    let authority = scene.setup.base_url.split_once("//").map_or("", |(_, authority)| authority).to_owned();
    let prefix = "/in%20keep/x%2Fy/%C3%BC";
    scene.setup.base_url += prefix;
    scene.setup.base_url += "/";
    scene.setup.headers = vec![("x-trace", "7f 80")];
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    for stream in [true, false] {
        let result = stage.caller.call(&client, &question(stream)).result.ok_or("the call was dropped")?;
        result.map_err(said)?;
    }
    let requests = scene.server.requests();
    ensure(requests.len() == 2, || format!("{} requests for 2 calls", requests.len()))?;
    for (request, stream) in requests.iter().zip([true, false]) {
        let Received { method, headers, .. } = request;
        ensure(method == "POST", || format!("method {method}"))?;
        ensure(request.path == format!("{prefix}{path}"), || format!("path {}", request.path))?;
        let sent: Value = serde_json::from_slice(&request.body).map_err(said)?;
        ensure(sent == body(stream), || format!("body {sent}"))?;
        check_headers(headers, &authority, request.body.len(), stream)?;
    }
    scene.end(stage.caller, client)?;
    Ok(format!("{prefix}{path}"))
}

fn check_headers(headers: &HeaderMap, authority: &str, length: usize, stream: bool) -> Result<(), String> {
    let foreign = headers.keys().find(|name| !HEADERS.contains(name) && *name != header::CONNECTION);
    ensure(foreign.is_none(), || format!("a header that nobody asked for: {foreign:?}"))?;
    let accept = if stream { "text/event-stream, application/json;q=0.9" } else { "application/json" };
    let length = length.to_string();
    let expected = [accept, "identity", "Bearer k", &length, "application/json", authority, "chat-proto/", "7f 80"];
    for (name, expected) in HEADERS.iter().zip(expected) {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        let is_so = |value: &str| value == expected || *name == header::USER_AGENT && value.contains(expected);
        let fits = values.len() == 1 && values[0].to_str().is_ok_and(is_so);
        ensure(fits, || format!("{name}: {values:?}, not {expected}"))?;
    }
    Ok(())
}

/// Headers of the same name are one each, in their order.
fn repeated<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let headers = [("x-one", "a"), ("link", "</1>"), ("x-one", "b, c"), ("LINK", "</2>"), ("x-request-id", "r-1")];
    let head = head_of(stage, Reply::json(200, &headers, RESULT))?;
    let all = |name: &str| head.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>();
    let seen = [all("x-one"), all("link"), all("x-request-id")];
    let fits = seen == [vec!["a", "b, c"], vec!["</1>", "</2>"], vec!["r-1"]];
    let seen = format!("{seen:?}");
    if fits { Ok(seen) } else { Err(seen) }
}

/// A value with bytes that no text has is kept as it is, or left out; the others beside it stay.
fn odd<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let length = RESULT.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
    let lines =
        b"x-latin: J\xfcrgen\r\nx-bytes: \xff\xfe\x80\r\nx-tab: a\tb\r\nx-text: J\xc3\xbcrgen\r\nx-last: v\r\n\r\n";
    let reply = Reply::raw([head.as_bytes(), lines].concat()).then(Step::Write(RESULT.into())).then(Step::KeepAlive);
    let head = head_of(stage, reply)?;
    let values: [(&str, &[u8]); 4] =
        [("x-latin", b"J\xfcrgen"), ("x-bytes", b"\xff\xfe\x80"), ("x-tab", b"a\tb"), ("x-text", b"J\xc3\xbcrgen")];
    for (name, expected) in values {
        let value = head.get(name).map(HeaderValue::as_bytes);
        ensure(value.is_none_or(|value| value == expected), || format!("{name}: {value:?}"))?;
    }
    ensure(head.get("x-last").is_some_and(|value| value == "v"), || format!("x-last is lost: {head:?}"))?;
    Ok("kept or left out, the others stay".to_owned())
}

/// The head of the answer to one call.
fn head_of<C: Caller>(stage: &Stage<'_, C>, reply: Reply) -> Result<HeaderMap, String> {
    let scene = stage.host.script(stage.wire, vec![reply]).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let result = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
    let answer = result.map_err(said)?;
    ensure(answer.text == "Yes, no.", || format!("{answer:?}"))?;
    scene.end(stage.caller, client)?;
    Ok(answer.head.headers)
}
