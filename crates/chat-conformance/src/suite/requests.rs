//! Both operations of v0: the exact requests, and the heads of the responses.

use chat_client::sessions::Message;
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{ScriptedReply, Server, Step};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::harness::{Caller, Operation, TestCall};
use super::row::{Context, Row, RowResult, describe, ensure};
use super::sent::Sent;
use super::transcript::ReceivedAnswer;

pub(crate) fn rows<'c, C: Caller + 'c>() -> Vec<Row<'c, C>> {
    vec![
        Row::new("a conversation, streamed", |context| converse(context, true)),
        Row::new("a conversation in JSON", |context| converse(context, false)),
        Row::new("create, as sent", |context| {
            let body = |stream| {
                let message = json!({ "role": "user", "content": "What is a chunk?" });
                json!({ "integration_id": "i", "chat_session": { "messages": [message] }, "stream": stream })
            };
            sent(context, TestCall::create, &answers(), "/v0/chat_sessions/chat_results", body)
        }),
        Row::new("continue, as sent", |context| {
            let body = |stream| {
                let message = json!({ "role": "user", "content": "And then?" });
                json!({ "integration_id": "i", "message": message, "stream": stream })
            };
            let path = "/v0/chat_sessions/a%2Fb%20c%25%C3%BC/chat_results";
            sent(context, |stream| TestCall::continue_session("a/b c%ü", stream), &answers(), path, body)
        }),
        Row::new("headers that repeat", repeated),
        Row::new("a header value that is not text", odd),
    ]
}

/// Creates a session and continues it, on the mock server.
fn converse<C: Caller>(context: &Context<'_, C>, stream: bool) -> RowResult {
    let builder = Server::builder().api_key("k").session_id_prefix("a/b %-");
    let fixture = context.servers.server(context.wire, builder).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let ask = |call: TestCall| -> Result<ReceivedAnswer, String> {
        let transcript = context.caller.call(&client, &call);
        let (text, events) = (transcript.text.clone(), transcript.events);
        let answer = transcript.finished()?.map_err(describe)?;
        ensure(text == answer.text && !text.is_empty(), || format!("handed out {text:?}, kept {answer:?}"))?;
        let has_id = answer.head.as_ref().is_none_or(|head| head.request_id().is_some());
        ensure(has_id, || format!("no x-request-id: {:?}", answer.head))?;
        // A stream has an event for each word. JSON gives two events: text and citations.
        ensure(if stream { events > 2 } else { events <= 2 }, || format!("{events} events"))?;
        let reason = stream.then_some("stop");
        ensure(answer.finish_reason.as_deref() == reason, || format!("finish reason {:?}", answer.finish_reason))?;
        Ok(answer)
    };
    let mut call = TestCall::create(stream);
    if let Operation::Create(input) = &mut call.operation {
        input.chat_session.messages = vec![Message::user("What is a transport?")];
    }
    let first = ask(call)?;
    ensure(first.citations > 0, || format!("no citations: {first:?}"))?;
    let id = first.session_id.ok_or("no session")?;
    let second = ask(TestCall::continue_session(&id, stream))?;
    ensure(second.session_id.as_ref() == Some(&id), || format!("another session: {second:?}"))?;
    ensure(second.text.contains("What is a transport?"), || format!("no memory of it: {second:?}"))?;
    let requests = fixture.server.requests();
    ensure(requests == 2, || format!("{requests} requests for 2 calls"))?;
    fixture.finish(context.caller, client)?;
    Ok("2 calls, the second knows the first".to_owned())
}

/// Makes a streamed and a JSON call to a base URL that has a path, and checks the requests. The replies are to these calls.
pub(crate) fn sent<C: Caller>(
    context: &Context<'_, C>,
    call: impl Fn(bool) -> TestCall,
    replies: &[ScriptedReply; 2],
    path: &str,
    body: impl Fn(bool) -> Value,
) -> RowResult {
    let mut fixture = context.servers.script(context.wire, replies.to_vec()).map_err(describe)?;
    let authority = fixture.authority();
    let prefix = "/in%20keep/x%2Fy/%C3%BC";
    fixture.setup.base_url += prefix;
    fixture.setup.base_url += "/";
    fixture.setup.headers = vec![("x-trace", "7f 80")];
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    for stream in [true, false] {
        let result = context.caller.call(&client, &call(stream)).finished()?;
        result.map_err(describe)?;
    }
    let requests = fixture.server.requests();
    ensure(requests.len() == 2, || format!("{} requests for 2 calls", requests.len()))?;
    let path = format!("{prefix}{path}");
    for (request, stream) in requests.iter().zip([true, false]) {
        let headers = vec![(header::AUTHORIZATION, "Bearer k"), (HeaderName::from_static("x-trace"), "7f 80")];
        Sent { path: &path, authority: &authority, headers, body: Some(body(stream)) }.check(request)?;
    }
    fixture.finish(context.caller, client)?;
    Ok(path)
}

/// The replies to a streamed and a JSON call of v0.
fn answers() -> [ScriptedReply; 2] {
    [ScriptedReply::sse_chunked([FIRST, LAST]), ScriptedReply::json(200, &[], RESULT)]
}

/// Repeated headers must be kept separate and in order.
fn repeated<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let headers = [("x-one", "a"), ("link", "</1>"), ("x-one", "b, c"), ("LINK", "</2>"), ("x-request-id", "r-1")];
    let head = head_of(context, ScriptedReply::json(200, &headers, RESULT))?;
    let all = |name: &str| head.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>();
    let observed = [all("x-one"), all("link"), all("x-request-id")];
    let fits = observed == [vec!["a", "b, c"], vec!["</1>", "</2>"], vec!["r-1"]];
    let observed = format!("{observed:?}");
    if fits { Ok(observed) } else { Err(observed) }
}

/// A header value that is not text may be kept or dropped. The other headers must be kept.
fn odd<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let length = RESULT.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
    let lines =
        b"x-latin: J\xfcrgen\r\nx-bytes: \xff\xfe\x80\r\nx-tab: a\tb\r\nx-text: J\xc3\xbcrgen\r\nx-last: v\r\n\r\n";
    let reply =
        ScriptedReply::raw([head.as_bytes(), lines].concat()).then(Step::Write(RESULT.into())).then(Step::KeepAlive);
    let head = head_of(context, reply)?;
    let values: [(&str, &[u8]); 4] =
        [("x-latin", b"J\xfcrgen"), ("x-bytes", b"\xff\xfe\x80"), ("x-tab", b"a\tb"), ("x-text", b"J\xc3\xbcrgen")];
    for (name, expected) in values {
        let value = head.get(name).map(HeaderValue::as_bytes);
        ensure(value.is_none_or(|value| value == expected), || format!("{name}: {value:?}"))?;
    }
    ensure(head.get("x-last").is_some_and(|value| value == "v"), || format!("x-last is lost: {head:?}"))?;
    Ok("kept or left out, the others stay".to_owned())
}

/// Makes one call and returns the headers of the response.
fn head_of<C: Caller>(context: &Context<'_, C>, reply: ScriptedReply) -> Result<HeaderMap, String> {
    let fixture = context.servers.script(context.wire, vec![reply]).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let result = context.caller.call(&client, &TestCall::create(true)).finished()?;
    let answer = result.map_err(describe)?;
    ensure(answer.text == "Yes, no.", || format!("{answer:?}"))?;
    fixture.finish(context.caller, client)?;
    answer.head.map(|head| head.headers).ok_or_else(|| "no head".to_owned())
}
