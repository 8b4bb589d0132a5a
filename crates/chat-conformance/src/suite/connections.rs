//! Which connection a call uses, and which connections are reused.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use chat_mock::faults::completions::{self, DONE};
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{ScriptedReply, Step};
use socket2::{Domain, Socket, Type};

use super::fixture::LONG;
use super::gateway::TlsClose;
use super::harness::{Caller, TestCall};
use super::row::{Context, Row, RowResult, describe, ensure};
use super::transcript::Transcript;
use super::wire::Wire;

/// Long enough for a client to return a connection to its pool, or to notice that the server closed one, on a busy
/// machine.
const SETTLE: Duration = Duration::from_secs(1);

pub(crate) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    let mut rows = vec![
        Row::new("connection refused", refused),
        Row::new("reused after a complete answer", reuse),
        Row::new("reused after [DONE]", reuse_after_done),
        Row::new("closed if the body stays open after [DONE]", close_after_done),
        Row::new("not after a drop", drops),
    ];
    if cfg!(target_os = "linux") {
        rows.push(Row::new("TCP keep-alive", keep_alive));
    }
    if !wire.is_http2() {
        rows.push(Row::new("not after the server closed it", |context| stale(context, TlsClose::Graceful)));
        rows.push(Row::new("a close that races the question", race));
        rows.push(Row::new("not after unexpected bytes", unasked));
    }
    if wire == Wire::Http1Tls {
        rows.push(Row::new("not after the server closed TLS", |context| stale(context, TlsClose::NotifyOnly)));
    }
    rows
}

/// Connects to a port that refuses. No server can have read the request, so that even a continue is retried.
fn refused<C: Caller>(context: &Context<'_, C>) -> RowResult {
    // The socket is bound but does not listen, so that no other process gets the port.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(describe)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).map_err(describe)?;
    let port = socket.local_addr().map_err(describe)?.as_socket().map_or(0, |addr| addr.port());
    let mut fixture = context.servers.script(context.wire, Vec::new()).map_err(describe)?;
    let host = fixture.setup.base_url.rsplit_once(':').map_or("", |(host, _)| host);
    fixture.setup.base_url = format!("{host}:{port}");
    fixture.setup.config.retry.base = Duration::from_millis(1);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let result = context.caller.call(&client, &TestCall::continue_session("s-1", true)).finished()?;
    let error = result.err().ok_or("an answer")?;
    let (kind, attempts) = (error.kind.as_str(), error.attempts);
    let all = 1 + fixture.setup.config.retry.max_retries;
    ensure((kind, attempts) == ("connect", all), || format!("{kind}, {attempts} of {all} attempts: {error}"))?;
    fixture.finish(context.caller, client)?;
    Ok(format!("connect, {all} attempts"))
}

/// Makes one call for each form of a complete response.
fn reuse<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let replies = [
        (ScriptedReply::sse_chunked([FIRST, LAST]), Ok("Yes, no.")),
        (ScriptedReply::json(200, &[], RESULT), Ok("Yes, no.")),
        (ScriptedReply::json(404, &[], "{}"), Err(404)),
        (ScriptedReply::sse(LAST), Ok("no.")),
    ];
    let fixture = context
        .servers
        .script(context.wire, replies.iter().map(|(reply, _)| reply.clone()).collect())
        .map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    for (_, expected) in &replies {
        let result = context.caller.call(&client, &TestCall::create(true)).finished()?;
        let seen = result.map(|answer| answer.text);
        let seen = seen.as_deref().map_err(|error| error.status.unwrap_or_default());
        ensure(seen == *expected, || format!("{seen:?}, not {expected:?}"))?;
        context.caller.pause(SETTLE);
    }
    let (calls, connections) = (replies.len(), fixture.connections());
    ensure(connections == 1, || format!("{calls} calls, {connections} connections"))?;
    fixture.finish(context.caller, client)?;
    Ok(format!("{calls} calls, 1 connection"))
}

