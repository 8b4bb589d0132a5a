//! Response heads that are large, unusual or invalid, and interim responses.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_mock::faults::{FIRST, FaultCase, FaultOutcome, LAST, RESULT};
use chat_mock::{ScriptedReply, Step};
use http::HeaderValue;

use super::fault_cases;
use super::gateway::TlsClose;
use super::harness::{Caller, TestCall};
use super::row::{Context, Row, RowResult, Schedule, describe, ensure};
use super::wire::Wire;

/// The size of a head that every transport must accept.
const LARGE: usize = 96 << 10;

/// The size of a head that every transport must reject. It is well past the limit, because buffers may grow past it.
const TOO_LARGE: usize = 384 << 10;

/// The number of interim responses that every transport must accept.
const INTERIM: usize = 32;

/// A head timeout that fires.
const SHORT: Duration = Duration::from_secs(2);

/// The head timeout of a call that is flooded with interim responses.
const FLOOD_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum duration of that call, even if all interim responses are read first.
const LATE: Duration = Duration::from_secs(30);

pub(crate) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let mut rows = vec![
        Row::new("a head of 96 KiB", large),
        Row::new("a head past the limit", |context| rejected(context, padded(TOO_LARGE), "128 KiB")),
    ];
    // An HTTP/2 gateway would interpret these itself.
    if !wire.is_http2() {
        rows.extend(
            invalid_heads().into_iter().map(|(name, head)| Row::new(name, move |context| rejected(context, head, ""))),
        );
        let fault = |fault: FaultCase| {
            Row::new(fault.name, move |context| fault_cases::play(&fault, context, TlsClose::Graceful))
        };
        rows.extend(codings().into_iter().chain(interim()).map(fault));
        rows.push(Row::new("interim responses without end", flood).scheduled(Schedule::Alone));
    }
    rows
}

/// Returns the head of [`RESULT`] with additional lines.
fn head(lines: &str) -> String {
    let length = RESULT.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{lines}\r\n")
}

/// Returns a head of about this size.
fn padded(size: usize) -> String {
    let value = "v".repeat(8 << 10);
    head(&(0..size / value.len()).fold(String::new(), |mut lines, n| {
        let _ = write!(lines, "x-{n}: {value}\r\n");
        lines
    }))
}

fn large<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let reply = ScriptedReply::raw(padded(LARGE) + RESULT).then(Step::KeepAlive);
    let fixture = context.servers.script(context.wire, vec![reply]).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let answer = context.caller.call(&client, &TestCall::create(false)).finished()?;
    let answer = answer.map_err(describe)?;
    let size = answer.head.map(|head| head.headers.values().map(HeaderValue::len).sum::<usize>());
    ensure(size.is_none_or(|size| size > LARGE), || format!("{size:?} bytes were received"))?;
    fixture.finish(context.caller, client)?;
    Ok("taken".to_owned())
}

/// Returns invalid heads.
fn invalid_heads() -> Vec<(&'static str, String)> {
    let many: String = (0..200).map(|n| format!("x-{n}: v\r\n")).collect();
    vec![
        ("a head of 200 headers", head(&many)),
        ("a head of two lengths", head("content-length: 7\r\n")),
        ("a head with a folded line", head("x-a: b\r\n c\r\n")),
        ("a head with a byte 0 in a value", head("x-a: b\0c\r\n")),
        ("a head with a space in a name", head("x a: b\r\n")),
        ("a head of another protocol", "220 mail.example ESMTP\r\n".to_owned()),
    ]
}

