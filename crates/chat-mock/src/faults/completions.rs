//! Faults of chat completions.

use std::fmt::Write as _;

use chat_proto::Config;

use super::{CHUNKED, COMMENT, FaultCase as Case, FaultOutcome, JSON, SHORT, SSE, let_it_read, stream, write};
use crate::{ScriptedReply, Step};

/// The model of the calls.
pub const MODEL: &str = "m-1";
/// The first chunk: text, and the answer's id and model.
pub const FIRST: &str =
    "data: {\"id\":\"c-1\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Yes, \"}}]}\n\n";
/// The last chunk: the rest of the text, and the finish reason.
pub const LAST: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"no.\"},\"finish_reason\":\"stop\"}]}\n\n";
/// The end of the stream.
pub const DONE: &str = "data: [DONE]\n\n";
/// An answer in one JSON object.
pub const RESULT: &str =
    r#"{"id":"c-1","model":"m-1","choices":[{"index":0,"message":{"content":"Yes, no."},"finish_reason":"stop"}]}"#;

/// The rest of the text, without a finish reason.
const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"no.\"}}]}\n\n";
/// The begin of a tool call.
const CALL: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t-1\",\"type\":\"function\",\
     \"function\":{\"name\":\"search\",\"arguments\":\"{\\\"q\\\":\\\"chu\"}}]}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"total_tokens\":7}}\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\",\"code\":500}}\n\n";
const BUSY: &str = r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#;
const NO_QUOTA: &str = r#"{"error":{"message":"no credit","type":"insufficient_quota","code":"insufficient_quota"}}"#;

/// Returns the faults of chat completions.
pub(super) fn table() -> Vec<Case> {
    [ends(), cuts(), events(), objects(), retries()].concat()
}

/// Returns a result with the first `chunks` of [`FIRST`] and [`LAST`]. The first chunk is two events.
fn partial(kind: &'static str, chunks: usize) -> FaultOutcome {
    FaultOutcome { events: [0, 2, 3][chunks], ..FaultOutcome::partial(kind, chunks as u64) }
}

/// Returns a success with [`FIRST`] and [`LAST`].
fn completed() -> FaultOutcome {
    partial("completed", 2)
}

/// Returns an outcome with the whole text, and without a finish reason.
fn without_reason(kind: &'static str) -> FaultOutcome {
    FaultOutcome { finish_reason: None, ..partial(kind, 2) }
}

/// Returns a success with [`RESULT`].
fn result() -> FaultOutcome {
    FaultOutcome { events: 2, ..completed() }
}

fn whole() -> ScriptedReply {
    ScriptedReply::sse_chunked([FIRST, LAST, DONE])
}

fn finished() -> ScriptedReply {
    stream().chunk(FIRST).chunk(LAST)
}

fn done() -> ScriptedReply {
    finished().chunk(DONE)
}

/// The two signs of the end, a finish reason and `[DONE]`, and what follows them.
fn ends() -> Vec<Case> {
    let idle = |config: &mut Config| config.timeouts.idle = Some(SHORT);
    vec![
        Case::completion("[DONE] and the end of the body", [whole()], completed()).kept(),
        Case::completion("[DONE] and the end of the body at once", [at_once()], completed()).kept(),
        Case::completion("[DONE], then more events", [more()], completed()).kept(),
        Case::completion("[DONE], then silence", [done().then(Step::Stall)], completed()),
        Case::completion(
            "[DONE], then an invalid chunk",
            [done().then(write("zz\r\n")).then(Step::Stall)],
            completed(),
        )
        .cut(),
        Case::completion(
            "[DONE], no finish reason",
            [ScriptedReply::sse_chunked([FIRST, TEXT, DONE])],
            without_reason("completed"),
        )
        .kept(),
        Case::completion("finish reason, no [DONE]", [ScriptedReply::sse_chunked([FIRST, LAST])], completed()).kept(),
        Case::completion(
            "finish reason, no [DONE], by close",
            [ScriptedReply::head(200, &[SSE]).then(write([FIRST, LAST].concat()))],
            completed(),
        ),
        Case::completion(
            "finish reason, then a reset",
            [finished().then(let_it_read()).then(Step::Reset)],
            completed(),
        )
        .cut(),
        Case::completion("finish reason, then silence", [finished().then(Step::Stall)], completed()).configure(idle),
        Case::completion(
            "finish reason, then silence inside an event",
            [finished().chunk("data: [DO").then(Step::Stall)],
            completed(),
        )
        .configure(idle),
        Case::completion(
            "finish reason, then usage",
            [ScriptedReply::sse_chunked([FIRST, LAST, USAGE, DONE])],
            FaultOutcome { tokens: Some(7), events: 4, ..completed() },
        )
        .kept(),
        Case::completion(
            "neither finish reason nor [DONE]",
            [ScriptedReply::sse_chunked([FIRST, TEXT])],
            without_reason("truncated"),
        )
        .kept(),
        Case::completion(
            "neither finish reason nor [DONE], accepted",
            [ScriptedReply::sse_chunked([FIRST, TEXT])],
            without_reason("completed"),
        )
        .kept()
        .configure(|config| config.accept_unfinished = true),
    ]
}

/// A stream whose end comes in one write with `[DONE]`.
fn at_once() -> ScriptedReply {
    let end = format!("{:x}\r\n{DONE}\r\n0\r\n\r\n", DONE.len());
    finished().then(write(end)).then(Step::KeepAlive)
}