/// Makes chat completions, each of which is complete before its body has ended.
fn reuse_after_done<C: Caller>(context: &Context<'_, C>) -> RowResult {
    const CALLS: usize = 4;
    let done = stream().chunk([completions::LAST, DONE].concat());
    let at_once = format!("{:x}\r\n{DONE}\r\n0\r\n\r\n", DONE.len());
    let replies = vec![
        done.then(Step::Pause(Duration::from_millis(100))).chunk(": rest\n\n").last_chunk(),
        ScriptedReply::sse_chunked([completions::FIRST, completions::LAST, DONE]),
        stream().chunk(completions::LAST).then(Step::Write(at_once.into())).then(Step::KeepAlive),
        ScriptedReply::sse([completions::LAST, DONE].concat()),
    ];
    let fixture = context.servers.script(context.wire, replies).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    for _ in 0..CALLS {
        let call = TestCall::complete(completions::MODEL, true);
        let result = context.caller.call(&client, &call).finished()?;
        result.map_err(describe)?;
        // Longer than a client may take to read the rest.
        context.caller.pause(2 * SETTLE);
    }
    let connections = fixture.connections();
    ensure(connections == 1, || format!("{CALLS} calls, {connections} connections"))?;
    fixture.finish(context.caller, client)?;
    Ok(format!("{CALLS} calls, 1 connection"))
}

/// Makes a chat completion whose body does not end, and another call. The first must be complete at once. Then its
/// connection must be closed, without the client being dropped.
fn close_after_done<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let open = stream().chunk([completions::LAST, DONE].concat()).then(Step::Stall);
    let replies = vec![open, ScriptedReply::sse([completions::LAST, DONE].concat())];
    let mut fixture = context.servers.script(context.wire, replies).map_err(describe)?;
    // A client that waits for the end of the body waits for longer than this row allows.
    fixture.setup.config.timeouts.idle = Some(2 * LONG);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let call = TestCall::complete(completions::MODEL, true);
    let begun = Instant::now();
    let answer = |transcript: Transcript| transcript.finished()?.map_err(describe);
    answer(context.caller.call(&client, &call))?;
    let took = begun.elapsed();
    ensure(took < LONG, || format!("complete after {took:?}"))?;
    fixture.wait_closed(context.caller)?;
    answer(context.caller.call(&client, &call))?;
    // An HTTP/2 stream is reset, and its connection is kept.
    let (connections, expected) = (fixture.connections(), if context.wire.is_http2() { 1 } else { 2 });
    ensure(connections == expected, || format!("2 calls, {connections} connections"))?;
    fixture.finish(context.caller, client)?;
    Ok("complete at once, then closed".to_owned())
}

fn stream() -> ScriptedReply {
    ScriptedReply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
}

/// Checks the timer of each connection, which Linux shows.
fn keep_alive<C: Caller>(context: &Context<'_, C>) -> RowResult {
    const ESTABLISHED: &str = "01";
    const KEEP_ALIVE: &str = "02";
    let fixture =
        context.servers.script(context.wire, vec![ScriptedReply::json(200, &[], RESULT)]).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let result = context.caller.call(&client, &TestCall::create(true)).finished()?;
    result.map_err(describe)?;
    context.caller.pause(SETTLE);
    let port = fixture.setup.base_url.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let remote = format!(":{:04X}", port.ok_or("no port")?);
    let table = std::fs::read_to_string("/proc/net/tcp").map_err(describe)?;
    let lines = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    // Number, local address, remote address, state, queues, timer.
    let ours = lines.filter(|line| line.len() > 5 && line[2].ends_with(&remote) && line[3] == ESTABLISHED);
    let timers: Vec<String> = ours.map(|line| line[5].split(':').next().unwrap_or_default().to_owned()).collect();
    let is_kept = !timers.is_empty() && timers.iter().all(|timer| timer == KEEP_ALIVE);
    ensure(is_kept, || format!("the timers of the connections are {timers:?}, not {KEEP_ALIVE}"))?;
    fixture.finish(context.caller, client)?;
    Ok("the timer runs".to_owned())
}

