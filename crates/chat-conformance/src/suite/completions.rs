//! Chat completions and the list of models: the exact requests, and the answers of the mock server.

use chat_client::completions::Message;
use chat_mock::faults::completions::{DONE, FIRST, LAST, MODEL, RESULT};
use chat_mock::{ScriptedReply, Server};
use http::header::{self, HeaderName};
use serde_json::json;

use super::harness::{Caller, KeyPlace, Operation, TestCall};
use super::requests::sent;
use super::row::{Context, Row, RowResult, describe, ensure};
use super::sent::Sent;
use super::transcript::ReceivedAnswer;

/// A list of one model.
const MODELS: &str = r#"{"object":"list","data":[{"id":"m-1","object":"model","owned_by":"o"}]}"#;

pub(crate) fn rows<'c, C: Caller + 'c>() -> Vec<Row<'c, C>> {
    vec![
        Row::new("completions, streamed", |context| converse(context, true)),
        Row::new("completions in JSON", |context| converse(context, false)),
        Row::new("complete, as sent", |context| {
            let message = json!({ "role": "user", "content": "What is a chunk?" });
            let body = |stream| match stream {
                true => json!({ "model": MODEL, "messages": [message], "stream": true }),
                false => json!({ "model": MODEL, "messages": [message] }),
            };
            sent(context, |stream| TestCall::complete(MODEL, stream), &answers(), "/chat/completions", body)
        }),
        Row::new("the list of models", models),
        Row::new("v1 of a host, with a key", |context| {
            with_key(context, KeyPlace::Bearer, vec![(header::AUTHORIZATION, "Bearer k")])
        }),
        Row::new("v1 of a host, with a key in another header", |context| {
            with_key(context, KeyPlace::Header("api-key"), vec![(HeaderName::from_static("api-key"), "k")])
        }),
        Row::new("v1 of a host, without a key", |context| with_key(context, KeyPlace::Nowhere, Vec::new())),
    ]
}

/// The replies to a streamed and a JSON call.
fn answers() -> [ScriptedReply; 2] {
    [ScriptedReply::sse_chunked([FIRST, LAST, DONE]), ScriptedReply::json(200, &[], RESULT)]
}

/// Asks twice, the second time with the history, on the mock server.
fn converse<C: Caller>(context: &Context<'_, C>, stream: bool) -> RowResult {
    let fixture = context.servers.server(context.wire, Server::builder().api_key("k")).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let ask = |messages: &[Message]| -> Result<ReceivedAnswer, String> {
        let mut call = TestCall::complete(MODEL, stream);
        if let Operation::Complete(input) = &mut call.operation {
            input.messages = messages.to_vec();
        }
        let transcript = context.caller.call(&client, &call);
        let text = transcript.text.clone();
        let answer = transcript.finished()?.map_err(describe)?;
        ensure(text == answer.text && !text.is_empty(), || format!("handed out {text:?}, kept {answer:?}"))?;
        ensure(answer.model.as_deref() == Some(MODEL) && answer.id.is_some(), || {
            format!("no model or id: {answer:?}")
        })?;
        ensure(answer.finish_reason.as_deref() == Some("stop"), || format!("reason {:?}", answer.finish_reason))?;
        Ok(answer)
    };
    let question = Message::user("What is a transport?");
    let first = ask(std::slice::from_ref(&question))?;
    let second = ask(&[question, Message::assistant(first.text), Message::user("And then?")])?;
    ensure(second.text.contains("What is a transport?"), || format!("no memory of it: {second:?}"))?;
    let requests = fixture.server.requests();
    ensure(requests == 2, || format!("{requests} requests for 2 calls"))?;
    fixture.finish(context.caller, client)?;
    Ok("2 calls, the second knows the first".to_owned())
}

/// Lists the models of the mock server.
fn models<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let fixture = context.servers.server(context.wire, Server::builder().api_key("k")).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let models = context.caller.list_models(&client)?;
    let is_there = models.iter().any(|model| model == chat_client::completions::QA_EXPERT);
    ensure(is_there, || format!("{models:?}"))?;
    fixture.finish(context.caller, client)?;
    Ok(format!("{} models", models.len()))
}

/// Makes a call and lists the models of a base URL without a path, with the key in this place, and checks the requests.
fn with_key<C: Caller>(context: &Context<'_, C>, key: KeyPlace, headers: Vec<(HeaderName, &'static str)>) -> RowResult {
    let [streamed, _] = answers();
    let replies = vec![streamed, ScriptedReply::json(200, &[], MODELS)];
    let mut fixture = context.servers.script(context.wire, replies).map_err(describe)?;
    fixture.setup.key = key;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let result = context.caller.call(&client, &TestCall::complete(MODEL, true)).finished()?;
    result.map_err(describe)?;
    let models = context.caller.list_models(&client)?;
    ensure(models.len() == 1 && models[0] == "m-1", || format!("{models:?}"))?;
    let requests = fixture.server.requests();
    ensure(requests.len() == 2, || format!("{} requests for 2 calls", requests.len()))?;
    let authority = fixture.authority();
    let message = json!({ "role": "user", "content": "What is a chunk?" });
    let body = Some(json!({ "model": MODEL, "messages": [message], "stream": true }));
    let complete = Sent { path: "/v1/chat/completions", authority: &authority, headers: headers.clone(), body };
    complete.check(&requests[0])?;
    Sent { path: "/v1/models", authority: &authority, headers, body: None }.check(&requests[1])?;
    fixture.finish(context.caller, client)?;
    Ok("a call and the list of models".to_owned())
}
