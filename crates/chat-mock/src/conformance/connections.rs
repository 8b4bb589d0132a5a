//! Which connection a call goes out on, if any.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::door::Ending;
use super::faults::{ensure, said};
use super::suite::{Row, Seen, Stage};
use super::{Caller, Question, Wire};
use crate::faults::{FIRST, LAST, RESULT};
use crate::{Reply, Step};

/// Long enough for a client to put a connection back, or to see that the server closed one, on a machine that is busy.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let mut rows = vec![
        Row::new("nobody listens", refused),
        Row::new("used again after a whole answer", reuse),
        Row::new("not after a drop", drops),
    ];
    if cfg!(target_os = "linux") {
        rows.push(Row::new("TCP keep-alive", keep_alive));
    }
    if !wire.is_http2() {
        rows.push(Row::new("not after the server closed it", |stage| stale(stage, Ending::Told)));
        rows.push(Row::new("a close that races the question", race));
        rows.push(Row::new("not after bytes that nobody asked for", unasked));
    }
    if wire == Wire::Http1Tls {
        rows.push(Row::new("not after the server closed TLS", |stage| stale(stage, Ending::Half)));
    }
    rows
}

/// A port that refuses: no server can have read the request, so a continue is tried again too.
fn refused<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    // Bound and not listening: nobody else gets the port meanwhile.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(said)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).map_err(said)?;
    let port = socket.local_addr().map_err(said)?.as_socket().map_or(0, |addr| addr.port());
    let mut scene = stage.host.script(stage.wire, Vec::new()).map_err(said)?;
    let host = scene.setup.base_url.rsplit_once(':').map_or("", |(host, _)| host);
    scene.setup.base_url = format!("{host}:{port}");
    scene.setup.config.retry.base = Duration::from_millis(1);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let result = stage.caller.call(&client, &Question::go_on("s-1", true)).result.ok_or("the call was dropped")?;
    let error = result.err().ok_or("an answer")?;
    let (kind, attempts) = (error.kind().name(), error.attempts());
    let all = 1 + scene.setup.config.retry.max_retries;
    ensure((kind, attempts) == ("connect", all), || format!("{kind}, {attempts} of {all} attempts: {}", said(error)))?;
    scene.end(stage.caller, client)?;
    Ok(format!("connect, {all} attempts"))
}

/// Whole answers of each form.
fn reuse<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let replies = [
        (Reply::sse_chunked([FIRST, LAST]), Ok("Yes, no.")),
        (Reply::json(200, &[], RESULT), Ok("Yes, no.")),
        (Reply::json(404, &[], "{}"), Err(404)),
        (Reply::sse(LAST), Ok("no.")),
    ];
    let scene =
        stage.host.script(stage.wire, replies.iter().map(|(reply, _)| reply.clone()).collect()).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    for (_, expected) in &replies {
        let result = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
        let seen = result.map(|answer| answer.text);
        let seen = seen.as_deref().map_err(|error| error.status().map_or(0, |status| status.as_u16()));
        ensure(seen == *expected, || format!("{seen:?}, not {expected:?}"))?;
        stage.caller.pause(SETTLE);
    }
    let (calls, connections) = (replies.len(), scene.connections());
    ensure(connections == 1, || format!("{calls} calls, {connections} connections"))?;
    scene.end(stage.caller, client)?;
    Ok(format!("{calls} calls, 1 connection"))
}

/// Linux shows which timer runs for each connection.
fn keep_alive<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    const ESTABLISHED: &str = "01";
    const KEEP_ALIVE: &str = "02";
    let scene = stage.host.script(stage.wire, vec![Reply::json(200, &[], RESULT)]).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let result = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
    result.map_err(said)?;
    stage.caller.pause(SETTLE);
    let port = scene.setup.base_url.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let remote = format!(":{:04X}", port.ok_or("no port")?);
    let table = std::fs::read_to_string("/proc/net/tcp").map_err(said)?;
    let lines = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    // Number, local address, remote address, state, queues, timer.
    let ours = lines.filter(|line| line.len() > 5 && line[2].ends_with(&remote) && line[3] == ESTABLISHED);
    let timers: Vec<String> = ours.map(|line| line[5].split(':').next().unwrap_or_default().to_owned()).collect();
    let is_kept = !timers.is_empty() && timers.iter().all(|timer| timer == KEEP_ALIVE);
    ensure(is_kept, || format!("the timers of the connections are {timers:?}, not {KEEP_ALIVE}"))?;
    scene.end(stage.caller, client)?;
    Ok("the timer runs".to_owned())
}