/// Drops calls in the middle of the stream, each followed by a call that is not dropped.
fn drops<C: Caller>(context: &Context<'_, C>) -> RowResult {
    const CALLS: usize = 5;
    let stalled = stream().chunk(FIRST).then(Step::Stall);
    // A kept connection would still be open when the row checks that all are closed.
    let whole = ScriptedReply::json(200, &[("connection", "close")], RESULT).then(Step::Close);
    let replies = (0..CALLS).flat_map(|_| [stalled.clone(), whole.clone()]).collect();
    let fixture = context.servers.script(context.wire, replies).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    for _ in 0..CALLS {
        let dropped = TestCall { take: Some(1), ..TestCall::create(true) };
        let events = context.caller.call(&client, &dropped).events;
        ensure(events == 1, || format!("{events} events before the drop"))?;
        fixture.wait_closed(context.caller)?;
        let result = context.caller.call(&client, &TestCall::create(true)).finished()?;
        let text = result.map_err(describe)?.text;
        ensure(text == "Yes, no.", || format!("after the drop: {text:?}"))?;
    }
    let (requests, connections) = (fixture.server.requests().len(), fixture.connections());
    ensure(requests == 2 * CALLS, || format!("{requests} requests for {} calls", 2 * CALLS))?;
    // An HTTP/2 stream is reset, and its connection is kept.
    let fits = connections == if context.wire.is_http2() { 1 } else { requests };
    ensure(fits, || format!("{requests} calls, {connections} connections"))?;
    fixture.finish(context.caller, client)?;
    Ok(format!("{CALLS} drops, the calls after them are right"))
}

/// Calls a server that closes each connection after its response, without announcing it.
fn stale<C: Caller>(context: &Context<'_, C>, tls_close: TlsClose) -> RowResult {
    const CALLS: usize = 4;
    let reply = ScriptedReply::json(200, &[], RESULT).then(Step::Close);
    let fixture = context.servers.script_that_closes(context.wire, vec![reply], tls_close).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    for n in 1..=CALLS {
        let result = context.caller.call(&client, &TestCall::create(true)).finished()?;
        result.map_err(describe)?;
        let requests = fixture.server.requests().len();
        ensure(requests == n, || format!("{requests} requests for {n} calls"))?;
        fixture.wait_closed(context.caller)?;
        context.caller.pause(SETTLE);
    }
    fixture.finish(context.caller, client)?;
    Ok(format!("{CALLS} calls, {CALLS} requests"))
}

/// Calls a server that closes a connection when the next request arrives. The server may have read the request, so it is
/// not sent again.
fn race<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let replies = vec![ScriptedReply::json(200, &[], RESULT), ScriptedReply::raw("")];
    let fixture = context.servers.script(context.wire, replies).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let first = context.caller.call(&client, &TestCall::create(true)).finished()?;
    first.map_err(describe)?;
    context.caller.pause(SETTLE);
    let result = context.caller.call(&client, &TestCall::continue_session("s-1", true)).finished()?;
    let requests = fixture.server.requests().len();
    let kind = result.as_ref().map_or_else(|error| error.kind.as_str(), |_| "completed");
    ensure((kind, requests) == ("transport", 2), || format!("{kind}, {requests} requests for 2 calls"))?;
    fixture.finish(context.caller, client)?;
    Ok("transport, no second request".to_owned())
}

/// Calls a server that sends more bytes after a response. They must not become the response to the next call.
fn unasked<C: Caller>(context: &Context<'_, C>) -> RowResult {
    let length = RESULT.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let bad = head.clone() + &RESULT.replace("Yes", "Bad");
    let then_bad = |reply: ScriptedReply| reply.then(Step::Write(bad.clone().into())).then(Step::KeepAlive);
    let firsts = [
        ScriptedReply::raw([head.as_str(), RESULT, &bad].concat()).then(Step::KeepAlive),
        then_bad(ScriptedReply::json(200, &[], RESULT)),
        then_bad(ScriptedReply::sse_chunked([FIRST, LAST])),
    ];
    let case = |first| {
        let fixture = context.servers.script(context.wire, vec![first, ScriptedReply::json(200, &[], RESULT)]);
        let fixture = fixture.map_err(describe)?;
        let client = context.caller.client(&fixture.setup).map_err(describe)?;
        for _ in 0..2 {
            let result = context.caller.call(&client, &TestCall::create(true)).finished()?;
            let text = result.map_err(describe)?.text;
            ensure(text == "Yes, no.", || format!("{text:?}"))?;
            // Bytes that arrive after the next request look like its response.
            context.caller.pause(SETTLE);
        }
        let requests = fixture.server.requests().len();
        ensure(requests == 2, || format!("{requests} requests for 2 calls"))?;
        fixture.finish(context.caller, client)
    };
    // Each case waits for seconds.
    thread::scope(|scope| {
        let cases = firsts.map(|first| scope.spawn(|| case(first)));
        cases.into_iter().try_for_each(|case| case.join().unwrap_or_else(|_| Err("panicked".to_owned())))
    })?;
    Ok("the calls after them are right".to_owned())
}