/// Checks that an invalid head fails the call, that the call is not retried (the next head would be the same), and that the
/// error names the cause.
fn rejected<C: Caller>(context: &Context<'_, C>, head: String, named: &str) -> RowResult {
    let mut fixture = context
        .servers
        .script(context.wire, vec![ScriptedReply::raw(head + RESULT).then(Step::Stall)])
        .map_err(describe)?;
    fixture.setup.config.retry.ambiguous = true;
    fixture.setup.config.retry.base = Duration::from_millis(1);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let error = context.caller.call(&client, &TestCall::create(true)).finished()?;
    let error = error.err().ok_or("an answer")?;
    let (kind, requests, text) = (error.kind.as_str(), fixture.server.requests().len(), &error.message);
    let observed = format!("{kind}, {requests} request: {text}");
    ensure((kind, requests) == ("transport", 1), || observed.clone())?;
    let names_a_cause = text.contains(": ") && text.contains(named);
    ensure(text.contains("head") && names_a_cause, || format!("{observed}; no cause"))?;
    if !context.wire.is_http2() {
        fixture.wait_closed(context.caller)?;
    }
    fixture.finish(context.caller, client)?;
    Ok("rejected, and not retried".to_owned())
}

/// Returns responses with transfer codings other than a single `chunked`. They are unexpected responses, not truncations.
fn codings() -> Vec<FaultCase> {
    let reply = |lines: &[&str], body: Bytes| {
        let mut headers = vec![("content-type", "text/event-stream"), ("connection", "close")];
        headers.extend(lines.iter().map(|line| ("transfer-encoding", *line)));
        [ScriptedReply::head(200, &headers).then(Step::Write(body)).then(Step::Close)]
    };
    let events = [FIRST, LAST].concat();
    let plain = Bytes::from(events.clone());
    let chunked = Bytes::from(format!("{:x}\r\n{events}\r\n0\r\n\r\n", events.len()));
    let refused = || FaultOutcome::failed("unexpected_response", 200);
    vec![
        FaultCase::new("transfer coding: identity", reply(&["identity"], plain), refused()),
        FaultCase::new("transfer coding: chunked, chunked", reply(&["chunked, chunked"], chunked.clone()), refused()),
        FaultCase::new(
            "transfer coding: chunked in two lines",
            reply(&["chunked", "chunked"], chunked.clone()),
            refused(),
        ),
        FaultCase::new("transfer coding: gzip, chunked", reply(&["gzip, chunked"], chunked.clone()), refused()),
        FaultCase::new("transfer coding: Chunked", reply(&["Chunked"], chunked), FaultOutcome::completed()),
    ]
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";

/// Returns responses after the maximum number of interim responses, and after one more.
fn interim() -> Vec<FaultCase> {
    let answer = || Bytes::from(head("") + RESULT);
    // The response arrives in the same read.
    let late = ScriptedReply::raw(Bytes::from([HINT.repeat(INTERIM + 1).as_bytes(), &answer()].concat()));
    let in_time = ScriptedReply::raw(HINT.repeat(INTERIM)).then(Step::Pause(SHORT / 4)).then(Step::Write(answer()));
    vec![
        FaultCase::new("32 interim responses", [in_time.then(Step::KeepAlive)], FaultOutcome::result()).kept(),
        FaultCase::new("33 interim responses", [late.then(Step::KeepAlive)], FaultOutcome::timed_out("head", None))
            .configure(|config| config.timeouts.head = Some(SHORT)),
    ]
}

/// Sends interim responses as fast as the client reads them. The head timeout must still fire.
fn flood<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let hints = Bytes::from(HINT.repeat(20_000));
    let reply = (0..100).fold(ScriptedReply::raw(""), |reply, _| reply.then(Step::Write(hints.clone())));
    let mut fixture = context.servers.script(context.wire, vec![reply.then(Step::Stall)]).map_err(describe)?;
    fixture.setup.config.timeouts.head = Some(FLOOD_TIMEOUT);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let begun = Instant::now();
    let error = context.caller.call(&client, &TestCall::create(true)).finished()?;
    let (error, took) = (error.err().ok_or("an answer")?, begun.elapsed());
    ensure(error.timeout.is_some() && took < LATE, || format!("after {took:?}: {}", describe(error)))?;
    fixture.wait_closed(context.caller)?;
    fixture.finish(context.caller, client)?;
    Ok("the head timeout fires".to_owned())
}
