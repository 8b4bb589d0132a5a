//! Silence, and slow answers.

use std::time::Duration;

use chat_proto::Config;

use super::{ALIVE, COMMENT, FIRST, FaultCase, FaultOutcome, JSON, LAST, SHORT, TICK, stream, write};
use crate::{ScriptedReply, Step};

pub(super) fn silence() -> Vec<FaultCase> {
    let endless_comments =
        (0..2000).fold(stream().chunk(FIRST), |reply, _| reply.then(Step::Pause(TICK)).chunk(COMMENT));
    let endless_text = (0..2000).fold(stream(), |reply, _| reply.then(Step::Pause(TICK)).chunk(": x\n"));
    // Each piece arrives well within the timeouts, the whole well after them.
    let pieces = FIRST.as_bytes().chunks(2).chain(LAST.as_bytes().chunks(2));
    let trickle = pieces.fold(stream(), |reply, piece| reply.then(Step::Pause(TICK)).chunk(piece)).last_chunk();
    let head = |config: &mut Config| config.timeouts.head = Some(SHORT);
    let idle = |config: &mut Config| config.timeouts.idle = Some(SHORT);
    vec![
        FaultCase::new(
            "stall before the head",
            [ScriptedReply::raw("").then(Step::Stall)],
            FaultOutcome::timed_out("head", None),
        )
        .configure(head),
        FaultCase::new(
            "stall inside the head",
            [ScriptedReply::raw("HTTP/1.1 200 OK\r\ncontent-ty").then(Step::Stall)],
            FaultOutcome::timed_out("head", None),
        )
        .configure(head),
        FaultCase::new("stall after the head", [stream().then(Step::Stall)], FaultOutcome::timed_out("idle", Some(0)))
            .configure(idle),
        FaultCase::new(
            "stall between events",
            [stream().chunk(FIRST).then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(1)),
        )
        .configure(idle),
        FaultCase::new(
            "stall inside an event",
            [stream().chunk(FIRST).chunk("event: message_ch").then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(1)),
        )
        .configure(idle),
        FaultCase::new(
            "stall inside a chunk",
            [stream().chunk(FIRST).then(write("40\r\nevent: mess")).then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(1)),
        )
        .configure(idle),
        FaultCase::new(
            "stall in an error's body",
            [ScriptedReply::head(404, &[JSON, ("content-length", "100")]).then(write("{")).then(Step::Stall)],
            FaultOutcome::failed("api", 404),
        )
        .configure(idle),
        // Comments reset `idle`, which is shorter, but not `content`.
        FaultCase::new("endless comments", [endless_comments], FaultOutcome::timed_out("content", Some(1))).configure(
            |config| {
                config.timeouts.idle = Some(ALIVE);
                config.timeouts.content = Some(ALIVE + Duration::from_secs(1));
            },
        ),
        FaultCase::new("events until the total timeout", [endless_text], FaultOutcome::timed_out("total", Some(0)))
            .configure(|config| config.timeouts.total = Some(SHORT)),
        FaultCase::new("slow trickle", [trickle], FaultOutcome::completed()).kept().configure(|config| {
            config.timeouts.head = Some(ALIVE);
            config.timeouts.idle = Some(ALIVE);
        }),
    ]
}
