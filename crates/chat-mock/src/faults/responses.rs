//! Whole responses that are not an answer, or an unusual one.

use super::{FIRST, FaultCase, FaultOutcome, JSON, LAST, RESULT, SSE, stream, whole, write};
use crate::{ScriptedReply, Step};

/// Responses that do not come from the API.
pub(super) fn foreign() -> Vec<FaultCase> {
    let foreign = |name, status, headers: &[(&str, &str)], body: &'static [u8]| {
        let length = body.len().to_string();
        let all = [headers, &[("content-length", length.as_str())]].concat();
        let reply = ScriptedReply::head(status, &all).then(write(body)).then(Step::KeepAlive);
        FaultCase::new(name, [reply, whole()], FaultOutcome::failed("unexpected_response", status)).kept()
    };
    let html = ("content-type", "text/html");
    // "Yes." in gzip.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x8b\x4c\x2d\xd6\x03\0\x05\xb1\x99\x01\x04\0\0\0";
    let result = RESULT.as_bytes();
    vec![
        foreign("302", 302, &[html, ("location", "/elsewhere")], b"moved"),
        foreign("307", 307, &[JSON, ("location", "/elsewhere")], result),
        foreign("200 of text/html", 200, &[html], b"<html>log in</html>"),
        foreign("200 without a type", 200, &[], result),
        foreign("201", 201, &[JSON], result),
        foreign("202 of events", 202, &[SSE], FIRST.as_bytes()),
        foreign("gzip that was not requested", 200, &[JSON, ("content-encoding", "gzip")], gzip),
        foreign("gzip of events", 200, &[SSE, ("content-encoding", "gzip")], gzip),
        FaultCase::new(
            "204",
            [ScriptedReply::head(204, &[]).then(Step::KeepAlive), whole()],
            FaultOutcome::failed("unexpected_response", 204),
        )
        .kept(),
    ]
}

/// Rejections and unusual answers of the API.
pub(super) fn oddities() -> Vec<FaultCase> {
    let detail = r#"{"detail":[{"loc":["body","message"],"msg":"field required","type":"value_error.missing"}]}"#;
    let refused = |body: &'static str| [ScriptedReply::json(422, &[], body), whole()];
    let no_reason = FIRST.replace("Yes, ", "Yes, no.");
    vec![
        FaultCase::new("422 of the API's form", refused(detail), FaultOutcome::failed("validation", 422)).kept(),
        FaultCase::new("422 of another form", refused(r#"{"detail":"no"}"#), FaultOutcome::failed("api", 422)).kept(),
        FaultCase::new(
            "no finish reason",
            [ScriptedReply::sse_chunked([no_reason])],
            FaultOutcome { events: 1, finish_reason: None, ..FaultOutcome::completed() },
        )
        .kept(),
        FaultCase::new(
            "JSON though events were asked for",
            [ScriptedReply::json(200, &[], RESULT)],
            FaultOutcome::result(),
        )
        .kept(),
        FaultCase::new(
            "malformed JSON",
            [ScriptedReply::json(200, &[], "{"), whole()],
            FaultOutcome::partial("decode", 0),
        )
        .kept(),
        FaultCase::new(
            "JSON that does not fit",
            [ScriptedReply::json(200, &[], "[]"), whole()],
            FaultOutcome::partial("decode", 0),
        )
        .kept(),
    ]
}

/// Events that are unknown or malformed.
pub(super) fn events() -> Vec<FaultCase> {
    let event = |event: &str| [stream().chunk(FIRST).chunk(event).chunk(LAST).then(Step::Stall), whole()];
    let other = "event: tool_call\ndata: {\"name\":\"search\"}\n\n";
    vec![
        FaultCase::new(
            "error event",
            event("event: error\ndata: {\"detail\":\"boom\"}\n\n"),
            FaultOutcome::partial("stream", 1),
        ),
        FaultCase::new(
            "event that is no JSON",
            event("event: message_chunk\ndata: {\n\n"),
            FaultOutcome::partial("decode", 1),
        ),
        FaultCase::new(
            "event that does not fit",
            event("event: message_chunk\ndata: {\"content_chunk\":1}\n\n"),
            FaultOutcome::partial("decode", 1),
        ),
        FaultCase::new(
            "event of an unknown type",
            [ScriptedReply::sse_chunked([FIRST, other, LAST])],
            FaultOutcome { events: 3, ..FaultOutcome::completed() },
        )
        .kept(),
        FaultCase::new(
            "whole framing that ends inside an event",
            [ScriptedReply::sse_chunked([FIRST, "data: x\n"])],
            FaultOutcome::partial("truncated", 1),
        )
        .kept(),
    ]
}
