//! Slow callers and fast servers: buffering, timeouts while the caller pauses, and fairness to other tasks.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use chat_client::sessions::CreateInput;
use chat_client::{Client, Reply, Transport};
use chat_mock::faults::{COMMENT, FIRST, LAST};
use chat_mock::{ScriptedReply, Step};

use super::blocking::Blocking;
use super::fast_server::FastServer;
use super::harness::{Caller, Harness};
use super::row::{Context, Row, RowResult, Schedule};
use super::row::{describe, ensure};

/// The size of the fast server's answer. No transport may buffer as much.
const FAST: usize = 256 << 20;

/// The maximum number of bytes ahead of the caller. Sockets hold 6 MiB on common systems and 32 MiB on some, and as much
/// again behind a gateway. A transport may read about 2 MiB ahead, the window of an HTTP/2 stream.
const AHEAD: usize = 96 << 20;

/// A server that has written nothing for this long is stuck.
const STUCK: Duration = Duration::from_secs(1);

/// The total timeout of a call whose answer is endless.
const TOTAL: Duration = Duration::from_secs(1);

/// The minimum number of times that other tasks run in that time. They run thousands of times, or once if the transport
/// never yields.
const TURNS: usize = 10;

/// A timeout that is shorter than the caller's sleep.
const IDLE: Duration = Duration::from_millis(2500);

/// A sleep that is longer than that timeout.
const SLEEP: Duration = Duration::from_millis(3500);

pub(crate) fn rows<'a, H: Harness>() -> Vec<Row<'a, Blocking<'a, H>>> {
    vec![
        Row::new("a slow caller holds a fast server back", hold_back),
        Row::new("a caller that sleeps longer than the timeouts", oversleep),
        Row::new("the timeout runs again after the caller's sleep", silence),
        Row::new("a caller that pauses before many small frames", small_frames),
        Row::new("a small call beside four unread answers of 5 MB", beside_unread),
        Row::new("a flood lets other tasks run", flood).scheduled(Schedule::Alone),
    ]
}

/// The number of frames, each of one event. HTTP/2 libraries close a connection if too many small frames wait to be read.
const FRAMES: usize = 40_000;

/// Long enough for a server to send as much as it can.
const PAUSE: Duration = Duration::from_secs(2);

/// A timeout that fires only if a call is starved.
const STARVED: Duration = Duration::from_secs(15);

/// The size of an answer that is not read.
const UNREAD: usize = 5 << 20;

fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

async fn sleep<T: Transport>(client: &Client<T>, time: Duration) {
    let transport = client.transport();
    transport.sleep_until(transport.now() + time).await;
}

/// Reads this many events.
async fn take<T: Transport>(reply: &mut Reply<T>, events: usize) -> Result<(), String> {
    for _ in 0..events {
        reply.next().await.ok_or("an early end")?.map_err(describe)?;
    }
    Ok(())
}

/// Waits until the server has written nothing for a while, and returns the number of bytes it has written.
async fn wait_stuck<T: Transport>(server: &FastServer, client: &Client<T>) -> usize {
    let mut last = (server.written(), Instant::now());
    while last.1.elapsed() < STUCK {
        sleep(client, STUCK / 100).await;
        if server.written() != last.0 {
            last = (server.written(), Instant::now());
        }
    }
    last.0
}

fn hold_back<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let fixture = context.servers.fast(context.wire, FIRST, FAST).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let server = &fixture.server;
    context.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        let ahead = wait_stuck(server, &client).await;
        ensure(ahead < AHEAD, || format!("{} KiB ahead of the first event", ahead >> 10))?;
        // Check again later, when the buffers have grown.
        let taken = 50_000;
        take(&mut reply, taken - 1).await?;
        let ahead = wait_stuck(server, &client).await - taken * FIRST.len();
        ensure(ahead < AHEAD, || format!("{} KiB ahead of event {taken}", ahead >> 10))
    })?;
    ensure(server.written() < FAST, || "all was written".to_owned())?;
    fixture.finish(context.caller, client)?;
    Ok("it waits".to_owned())
}

fn oversleep<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    // One write, small enough for the socket buffers, so that the server does nothing after the sleep.
    let events = 500;
    let body = [FIRST.repeat(events - 1).as_str(), LAST].concat();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut fixture = context
        .servers
        .script(context.wire, vec![ScriptedReply::raw(head + &body).then(Step::Stall)])
        .map_err(describe)?;
    fixture.setup.config.timeouts.idle = Some(IDLE);
    fixture.setup.config.timeouts.content = Some(IDLE);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let answer = context.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        sleep(&client, SLEEP).await;
        reply.finish().await.map_err(describe)
    })?;
    let observed = format!("{} of {events} events", answer.events);
    ensure(answer.events as usize == events && answer.finish_reason.is_some(), || observed.clone())?;
    fixture.finish(context.caller, client)?;
    Ok(observed)
}