/// A stream with an error, text and no JSON after `[DONE]`, in the same chunk and in others.
fn more() -> ScriptedReply {
    finished().chunk([DONE, ERROR].concat()).chunk(TEXT).chunk("data: {\n\n").last_chunk()
}

/// The connection closes after each number of bytes.
fn cuts() -> Vec<Case> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut wire = head.to_owned();
    // The byte at which each event is complete.
    let mut ends = Vec::new();
    for part in [FIRST, LAST, DONE] {
        let _ = write!(wire, "{:x}\r\n{part}", part.len());
        ends.push(wire.len());
        wire += "\r\n";
    }
    wire += "0\r\n\r\n";
    let outcome = |at: usize| match at {
        _ if at < head.len() => FaultOutcome::lost(),
        _ if at < ends[0] => partial("truncated", 0),
        _ if at < ends[1] => partial("truncated", 1),
        // The finish reason has arrived.
        _ => completed(),
    };
    let cut = |at: usize| {
        let reply = ScriptedReply::raw(wire.as_bytes()[..at].to_vec());
        let fault = Case::completion("completion that is cut", [reply], outcome(at)).of_byte(at);
        if at < wire.len() { fault.cut() } else { fault }
    };
    (0..=wire.len()).map(cut).collect()
}

/// Events that are not chunks, and chunks that are cut.
fn events() -> Vec<Case> {
    let after_first = |event: &str| [stream().chunk(FIRST).chunk(event).chunk(LAST).then(Step::Stall), whole()];
    let called =
        FaultOutcome { tool_calls: vec!["search({\"q\":\"chu)".to_owned()], events: 3, ..partial("truncated", 1) };
    let beside = FIRST.replacen("data: {", "data: {\"error\":\"boom\",", 1);
    let keep_alives = [COMMENT, "data:\n\n", COMMENT];
    vec![
        Case::completion("error after text", after_first(ERROR), partial("stream", 1)),
        Case::completion(
            "error instead of text",
            [stream().chunk(ERROR).then(Step::Stall), whole()],
            partial("stream", 0),
        ),
        Case::completion(
            "error beside text",
            [stream().chunk(beside).then(Step::Stall), whole()],
            partial("stream", 1),
        ),
        Case::completion("chunk that is no JSON", after_first("data: {\n\n"), partial("decode", 1)),
        Case::completion("tool call that is cut", [stream().chunk(FIRST).chunk(CALL)], called.clone()).cut(),
        Case::completion("tool call without an end", [ScriptedReply::sse_chunked([FIRST, CALL])], called).kept(),
        Case::completion("completion without events", [ScriptedReply::sse("")], partial("unexpected_response", 0))
            .kept(),
        Case::completion(
            "completion of keep-alives",
            [ScriptedReply::sse_chunked(keep_alives)],
            partial("unexpected_response", 0),
        )
        .kept(),
    ]
}

/// Answers in one JSON object.
fn objects() -> Vec<Case> {
    vec![
        Case::completion("completion in JSON", [ScriptedReply::json(200, &[], RESULT)], result()).kept(),
        Case::completion(
            "completion in JSON that is cut",
            [ScriptedReply::head(200, &[JSON, CHUNKED]).chunk(&RESULT[..40]).then(Step::Close)],
            partial("truncated", 0),
        )
        .cut(),
        Case::completion(
            "error in JSON with status 200",
            [ScriptedReply::json(200, &[], BUSY), whole()],
            partial("api", 0),
        )
        .kept(),
    ]
}

/// Failures that are retried, and failures that are not.
fn retries() -> Vec<Case> {
    let now = ("retry-after", "0");
    let events = |body: &str| {
        ScriptedReply::head(429, &[SSE, CHUNKED, now]).chunk(format!("data: {body}\n\n")).chunk(DONE).last_chunk()
    };
    let refused =
        |name, first, status| Case::completion(name, [first, whole()], FaultOutcome::failed("api", status)).kept();
    let retried = |name, first| Case::completion(name, [first, whole()], completed().after(2)).kept();
    vec![
        retried("429 of a completion, then 200", ScriptedReply::json(429, &[now], BUSY)),
        retried("429 of a completion in events, then 200", events(BUSY)),
        retried("500 of a completion, then 200", ScriptedReply::json(500, &[], ERROR.trim_start_matches("data: "))),
        refused("429 without quota", ScriptedReply::json(429, &[now], NO_QUOTA), 429),
        refused("429 without quota, in events", events(NO_QUOTA), 429),
        refused("401 of a completion", ScriptedReply::json(401, &[], BUSY), 401),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::render;

    #[test]
    fn a_cut_is_lost_then_truncated_then_completed() {
        let cuts = cuts();
        let text = render(cuts.iter().map(|fault| (fault, &fault.expected)));
        let ends: Vec<&str> = text.lines().map(|row| row.split(" | ").nth(1).unwrap()).collect();
        assert_eq!(
            ends,
            [
                "transport, 1 request",
                "truncated, status 200, 0 events \"\", 1 request",
                "truncated, status 200, 2 events \"Yes, \", 1 request",
                "completed, status 200, 3 events \"Yes, no.\", reason stop, 1 request",
            ]
        );
    }
}