/// Streams that are left in their middle, each before a call that is not.
fn drops<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    const CALLS: usize = 5;
    let stalled = Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
        .chunk(FIRST)
        .then(Step::Stall);
    // One that may be kept could be open still when all that is dropped is closed.
    let whole = Reply::json(200, &[("connection", "close")], RESULT).then(Step::Close);
    let replies = (0..CALLS).flat_map(|_| [stalled.clone(), whole.clone()]).collect();
    let scene = stage.host.script(stage.wire, replies).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    for _ in 0..CALLS {
        let left = Question { take: Some(1), ..Question::create(true) };
        let events = stage.caller.call(&client, &left).events.len();
        ensure(events == 1, || format!("{events} events before the drop"))?;
        scene.quiet(stage.caller)?;
        let result = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
        let text = result.map_err(said)?.text;
        ensure(text == "Yes, no.", || format!("after the drop: {text:?}"))?;
    }
    let (requests, connections) = (scene.server.requests().len(), scene.connections());
    ensure(requests == 2 * CALLS, || format!("{requests} requests for {} calls", 2 * CALLS))?;
    // A stream of HTTP/2 is reset, and its connection goes on.
    let fits = connections == if stage.wire.is_http2() { 1 } else { requests };
    ensure(fits, || format!("{requests} calls, {connections} connections"))?;
    scene.end(stage.caller, client)?;
    Ok(format!("{CALLS} drops, the calls after them are right"))
}

/// A server that closes each connection after its answer, and says so by closing alone.
fn stale<C: Caller>(stage: &Stage<'_, C>, ending: Ending) -> Seen {
    const CALLS: usize = 4;
    let reply = Reply::json(200, &[], RESULT).then(Step::Close);
    let scene = stage.host.script_that_ends(stage.wire, vec![reply], ending).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    for n in 1..=CALLS {
        let result = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
        result.map_err(said)?;
        let requests = scene.server.requests().len();
        ensure(requests == n, || format!("{requests} requests for {n} calls"))?;
        scene.quiet(stage.caller)?;
        stage.caller.pause(SETTLE);
    }
    scene.end(stage.caller, client)?;
    Ok(format!("{CALLS} calls, {CALLS} requests"))
}

/// A server that closes a connection once the next request has come on it: it may have been read, so it is not sent again.
fn race<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let replies = vec![Reply::json(200, &[], RESULT), Reply::raw("")];
    let scene = stage.host.script(stage.wire, replies).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let first = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
    first.map_err(said)?;
    stage.caller.pause(SETTLE);
    let result = stage.caller.call(&client, &Question::go_on("s-1", true)).result.ok_or("the call was dropped")?;
    let requests = scene.server.requests().len();
    let kind = result.as_ref().map_or_else(|error| error.kind().name(), |_| "completed");
    ensure((kind, requests) == ("transport", 2), || format!("{kind}, {requests} requests for 2 calls"))?;
    scene.end(stage.caller, client)?;
    Ok("transport, no second request".to_owned())
}

/// What follows an answer unasked is no answer to the next call, whether it came with the answer or after it.
fn unasked<C: Caller>(stage: &Stage<'_, C>) -> Seen {
    let length = RESULT.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let bad = head.clone() + &RESULT.replace("Yes", "Bad");
    let then_bad = |reply: Reply| reply.then(Step::Write(bad.clone().into())).then(Step::KeepAlive);
    let firsts = [
        Reply::raw([head.as_str(), RESULT, &bad].concat()).then(Step::KeepAlive),
        then_bad(Reply::json(200, &[], RESULT)),
        then_bad(Reply::sse_chunked([FIRST, LAST])),
    ];
    for first in firsts {
        let scene = stage.host.script(stage.wire, vec![first, Reply::json(200, &[], RESULT)]).map_err(said)?;
        let client = stage.caller.client(&scene.setup).map_err(said)?;
        for _ in 0..2 {
            let result = stage.caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
            let text = result.map_err(said)?.text;
            ensure(text == "Yes, no.", || format!("{text:?}"))?;
            // What comes once the next request is on its way looks like its answer: nobody can tell.
            stage.caller.pause(SETTLE);
        }
        let requests = scene.server.requests().len();
        ensure(requests == 2, || format!("{requests} requests for 2 calls"))?;
        scene.end(stage.caller, client)?;
    }
    Ok("the calls after them are right".to_owned())
}
