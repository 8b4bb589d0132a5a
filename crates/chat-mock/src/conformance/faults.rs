//! The table of faults, each played to the client and compared with what must come of it.

use std::time::Instant;

use chat_client::{Error, ErrorKind};

use super::door::Ending;
use super::suite::{Row, Seen, Stage};
use super::{Caller, Question, Transcript, Wire};
use crate::faults::{self, FIRST, FaultCase, LAST, Outcome};
use crate::{Reply, Step};

pub(super) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let row = |ending: Ending| {
        move |fault: FaultCase| Row::of_byte(fault.name, fault.at, move |stage| play(&fault, stage, ending))
    };
    let mut rows: Vec<Row<'c, C>> = faults::table().into_iter().map(row(Ending::Told)).collect();
    if wire == Wire::Http1Tls {
        rows.extend(untold().into_iter().map(row(Ending::Untold)));
    }
    rows
}

/// Ends without `close_notify`: whoever is on the way can make them, so what only the close ends is cut.
fn untold() -> Vec<FaultCase> {
    let sse = ("content-type", "text/event-stream");
    let chunked = ("transfer-encoding", "chunked");
    let by_close = |body: String| Reply::head(200, &[sse]).then(Step::Write(body.into()));
    let whole = Reply::sse_chunked([FIRST, LAST]).then(Step::Close);
    vec![
        FaultCase::new("no close_notify before the head", [Reply::raw("")], Outcome::lost()),
        FaultCase::new(
            "no close_notify, by close, between events",
            [by_close(FIRST.to_owned())],
            Outcome::broken("truncated", 1),
        ),
        FaultCase::new(
            "no close_notify, by close, after the last event",
            [by_close([FIRST, LAST].concat())],
            Outcome::broken("truncated", 2),
        ),
        FaultCase::new(
            "no close_notify, chunked, between events",
            [Reply::head(200, &[sse, chunked]).chunk(FIRST)],
            Outcome::broken("truncated", 1),
        ),
        FaultCase::new("no close_notify after the last chunk", [whole], Outcome::completed()),
    ]
}

/// Asks once; what was seen, if it is what the fault expects.
pub(super) fn play<C: Caller>(fault: &FaultCase, stage: &Stage<'_, C>, ending: Ending) -> Seen {
    let mut scene = stage.host.script_that_ends(stage.wire, fault.replies.clone(), ending).map_err(said)?;
    let timeouts = scene.setup.config.timeouts;
    scene.setup.config = fault.config.clone();
    scene.setup.config.timeouts.connect = timeouts.connect;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let question = fault.session.map_or_else(|| Question::create(true), |id| Question::go_on(id, true));

    let begun = Instant::now();
    let transcript = stage.caller.call(&client, &question);
    let took = begun.elapsed();
    let result = transcript.result.as_ref().ok_or("the call was dropped")?;
    let seen = Outcome::of(result, scene.server.requests().len());
    if !fits(fault, &seen, stage.wire) {
        return Err(format!("{seen}; not {}{}", fault.expected, because(result.as_ref().err())));
    }
    check_transcript(&transcript, &seen)?;
    if let Err(error) = result {
        ensure(error.attempts() as usize == seen.requests, || format!("{} attempts, {seen}", error.attempts()))?;
        if let ErrorKind::Timeout { after, .. } = error.kind() {
            ensure(took >= *after, || format!("timed out in {took:?}, before {after:?}"))?;
        }
    }
    if fault.may_keep {
        // Each attempt may have had its own.
        ensure(scene.connections() <= seen.requests, || format!("{} connections, {seen}", scene.connections()))?;
    } else {
        scene.quiet(stage.caller)?;
    }
    scene.end(stage.caller, client)?;
    Ok(seen.to_string())
}

/// Behind a gateway a cut is a reset, which may overtake what was on its way, the head included.
fn fits(fault: &FaultCase, seen: &Outcome, wire: Wire) -> bool {
    let expected = &fault.expected;
    let so_far = |outcome: &Outcome| outcome.text.clone().unwrap_or_default();
    seen == expected
        || wire.is_http2()
            && fault.is_cut
            && ["truncated", "transport"].contains(&seen.kind)
            && so_far(expected).starts_with(&so_far(seen))
            && seen.requests <= expected.requests
}

/// What was handed out is what is kept.
fn check_transcript(transcript: &Transcript, seen: &Outcome) -> Result<(), String> {
    let text: String = transcript.events.iter().filter_map(|event| event.text()).collect();
    ensure(text == seen.text.clone().unwrap_or_default(), || format!("handed out {text:?}, {seen}"))?;
    let events = transcript.events.len();
    ensure(events as u64 == seen.events, || format!("handed out {events} events, {seen}"))?;
    let answer = transcript.result.as_ref().and_then(|result| result.as_ref().map_or_else(Error::partial, Some));
    let id = answer.filter(|answer| answer.events > 0).map(|answer| answer.session_id.as_deref());
    ensure(id.is_none_or(|id| id == Some("s-1")), || format!("session {id:?}, {seen}"))
}

pub(super) fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// What an error says, as a row's.
pub(super) fn said(error: impl std::error::Error) -> String {
    format!("{error}{}", because(error.source()))
}

fn because<'a>(error: Option<&'a (impl std::error::Error + ?Sized + 'a)>) -> String {
    let mut text = String::new();
    if let Some(error) = error {
        text += &format!(": {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
    }
    text
}
