//! Answers in pieces of a byte, and in pieces of megabytes.

use super::faults::{ensure, said};
use super::suite::{Row, Seen, Stage};
use super::{Caller, Question};
use crate::faults::{COMMENT, FIRST, LAST, Outcome, RESULT};
use crate::{Reply, Step};

/// How many events make an answer large.
const MANY: usize = 20_000;

pub(super) fn rows<'c, C: Caller + 'c>() -> Vec<Row<'c, C>> {
    let body = [FIRST, COMMENT, LAST].concat();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
    let bytes = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
    let each_written = |reply: Reply, text: &str| {
        bytes(text).into_iter().fold(reply, |reply, byte| reply.then(Step::Write(byte.into())))
    };
    let long = [FIRST.repeat(MANY).as_str(), LAST].concat();
    let long_json = RESULT.replace("Yes, no.", &"Yes, no. ".repeat(MANY));
    vec![
        row("a chunk for each byte", Reply::sse_chunked(bytes(&body)), 2, "Yes, no.".to_owned()),
        row(
            "a write for each byte",
            each_written(Reply::raw(""), &[head.as_str(), &body].concat()).then(Step::KeepAlive),
            2,
            "Yes, no.".to_owned(),
        ),
        row("20001 events in one chunk", Reply::sse_chunked([&long]), MANY + 1, "Yes, ".repeat(MANY) + "no."),
        row("20001 events in one write", Reply::sse(long), MANY + 1, "Yes, ".repeat(MANY) + "no."),
        row(
            "20001 events, each in a chunk",
            Reply::sse_chunked((0..MANY).map(|_| FIRST).chain([LAST])),
            MANY + 1,
            "Yes, ".repeat(MANY) + "no.",
        ),
        row("a large answer in JSON", Reply::json(200, &[], long_json), 1, "Yes, no. ".repeat(MANY)),
    ]
}

fn row<'c, C: Caller + 'c>(name: &'static str, reply: Reply, events: usize, text: String) -> Row<'c, C> {
    Row::new(name, move |stage: &Stage<'_, C>| play(stage, reply, events, &text))
}

fn play<C: Caller>(stage: &Stage<'_, C>, reply: Reply, events: usize, text: &str) -> Seen {
    let scene = stage.host.script(stage.wire, vec![reply]).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let transcript = stage.caller.call(&client, &Question::create(true));
    let result = transcript.result.ok_or("the call was dropped")?;
    let seen = Outcome::of(&result, scene.server.requests().len());
    let answer = result.map_err(said)?;
    ensure(answer.text == text, || format!("{seen}; another text"))?;
    let whole = (transcript.events.len(), seen.events as usize, seen.requests) == (events, events, 1);
    ensure(whole, || format!("{seen}, {} handed out; not {events}", transcript.events.len()))?;
    scene.end(stage.caller, client)?;
    Ok(seen.to_string())
}
