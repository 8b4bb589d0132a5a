//! Connections that end before the response does.

use std::fmt::Write as _;

use super::{CHUNKED, COMMENT, FIRST, FaultCase, FaultOutcome, JSON, LAST, RESULT, SSE, let_it_read, stream, write};
use crate::{ScriptedReply, Step};

/// The connection closes after each number of bytes, and is reset at some.
pub(super) fn cuts() -> Vec<FaultCase> {
    let body = [FIRST, COMMENT, LAST].concat();
    let first_end = FIRST.len();
    let last_begin = first_end + COMMENT.len();
    let length = body.len().to_string();
    let mut faults = Vec::new();

    // The number of complete events within this many bytes of the body.
    let events = |bytes: usize| u64::from(bytes >= first_end) + u64::from(bytes >= body.len());
    let mut cut = |name, wire: &[u8], reached: &dyn Fn(usize) -> FaultOutcome| {
        faults.extend((0..=wire.len()).map(|at| {
            let fault = FaultCase::new(name, [ScriptedReply::raw(wire[..at].to_vec())], reached(at)).of_byte(at);
            if fault.expected.kind == "completed" { fault } else { fault.cut() }
        }));
    };

    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let chunked_head = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut wire = chunked_head.clone();
    // The byte at which each event is complete.
    let mut whole = Vec::new();
    for part in [FIRST, COMMENT, LAST] {
        let _ = write!(wire, "{:x}\r\n{part}", part.len());
        whole.push(wire.len());
        wire += "\r\n";
    }
    wire += "0\r\n\r\n";
    cut("cut, chunked", wire.as_bytes(), &|at| match at {
        _ if at < chunked_head.len() => FaultOutcome::lost(),
        _ if at == wire.len() => FaultOutcome::completed(),
        _ => FaultOutcome::partial("truncated", u64::from(at >= whole[0]) + u64::from(at >= whole[2])),
    });

    let sized_head = format!("{head}content-length: {length}\r\n\r\n");
    let wire = format!("{sized_head}{body}");
    cut("cut, content-length", wire.as_bytes(), &|at| match at {
        _ if at < sized_head.len() => FaultOutcome::lost(),
        _ if at == wire.len() => FaultOutcome::completed(),
        _ => FaultOutcome::partial("truncated", events(at - sized_head.len())),
    });

    // Only the close ends the body, so that an end between events looks like a cut.
    let plain_head = format!("{head}\r\n");
    let wire = format!("{plain_head}{body}");
    let by_close = |head: usize, at: usize| match at.checked_sub(head) {
        None => FaultOutcome::lost(),
        Some(at) if (1..first_end).contains(&at) => FaultOutcome::partial("truncated", 0),
        Some(at) if (last_begin + 1..body.len()).contains(&at) => FaultOutcome::partial("truncated", 1),
        Some(at) => FaultOutcome::partial("completed", events(at)),
    };
    cut("cut, by close", wire.as_bytes(), &|at| by_close(plain_head.len(), at));

    let old_head = plain_head.replace("1.1", "1.0");
    let wire = format!("{old_head}{body}");
    faults.push(FaultCase::new("HTTP/1.0 by close", [ScriptedReply::raw(wire)], FaultOutcome::completed()));
    let wire = format!("{old_head}{}", &body[..body.len() - 1]);
    faults.push(FaultCase::new(
        "HTTP/1.0 by close, inside an event",
        [ScriptedReply::raw(wire)],
        FaultOutcome::partial("truncated", 1),
    ));

    faults.extend([
        FaultCase::new("reset before the head", [ScriptedReply::raw("").then(Step::Reset)], FaultOutcome::lost()).cut(),
        FaultCase::new(
            "reset inside the head",
            [ScriptedReply::raw("HTTP/1.1 200 OK\r\n").then(let_it_read()).then(Step::Reset)],
            FaultOutcome::lost(),
        )
        .cut(),
        FaultCase::new(
            "reset between events",
            [stream().chunk(FIRST).then(let_it_read()).then(Step::Reset)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "reset inside an event",
            [stream().chunk(FIRST).chunk("event: ").then(let_it_read()).then(Step::Reset)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "reset, by close",
            [ScriptedReply::head(200, &[SSE]).then(write(FIRST)).then(let_it_read()).then(Step::Reset)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "cut in a JSON body",
            [ScriptedReply::head(200, &[JSON, CHUNKED]).chunk(&RESULT[..20]).then(Step::Close)],
            FaultOutcome::partial("truncated", 0),
        )
        .cut(),
        FaultCase::new(
            "cut in a JSON body, by close",
            [ScriptedReply::head(200, &[JSON]).then(write(&RESULT[..20]))],
            FaultOutcome::partial("decode", 0),
        ),
        FaultCase::new(
            "cut in an error's body",
            [ScriptedReply::head(404, &[JSON, CHUNKED]).chunk("{\"det").then(Step::Close)],
            FaultOutcome::failed("api", 404),
        )
        .cut(),
    ]);
    faults
}
