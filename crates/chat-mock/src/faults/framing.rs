//! Bodies whose framing is wrong or rare.

use super::{FIRST, FaultCase, FaultOutcome, LAST, RESULT, SHORT, SSE, stream, write};
use crate::{ScriptedReply, Step};

/// Lengths that are not those of the body.
pub(super) fn lengths() -> Vec<FaultCase> {
    let body = [FIRST, LAST].concat();
    let sized = |length: usize| {
        ScriptedReply::head(200, &[SSE, ("content-length", &length.to_string())]).then(write(body.clone()))
    };
    let named = |length: &str| ScriptedReply::head(200, &[SSE, ("content-length", length)]).then(write(body.clone()));
    vec![
        FaultCase::new(
            "content-length short, inside an event",
            [sized(body.len() - 10).then(Step::KeepAlive)],
            FaultOutcome::partial("truncated", 1),
        ),
        FaultCase::new(
            "content-length short, between events",
            [sized(FIRST.len()).then(Step::KeepAlive)],
            FaultOutcome::partial("completed", 1),
        ),
        FaultCase::new(
            "content-length long, then close",
            [sized(body.len() + 1)],
            FaultOutcome::partial("truncated", 2),
        )
        .cut(),
        FaultCase::new(
            "content-length long, then silence",
            [sized(body.len() + 1).then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(2)),
        )
        .configure(|config| config.timeouts.idle = Some(SHORT)),
        FaultCase::new("content-length that is not a number", [named("many")], FaultOutcome::lost()),
        FaultCase::new("content-length negative", [named("-1")], FaultOutcome::lost()),
        FaultCase::new("content-length past 64 bits", [named("99999999999999999999999")], FaultOutcome::lost()),
        FaultCase::new(
            "two content-lengths that differ",
            [ScriptedReply::head(200, &[SSE, ("content-length", "1"), ("content-length", "2")])
                .then(write(body.clone()))],
            FaultOutcome::lost(),
        ),
        FaultCase::new(
            "empty stream",
            [ScriptedReply::sse("")],
            FaultOutcome { text: Some(String::new()), ..FaultOutcome::partial("completed", 0) },
        )
        .kept(),
        FaultCase::new(
            "empty stream, chunked",
            [ScriptedReply::sse_chunked([""])],
            FaultOutcome::partial("completed", 0),
        )
        .kept(),
        FaultCase::new(
            "empty stream, by close",
            [ScriptedReply::head(200, &[SSE])],
            FaultOutcome::partial("completed", 0),
        ),
        FaultCase::new("empty JSON body", [ScriptedReply::json(200, &[], "")], FaultOutcome::partial("decode", 0))
            .kept(),
        FaultCase::new("empty error", [ScriptedReply::json(404, &[], "")], FaultOutcome::failed("api", 404)).kept(),
    ]
}

/// Framing that is invalid or rare.
pub(super) fn framing() -> Vec<FaultCase> {
    let broken = |bytes: &'static str| [stream().chunk(FIRST).then(write(bytes)).then(Step::Stall)];
    let trailers = stream().chunk(FIRST).chunk(LAST).then(write("0\r\nx-sum: 1\r\nserver-timing: a\r\n\r\n"));
    let extended =
        stream().then(write(format!("{:x};a=b;c=\"d\"\r\n{FIRST}\r\n", FIRST.len()))).chunk(LAST).last_chunk();
    let endless = (0..80).fold(stream().chunk(FIRST).then(write("1;")), |reply, _| reply.then(write(vec![b'x'; 1024])));
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let answer = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{RESULT}", RESULT.len());
    vec![
        FaultCase::new("invalid chunk size", broken("zz\r\nfoo\r\n"), FaultOutcome::partial("truncated", 1)).cut(),
        FaultCase::new(
            "chunk size past 64 bits",
            broken("fffffffffffffffff\r\n"),
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new("chunk longer than its size", broken("3\r\n: more\r\n"), FaultOutcome::partial("truncated", 1))
            .cut(),
        FaultCase::new(
            "chunk extension without end",
            [endless.then(Step::Stall)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new("chunk extensions", [extended], FaultOutcome::completed()).kept(),
        FaultCase::new("trailers after the last chunk", [trailers.then(Step::KeepAlive)], FaultOutcome::completed())
            .kept(),
        FaultCase::new(
            "100 and 103 before the answer",
            [ScriptedReply::raw(format!("{interim}HTTP/1.1 200 OK\r\n{answer}")).then(Step::KeepAlive)],
            FaultOutcome::result(),
        )
        .kept(),
        FaultCase::new(
            "no reason phrase",
            [ScriptedReply::raw(format!("HTTP/1.1 200\r\n{answer}")).then(Step::KeepAlive)],
            FaultOutcome::result(),
        )
        .kept(),
        FaultCase::new(
            "no HTTP at all",
            [ScriptedReply::raw("SSH-2.0-OpenSSH_9.9\r\n").then(Step::Stall)],
            FaultOutcome::lost(),
        ),
        FaultCase::new(
            "invalid header name",
            [ScriptedReply::raw(format!("HTTP/1.1 200 OK\r\na b: c\r\n{answer}")).then(Step::Stall)],
            FaultOutcome::lost(),
        ),
        FaultCase::new(
            "header value beyond ASCII",
            [ScriptedReply::json(200, &[("x-name", "J\u{fc}rgen")], RESULT)],
            FaultOutcome::result(),
        )
        .kept(),
    ]
}
