//! The table of faults: plays each to the client, and compares the outcome.

use std::time::{Duration, Instant};

use chat_client::Timeouts;
use chat_mock::faults::{self, FIRST, FaultCase, FaultOutcome, LAST};
use chat_mock::{ScriptedReply, Step};

use super::gateway::TlsClose;
use super::harness::{Caller, TestCall};
use super::row::{Context, Row, RowResult, describe, ensure};
use super::transcript::{CallResult, Transcript, outcome, received};
use super::wire::Wire;

pub(crate) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let row = |tls_close: TlsClose| {
        move |fault: FaultCase| Row::at_byte(fault.name, fault.at, move |context| play(&fault, context, tls_close))
    };
    let mut rows: Vec<Row<'c, C>> = faults::table().into_iter().map(row(TlsClose::Graceful)).collect();
    if wire == Wire::Http1Tls {
        rows.extend(without_close_notify().into_iter().map(row(TlsClose::SocketOnly)));
    }
    rows
}

/// Returns connections that end without `close_notify`. An attacker can cause that, so a body that only the close ends is
/// truncated.
fn without_close_notify() -> Vec<FaultCase> {
    let sse = ("content-type", "text/event-stream");
    let chunked = ("transfer-encoding", "chunked");
    let by_close = |body: String| ScriptedReply::head(200, &[sse]).then(Step::Write(body.into()));
    let whole = ScriptedReply::sse_chunked([FIRST, LAST]).then(Step::Close);
    vec![
        FaultCase::new("no close_notify before the head", [ScriptedReply::raw("")], FaultOutcome::lost()),
        FaultCase::new(
            "no close_notify, by close, between events",
            [by_close(FIRST.to_owned())],
            FaultOutcome::partial("truncated", 1),
        ),
        FaultCase::new(
            "no close_notify, by close, after the last event",
            [by_close([FIRST, LAST].concat())],
            FaultOutcome::partial("truncated", 2),
        ),
        FaultCase::new(
            "no close_notify, chunked, between events",
            [ScriptedReply::head(200, &[sse, chunked]).chunk(FIRST)],
            FaultOutcome::partial("truncated", 1),
        ),
        FaultCase::new("no close_notify after the last chunk", [whole], FaultOutcome::completed()),
    ]
}

/// Makes one call, and returns the outcome if it is the expected one.
pub(crate) fn play<C: Caller>(fault: &FaultCase, context: &Context<'_, C>, tls_close: TlsClose) -> RowResult {
    let mut fixture =
        context.servers.script_that_closes(context.wire, fault.replies.clone(), tls_close).map_err(describe)?;
    let timeouts = fixture.setup.config.timeouts;
    fixture.setup.config = fault.config.clone();
    fixture.setup.config.timeouts.connect = timeouts.connect;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let call = match (fault.model, fault.session) {
        (Some(model), _) => TestCall::complete(model, true),
        (None, Some(id)) => TestCall::continue_session(id, true),
        (None, None) => TestCall::create(true),
    };

    let begun = Instant::now();
    let transcript = context.caller.call(&client, &call);
    let took = begun.elapsed();
    let result = transcript.result.as_ref().ok_or("the call was dropped")?;
    let observed = outcome(result, fixture.server.requests().len());
    if !fits(fault, &observed, context.wire) {
        return Err(format!("{observed}; expected {}{}", fault.expected, message(result)));
    }
    check_transcript(fault, &transcript, &observed)?;
    if let Err(error) = result {
        let attempts = error.attempts as usize;
        ensure(attempts == observed.requests, || format!("{attempts} attempts, {observed}"))?;
        let after = error.timeout.as_deref().and_then(|name| timeout(&fault.config.timeouts, name));
        ensure(after.is_none_or(|after| took >= after), || format!("timed out in {took:?}, before {after:?}"))?;
    }
    if fault.may_keep {
        // Each attempt may have opened a connection.
        ensure(fixture.connections() <= observed.requests, || {
            format!("{} connections, {observed}", fixture.connections())
        })?;
    } else {
        fixture.wait_closed(context.caller)?;
    }
    fixture.finish(context.caller, client)?;
    Ok(observed.to_string())
}

/// Returns whether the outcome is the expected one. Behind an HTTP/2 gateway a cut is a reset, which may overtake earlier
/// data.
fn fits(fault: &FaultCase, observed: &FaultOutcome, wire: Wire) -> bool {
    let expected = &fault.expected;
    let so_far = |outcome: &FaultOutcome| outcome.text.clone().unwrap_or_default();
    observed == expected
        || wire.is_http2()
            && fault.is_cut
            && ["truncated", "transport"].contains(&observed.kind.as_str())
            && so_far(expected).starts_with(&so_far(observed))
            && observed.requests <= expected.requests
}

/// Returns the timeout of this name.
fn timeout(timeouts: &Timeouts, name: &str) -> Option<Duration> {
    let Timeouts { connect, head, idle, content, total, .. } = timeouts;
    let all = [("connect", connect), ("head", head), ("idle", idle), ("content", content), ("total", total)];
    all.into_iter().find(|(other, _)| *other == name).and_then(|(_, time)| *time)
}

fn message(result: &CallResult) -> String {
    result.as_ref().err().map_or_else(String::new, |error| format!(": {error}"))
}

/// Checks that the events match the answer.
fn check_transcript(fault: &FaultCase, transcript: &Transcript, observed: &FaultOutcome) -> Result<(), String> {
    let Transcript { text, events, .. } = transcript;
    ensure(*text == observed.text.clone().unwrap_or_default(), || format!("handed out {text:?}, {observed}"))?;
    ensure(*events as u64 == observed.events, || format!("handed out {events} events, {observed}"))?;
    let answer = transcript.result.as_ref().and_then(received);
    // A session and its id belong to v0, the id of an answer to chat completions.
    let expected = if fault.model.is_some() { (None, Some("c-1")) } else { (Some("s-1"), None) };
    let ids =
        answer.filter(|answer| answer.events > 0).map(|answer| (answer.session_id.as_deref(), answer.id.as_deref()));
    ensure(ids.is_none_or(|ids| ids == expected), || format!("session and id {ids:?}, {observed}"))
}
