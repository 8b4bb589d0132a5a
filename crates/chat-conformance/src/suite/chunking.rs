//! Responses in pieces of one byte, and in pieces of megabytes.

use chat_mock::faults::{COMMENT, FIRST, LAST, RESULT};
use chat_mock::{ScriptedReply, Step};

use super::harness::{Caller, TestCall};
use super::row::{Context, Row, RowResult, describe, ensure};
use super::transcript::outcome;

/// The number of events of a large answer.
const MANY: usize = 20_000;

pub(crate) fn rows<'c, C: Caller + 'c>() -> Vec<Row<'c, C>> {
    let body = [FIRST, COMMENT, LAST].concat();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
    let bytes = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
    let each_written = |reply: ScriptedReply, text: &str| {
        bytes(text).into_iter().fold(reply, |reply, byte| reply.then(Step::Write(byte.into())))
    };
    let long = [FIRST.repeat(MANY).as_str(), LAST].concat();
    let long_json = RESULT.replace("Yes, no.", &"Yes, no. ".repeat(MANY));
    vec![
        row("a chunk for each byte", ScriptedReply::sse_chunked(bytes(&body)), 2, "Yes, no.".to_owned()),
        row(
            "a write for each byte",
            each_written(ScriptedReply::raw(""), &[head.as_str(), &body].concat()).then(Step::KeepAlive),
            2,
            "Yes, no.".to_owned(),
        ),
        row("20001 events in one chunk", ScriptedReply::sse_chunked([&long]), MANY + 1, "Yes, ".repeat(MANY) + "no."),
        row("20001 events in one write", ScriptedReply::sse(long), MANY + 1, "Yes, ".repeat(MANY) + "no."),
        row(
            "20001 events, each in a chunk",
            ScriptedReply::sse_chunked((0..MANY).map(|_| FIRST).chain([LAST])),
            MANY + 1,
            "Yes, ".repeat(MANY) + "no.",
        ),
        row("a large answer in JSON", ScriptedReply::json(200, &[], long_json), 1, "Yes, no. ".repeat(MANY)),
    ]
}

fn row<'c, C: Caller + 'c>(name: &'static str, reply: ScriptedReply, events: usize, text: String) -> Row<'c, C> {
    Row::new(name, move |context: &Context<'_, C>| play(context, reply, events, &text))
}

fn play<C: Caller>(context: &Context<'_, C>, reply: ScriptedReply, events: usize, text: &str) -> RowResult {
    let fixture = context.servers.script(context.wire, vec![reply]).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let transcript = context.caller.call(&client, &TestCall::create(true));
    let handed_out = transcript.events;
    let result = transcript.finished()?;
    let observed = outcome(&result, fixture.server.requests().len());
    let answer = result.map_err(describe)?;
    ensure(answer.text == text, || format!("{observed}; another text"))?;
    let whole = (handed_out, observed.events as usize, observed.requests) == (events, events, 1);
    ensure(whole, || format!("{observed}, {handed_out} handed out; not {events}"))?;
    fixture.finish(context.caller, client)?;
    Ok(observed.to_string())
}
