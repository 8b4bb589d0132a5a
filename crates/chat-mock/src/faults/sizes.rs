//! Large answers: within the limits, at them, past them.

use chat_proto::Config;

use super::{CHUNKED, FIRST, FaultCase, FaultOutcome, JSON, LAST, RESULT, stream, whole, write};
use crate::{ScriptedReply, Step};

pub(super) fn sizes() -> Vec<FaultCase> {
    let record = format!(r#"{{"number":1,"record":{{"type":"site","description":"{}"}}}}"#, "d".repeat(1 << 20));
    let cited = format!("event: records_cited\ndata: {{\"citations\":[{record}]}}\n\n");
    let large =
        cited.as_bytes().chunks(10_007).fold(stream().chunk(FIRST), ScriptedReply::chunk).chunk(LAST).last_chunk();
    let line = (0..64).fold(stream().chunk(FIRST).chunk("data: "), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let comment = (0..64).fold(stream().chunk(FIRST).chunk(": "), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let page = ScriptedReply::head(404, &[("content-type", "text/html"), CHUNKED]);
    let page = (0..64).fold(page, |reply, _| reply.chunk([b'x'; 16 << 10]));
    let headers = |number: usize| {
        let names: Vec<String> = (0..number).map(|n| format!("x-{n}")).collect();
        let mut all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let length = RESULT.len().to_string();
        all.extend([JSON, ("content-length", &length)]);
        [ScriptedReply::head(200, &all[..]).then(write(RESULT)).then(Step::KeepAlive)]
    };
    let small = |config: &mut Config| config.limits.event = 64 << 10;
    vec![
        FaultCase::new("an event of a megabyte", [large], FaultOutcome { events: 3, ..FaultOutcome::completed() })
            .kept(),
        FaultCase::new("endless line", [line.then(Step::Stall)], FaultOutcome::partial("limit", 1)).configure(small),
        FaultCase::new("endless comment", [comment.then(Step::Stall)], FaultOutcome::partial("limit", 1))
            .configure(small),
        FaultCase::new("an answer at its limit", [whole()], FaultOutcome::completed())
            .kept()
            .configure(|config| config.limits.answer = 8),
        FaultCase::new("an answer past its limit", [whole()], FaultOutcome::partial("limit", 1))
            .configure(|config| config.limits.answer = 7)
            .kept(),
        FaultCase::new("a JSON body at its limit", [ScriptedReply::json(200, &[], RESULT)], FaultOutcome::result())
            .kept()
            .configure(|config| config.limits.json_body = RESULT.len()),
        FaultCase::new(
            "a JSON body past its limit",
            [ScriptedReply::json(200, &[], RESULT)],
            FaultOutcome::partial("limit", 0),
        )
        .kept()
        .configure(|config| config.limits.json_body = RESULT.len() - 1),
        FaultCase::new("an error page without end", [page.then(Step::Stall)], FaultOutcome::failed("api", 404)),
        FaultCase::new("100 headers", headers(98), FaultOutcome::result()).kept(),
        FaultCase::new("101 headers", headers(99), FaultOutcome::lost()),
    ]
}