fn silence<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let stream = ScriptedReply::head(200, &[("content-type", "text/event-stream")]);
    let stream = stream.then(Step::Write(FIRST.repeat(2).into())).then(Step::Stall);
    let mut fixture = context.servers.script(context.wire, vec![stream]).map_err(describe)?;
    fixture.setup.config.timeouts.idle = Some(IDLE);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let (error, took) = context.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        sleep(&client, SLEEP).await;
        take(&mut reply, 1).await?;
        // The timeout starts when the caller waits, not before.
        let begun = Instant::now();
        let error = reply.finish().await.err().ok_or("an answer")?;
        Ok::<_, String>((error, begun.elapsed()))
    })?;
    let events = error.partial().map_or(0, |answer| answer.events);
    let observed = format!("{}, {events} events", error.kind().name());
    ensure(error.is_timeout() && events == 2 && took >= IDLE, || format!("{observed}, after {took:?}"))?;
    fixture.finish(context.caller, client)?;
    Ok(observed)
}

/// A pause of the caller must not fail its call or another one.
fn small_frames<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let frames = ScriptedReply::sse_chunked((1..FRAMES).map(|_| FIRST).chain([LAST]));
    let fixture =
        context.servers.script(context.wire, vec![frames, ScriptedReply::sse_chunked([LAST])]).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let answer = context.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        sleep(&client, PAUSE).await;
        client.create(&question()).finish().await.map_err(|error| format!("beside it: {}", describe(error)))?;
        reply.finish().await.map_err(describe)
    })?;
    let observed = format!("{} of {FRAMES} events", answer.events);
    ensure(answer.events as usize == FRAMES && answer.finish_reason.is_some(), || observed.clone())?;
    fixture.finish(context.caller, client)?;
    Ok(observed)
}

/// Unread answers must not block another call.
fn beside_unread<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    const UNREAD_CALLS: usize = 4;
    let large = ScriptedReply::sse_chunked([FIRST, &FIRST.repeat(UNREAD / FIRST.len()), LAST]);
    let mut replies = vec![large; UNREAD_CALLS];
    replies.push(ScriptedReply::sse_chunked([FIRST, LAST]));
    let mut fixture = context.servers.script(context.wire, replies).map_err(describe)?;
    fixture.setup.config.timeouts.head = Some(STARVED);
    fixture.setup.config.timeouts.idle = Some(STARVED);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let events = context.caller.harness.block_on(async {
        let mut unread = Vec::new();
        for _ in 0..UNREAD_CALLS {
            let mut reply = client.create(&question());
            take(&mut reply, 1).await?;
            unread.push(reply);
        }
        sleep(&client, PAUSE / 4).await;
        let small = client.create(&question()).finish().await.map_err(describe)?;
        for reply in unread {
            let answer = reply.finish().await.map_err(describe)?;
            ensure(answer.finish_reason.is_some(), || "an unread answer lost its end".to_owned())?;
        }
        Ok::<_, String>(small.events)
    })?;
    ensure(events == 2, || format!("{events} of 2 events"))?;
    fixture.finish(context.caller, client)?;
    Ok("answered".to_owned())
}

/// Reads comments at full speed. Other tasks of the thread run whenever the call is pending.
fn flood<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let mut fixture = context.servers.fast(context.wire, COMMENT, usize::MAX).map_err(describe)?;
    fixture.setup.config.timeouts.idle = Some(IDLE);
    fixture.setup.config.timeouts.content = Some(IDLE);
    fixture.setup.config.timeouts.total = Some(TOTAL);
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let (ended, turns) = context.caller.harness.block_on(async {
        let mut call = pin!(client.create(&question()).finish());
        let mut turns = 0;
        let ended = poll_fn(|cx| {
            let ended = call.as_mut().poll(cx);
            turns += usize::from(ended.is_pending());
            ended
        })
        .await;
        (ended, turns)
    });
    ensure(turns > TURNS, || format!("{turns} turns"))?;
    ensure(ended.is_err(), || "an answer".to_owned())?;
    fixture.finish(context.caller, client)?;
    Ok(format!("more than {TURNS} turns"))
}
