//! Failures that are retried, and failures that are not.

use std::time::Duration;

use super::{CHUNKED, FIRST, FaultCase, FaultOutcome, JSON, SHORT, stream, whole, write};
use crate::{ScriptedReply, Step};

pub(super) fn retries() -> Vec<FaultCase> {
    let busy = |status, headers: &[(&str, &str)]| ScriptedReply::json(status, headers, r#"{"detail":"later"}"#);
    let page = ScriptedReply::head(503, &[("content-type", "text/html"), CHUNKED]);
    let endless = (0..64).fold(page.clone(), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let far = ("retry-after", "3600");
    vec![
        FaultCase::new("429, then 200", [busy(429, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new(
            "429 that closes, then 200",
            [busy(429, &[("connection", "close")]).then(Step::Close), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept(),
        FaultCase::new(
            "429 that is cut, then 200",
            [ScriptedReply::head(429, &[JSON, ("content-length", "99")]).then(write("{")), whole()],
            FaultOutcome::completed().after(2),
        )
        .cut()
        .kept(),
        FaultCase::new("429 for ever", [busy(429, &[("retry-after", "0")])], FaultOutcome::failed("api", 429).after(3))
            .kept(),
        FaultCase::new(
            "429, retry-after beyond the budget",
            [busy(429, &[far]), whole()],
            FaultOutcome::failed("api", 429),
        )
        .kept(),
        FaultCase::new(
            "429, retry-after beyond the call's time",
            [busy(429, &[("retry-after", "15")]), whole()],
            FaultOutcome::failed("api", 429),
        )
        .kept()
        .configure(|config| config.timeouts.total = Some(Duration::from_secs(10))),
        FaultCase::new("503, then 200", [busy(503, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new(
            "503 without end, then 200",
            [endless.then(Step::Stall), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept(),
        FaultCase::new(
            "503 that stalls, then 200",
            [page.chunk("<html>").then(Step::Stall), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept()
        .configure(|config| config.timeouts.idle = Some(SHORT)),
        FaultCase::new(
            "503, then a cut",
            // A kept connection would still be open when the row checks that all are closed.
            [busy(503, &[("connection", "close")]).then(Step::Close), stream().chunk(FIRST)],
            FaultOutcome::partial("truncated", 1).after(2),
        )
        .cut(),
        FaultCase::new("500 on create, then 200", [busy(500, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new("502 on create, then 200", [busy(502, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new("504 on create, then 200", [busy(504, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new("500 on continue", [busy(500, &[]), whole()], FaultOutcome::failed("api", 500))
            .kept()
            .continued(),
        FaultCase::new("500 on continue, allowed", [busy(500, &[]), whole()], FaultOutcome::completed().after(2))
            .kept()
            .continued()
            .configure(|config| config.retry.ambiguous = true),
        FaultCase::new(
            "close before the head, allowed",
            [ScriptedReply::raw(""), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept()
        .configure(|config| config.retry.ambiguous = true),
        FaultCase::new("404", [busy(404, &[]), whole()], FaultOutcome::failed("api", 404)).kept(),
        FaultCase::new("501", [busy(501, &[]), whole()], FaultOutcome::failed("api", 501)).kept(),
        FaultCase::new("status 599", [busy(599, &[]), whole()], FaultOutcome::failed("api", 599)).kept(),
    ]
}
