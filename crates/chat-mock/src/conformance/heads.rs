//! Heads that are large, odd or not valid, and what comes before them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;

use super::door::Ending;
use super::faults::{self, ensure, said};
use super::suite::{Row, Seen, Stage};
use super::{Caller, Question, Wire};
use crate::faults::{FIRST, FaultCase, LAST, Outcome, RESULT};
use crate::{Reply, Step};

/// A head that every transport takes, over any wire.
const LARGE: usize = 96 << 10;

/// A head past the limit of every transport. Buffers that have grown may take some more than the limit.
const TOO_LARGE: usize = 384 << 10;

/// How many interim responses every transport takes.
const INTERIM: usize = 32;

/// A clock that fires.
const SHORT: Duration = Duration::from_secs(2);

/// By then it has fired, even if all that came was read first.
const LATE: Duration = Duration::from_secs(30);

pub(super) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let mut rows = vec![
        Row::new("a head of 96 KiB", large),
        Row::new("a head past the limit", |stage| rejected(stage, padded(TOO_LARGE), "128 KiB")),
    ];
    // A gateway to HTTP/2 has its own view of these.
    if !wire.is_http2() {
        rows.extend(bad().into_iter().map(|(name, head)| Row::new(name, move |stage| rejected(stage, head, ""))));
        let fault = |fault: FaultCase| Row::new(fault.name, move |stage| faults::play(&fault, stage, Ending::Told));
        rows.extend(codings().into_iter().chain(interim()).map(fault));
        rows.push(Row::new("interim responses without end", flood).alone());
    }
    rows
}

/// The head of [`RESULT`], with lines of its own.
fn head(lines: &str) -> String {
    let length = RESULT.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{lines}\r\n")
}

/// A head of about this size.
fn padded(size: usize) -> String {
    let value = "v".repeat(8 << 10);
    head(&(0..size / value.len()).fold(String::new(), |mut lines, n| {
        let _ = write!(lines, "x-{n}: {value}\r\n");
        lines
    }))
}

fn large<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let reply = Reply::raw(padded(LARGE) + RESULT).then(Step::KeepAlive);
    let scene = stage.host.script(stage.wire, vec![reply]).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let answer = stage.caller.call(&client, &Question::create(false)).result.ok_or("the call was dropped")?;
    let answer = answer.map_err(said)?;
    let size: usize = answer.head.headers.values().map(HeaderValue::len).sum();
    ensure(size > LARGE, || format!("{size} bytes came"))?;
    scene.end(stage.caller, client)?;
    Ok("taken".to_owned())
}

/// Heads that are not valid.
fn bad() -> Vec<(&'static str, String)> {
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

/// The same head would come the next time: the call is not tried again, whatever is allowed, and the error names the cause.
fn rejected<C: Caller>(stage: &Stage<'_, C>, head: String, named: &str) -> Seen {
    let mut scene = stage.host.script(stage.wire, vec![Reply::raw(head + RESULT).then(Step::Stall)]).map_err(said)?;
    scene.setup.config.retry.ambiguous = true;
    scene.setup.config.retry.base = Duration::from_millis(1);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let error = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
    let error = error.err().ok_or("an answer")?;
    let (kind, requests, text) = (error.kind().name(), scene.server.requests().len(), format!("{error:#}"));
    let seen = format!("{kind}, {requests} request: {text}");
    ensure((kind, requests) == ("transport", 1), || seen.clone())?;
    let names_a_cause = text.len() > error.to_string().len() && text.contains(named);
    ensure(text.contains("head") && names_a_cause, || format!("{seen}; no cause"))?;
    if !stage.wire.is_http2() {
        scene.quiet(stage.caller)?;
    }
    scene.end(stage.caller, client)?;
    Ok("rejected, and not retried".to_owned())
}

/// Transfer codings beside one `chunked`. They are the server's fault, and nothing was cut.
fn codings() -> Vec<FaultCase> {
    let reply = |lines: &[&str], body: Bytes| {
        let mut headers = vec![("content-type", "text/event-stream"), ("connection", "close")];
        headers.extend(lines.iter().map(|line| ("transfer-encoding", *line)));
        [Reply::head(200, &headers).then(Step::Write(body)).then(Step::Close)]
    };
    let events = [FIRST, LAST].concat();
    let plain = Bytes::from(events.clone());
    let chunked = Bytes::from(format!("{:x}\r\n{events}\r\n0\r\n\r\n", events.len()));
    let refused = || Outcome::failed("unexpected_response", 200);
    vec![
        FaultCase::new("transfer coding: identity", reply(&["identity"], plain), refused()),
        FaultCase::new("transfer coding: chunked, chunked", reply(&["chunked, chunked"], chunked.clone()), refused()),
        FaultCase::new(
            "transfer coding: chunked in two lines",
            reply(&["chunked", "chunked"], chunked.clone()),
            refused(),
        ),
        FaultCase::new("transfer coding: gzip, chunked", reply(&["gzip, chunked"], chunked.clone()), refused()),
        FaultCase::new("transfer coding: Chunked", reply(&["Chunked"], chunked), Outcome::completed()),
    ]
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";

/// Interim responses up to the limit, and past it.
fn interim() -> Vec<FaultCase> {
    let answer = || Bytes::from(head("") + RESULT);
    // With the answer in the same read.
    let late = Reply::raw(Bytes::from([HINT.repeat(INTERIM + 1).as_bytes(), &answer()].concat()));
    let in_time = Reply::raw(HINT.repeat(INTERIM)).then(Step::Pause(SHORT / 4)).then(Step::Write(answer()));
    vec![
        FaultCase::new("32 interim responses", [in_time.then(Step::KeepAlive)], Outcome::result()).kept(),
        FaultCase::new("33 interim responses", [late.then(Step::KeepAlive)], Outcome::timeout("head", None))
            .set(|config| config.timeouts.head = Some(SHORT)),
    ]
}

/// As many as the client reads, and as fast: the clock of the head still fires.
fn flood<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let hints = Bytes::from(HINT.repeat(20_000));
    let reply = (0..100).fold(Reply::raw(""), |reply, _| reply.then(Step::Write(hints.clone())));
    let mut scene = stage.host.script(stage.wire, vec![reply.then(Step::Stall)]).map_err(said)?;
    scene.setup.config.timeouts.head = Some(SHORT);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let begun = Instant::now();
    let error = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
    let (error, took) = (error.err().ok_or("an answer")?, begun.elapsed());
    ensure(error.is_timeout() && took < LATE, || format!("after {took:?}: {}", said(error)))?;
    scene.quiet(stage.caller)?;
    scene.end(stage.caller, client)?;
    Ok("the head's clock ends it".to_owned())
}
