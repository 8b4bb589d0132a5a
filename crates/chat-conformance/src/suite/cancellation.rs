//! Rows that need an executor or the transport itself: calls that are dropped between polls, a thousand concurrent calls,
//! and random seeds.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use chat_client::sessions::CreateInput;
use chat_client::{Client, ErrorKind, Reply, Transport};
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{ScriptServer, ScriptedReply, Step};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::blocking::Blocking;
use super::fixture::{Fixture, wait_until};
use super::harness::{Caller, Harness, TestCall};
use super::row::{Context, Row, RowResult, Schedule, describe, ensure};

/// The pause between two chunks that must not arrive together, even on a busy machine.
const CHUNK_PAUSE: Duration = Duration::from_millis(200);

/// The number of calls that are dropped at random points.
const DROPS: u64 = 2000;
/// The number of these calls that run at once.
const AT_ONCE: u64 = 50;

/// The bounds of the time after which a stalled call is dropped.
const MIN_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The number of concurrent slow streams.
const STREAMS: usize = 1000;
/// The number of events of a slow stream.
const EVENTS: usize = 4;
/// The pause before each event of a slow stream.
const SLOW: Duration = Duration::from_millis(300);

pub(crate) fn rows<'a, H: Harness>() -> Vec<Row<'a, Blocking<'a, H>>> {
    vec![
        Row::new("a drop at every await", every_await),
        Row::new("2000 drops at random points", random_drops).scheduled(Schedule::Alone),
        Row::new("1000 slow streams at once", slow_streams).scheduled(Schedule::Alone),
        Row::new("seeds that differ", seeds),
    ]
}

fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

fn slow_stream(events: usize, pause: Duration) -> ScriptedReply {
    let head = ScriptedReply::raw("").then(Step::Pause(pause));
    let head = head.then(Step::Write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".into(),
    ));
    let stream = (1..events).fold(head, |reply, _| reply.then(Step::Pause(pause)).chunk(FIRST));
    stream.then(Step::Pause(pause)).chunk(LAST).then(Step::Pause(pause)).last_chunk()
}

/// Checks that seeds differ, so that clients do not retry at the same time.
fn seeds<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let server = context.servers.script(context.wire, Vec::new()).map_err(describe)?;
    let client = context.caller.client(&server.setup).map_err(describe)?;
    let first = client.transport().seed();
    // Two random seeds may be equal, but not a hundred.
    let differ = (0..100).any(|_| client.transport().seed() != first);
    ensure(differ, || format!("all seeds are {first}: clients would retry at the same time"))?;
    server.finish(context.caller, client)?;
    Ok("not all are equal".to_owned())
}

/// Drops the call after its first pending poll, after its second, and so on, until one completes.
fn every_await<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let server = context.servers.script(context.wire, vec![slow_stream(3, CHUNK_PAUSE)]).map_err(describe)?;
    let caller = context.caller;
    let client = caller.client(&server.setup).map_err(describe)?;
    let mut awaits = 0;
    while !caller.harness.block_on(poll_times(client.create(&question()).finish(), awaits)) {
        server.wait_idle(caller)?;
        awaits += 1;
        ensure(awaits < 10_000, || format!("{awaits} awaits, but the call does not complete"))?;
    }
    // Connecting, the head and each chunk are awaits.
    ensure(awaits > 3, || format!("only {awaits} awaits"))?;
    check_next_calls(context, &server, &client)?;
    server.finish(caller, client)?;
    // The number depends on the machine.
    Ok("all are closed, and the next call succeeds".to_owned())
}

/// Drops many calls to a server whose answers do not end.
fn random_drops<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    let whole = ScriptedReply::json(200, &[("connection", "close")], RESULT).then(Step::Close);
    let server = context.servers.script(context.wire, vec![whole]).map_err(describe)?;
    let caller = context.caller;
    let client = caller.client(&server.setup).map_err(describe)?;
    // All HTTP/2 streams use one connection once it is open.
    let first = caller.call(&client, &TestCall::create(true)).result.ok_or("the call was dropped")?;
    first.map_err(describe)?;
    // Twice the time that as many calls take on this machine, which is enough to reach any point of a call.
    let start = Instant::now();
    caller.harness.block_on(async {
        let calls = (0..AT_ONCE).map(|_| client.create(&question()).finish()).collect::<FuturesUnordered<_>>();
        calls.for_each(|_| std::future::ready(())).await;
    });
    let max_wait = (2 * start.elapsed()).clamp(MIN_WAIT, MAX_WAIT);

    let mut rng = Rng(1);
    server.server.replay((0..2 * DROPS).map(|_| endless(&mut rng)).collect());
    let dropped = caller.harness.block_on(async {
        let some = |seed| {
            let client = &client;
            async move {
                let (mut rng, mut dropped) = (Rng(seed), DropCounts::default());
                for _ in 0..DROPS / AT_ONCE {
                    drop_one(client, &mut rng, max_wait, &mut dropped).await;
                }
                dropped
            }
        };
        (0..AT_ONCE).map(some).collect::<FuturesUnordered<_>>().fold(DropCounts::default(), DropCounts::add).await
    });
    let far = [dropped.before_the_head, dropped.after_the_head, dropped.after_events];
    ensure(far.iter().all(|n| *n >= DROPS / 100), || format!("too few of a kind: {dropped:?}"))?;
    server.wait_idle(caller)?;
    check_next_calls(context, &server, &client)?;
    if context.wire.is_http2() {
        // The streams are reset, and their connection is kept.
        ensure(server.connections() == 1, || format!("{} connections", server.connections()))?;
    }
    server.finish(caller, client)?;
    no_leaked_tasks(context)?;
    Ok("all are closed, and the next call succeeds".to_owned())
}

/// Runs a thousand slow streams at once.
fn slow_streams<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> RowResult {
    allow_sockets();
    let server = context.servers.script(context.wire, vec![slow_stream(EVENTS, SLOW)]).map_err(describe)?;
    let caller = context.caller;
    let client = caller.client(&server.setup).map_err(describe)?;
    let text = ["Yes, ".repeat(EVENTS - 1).as_str(), "no."].concat();
    let wrong = caller.harness.block_on(async {
        let calls = (0..STREAMS).map(|_| client.create(&question()).finish()).collect::<FuturesUnordered<_>>();
        let wrong = |result: Result<chat_client::Answer, _>| match result {
            Ok(answer) if answer.text == text => None,
            Ok(answer) => Some(answer.text),
            Err(error) => Some(describe(error)),
        };
        calls.filter_map(|result| std::future::ready(wrong(result))).collect::<Vec<_>>().await
    });
    ensure(wrong.is_empty(), || format!("{} of {STREAMS} fail: {}", wrong.len(), wrong[0]))?;
    let requests = server.server.requests().len();
    ensure(requests == STREAMS, || format!("{requests} requests for {STREAMS} calls"))?;
    server.finish(caller, client)?;
    no_leaked_tasks(context)?;
    Ok(format!("{STREAMS} whole, each of {EVENTS} events"))
}

/// Checks that the calls after the drops succeed.
fn check_next_calls<H: Harness>(
    context: &Context<'_, Blocking<'_, H>>,
    server: &Fixture<ScriptServer>,
    client: &Client<H::Transport>,
) -> Result<(), String> {
    server.server.replay(vec![ScriptedReply::sse_chunked([FIRST, LAST]), ScriptedReply::json(200, &[], RESULT)]);
    for _ in 0..2 {
        let result = context.caller.call(client, &TestCall::create(true)).result.ok_or("the call was dropped")?;
        let text = result.map_err(describe)?.text;
        ensure(text == "Yes, no.", || format!("after the drops: {text:?}"))?;
    }
    let requests = server.server.requests().len();
    ensure(requests == 2, || format!("{requests} requests for 2 calls after the drops"))
}

/// Waits until the executor has no more tasks than when no row ran.
fn no_leaked_tasks<H: Harness>(context: &Context<'_, Blocking<'_, H>>) -> Result<(), String> {
    let Some(before) = context.idle_tasks else { return Ok(()) };
    let caller = context.caller;
    wait_until(caller, || caller.harness.tasks().is_some_and(|tasks| tasks <= before))
        .map_err(|_| format!("{:?} tasks, {before} before", caller.harness.tasks()))
}

/// Polls a future at most this many times. Returns whether it completed.
async fn poll_times(future: impl Future, times: usize) -> bool {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        let end = future.as_mut().poll(cx).is_ready();
        left -= 1;
        if end || left == 0 { Poll::Ready(end) } else { Poll::Pending }
    })
    .await
}

/// Returns the output of a future, unless it takes longer than this on the transport's clock.
async fn within<T: Transport, F: Future>(transport: &T, time: Duration, future: F) -> Option<F::Output> {
    let mut sleep = pin!(transport.sleep_until(transport.now() + time));
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// SplitMix64, a deterministic generator.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Returns an answer that stalls at some point.
fn endless(rng: &mut Rng) -> ScriptedReply {
    let stream = ScriptedReply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    let by_close = ScriptedReply::head(200, &[("content-type", "text/event-stream")]);
    let json = ScriptedReply::head(200, &[("content-type", "application/json"), ("content-length", "1000")]);
    match rng.below(8) {
        0 => ScriptedReply::raw("").then(Step::Stall),
        1 => stream.then(Step::Stall),
        2 => stream.chunk(FIRST).then(Step::Stall),
        3 => stream.chunk([FIRST, FIRST, FIRST, "event: mess"].concat()).then(Step::Stall),
        4 => stream.chunk(FIRST).then(Step::Pause(Duration::from_millis(1))).chunk(FIRST).then(Step::Stall),
        5 => by_close.then(Step::Write(FIRST.repeat(1000).into())).then(Step::Stall),
        6 => json.then(Step::Write("{".into())).then(Step::Stall),
        // The call is dropped during the backoff. The close is announced, because a close that crosses the next request
        // would be a transport error.
        _ => ScriptedReply::json(503, &[("retry-after", "5"), ("connection", "close")], "{}").then(Step::Close),
    }
}

/// How far the dropped calls had come.
#[derive(Debug, Default)]
struct DropCounts {
    before_the_head: u64,
    after_the_head: u64,
    after_events: u64,
    /// The reply was inside the future of `finish`.
    inside_finish: u64,
}

impl DropCounts {
    fn note<T: Transport>(&mut self, reply: &Reply<T>) {
        *match (reply.head(), reply.answer().map_or(0, |answer| answer.events)) {
            (None, _) => &mut self.before_the_head,
            (_, 0) => &mut self.after_the_head,
            _ => &mut self.after_events,
        } += 1;
    }

    async fn add(self, other: Self) -> Self {
        Self {
            before_the_head: self.before_the_head + other.before_the_head,
            after_the_head: self.after_the_head + other.after_the_head,
            after_events: self.after_events + other.after_events,
            inside_finish: self.inside_finish + other.inside_finish,
        }
    }
}

/// Makes a call and drops it at a random point, at the latest after `max_wait`.
async fn drop_one<T: Transport>(client: &Client<T>, rng: &mut Rng, max_wait: Duration, dropped: &mut DropCounts) {
    let transport = client.transport();
    let mut reply = client.create(&question());
    let polls = 1 + rng.below(8) as usize;
    let a_while = max_wait.mul_f64(rng.below(1000) as f64 / 16_000.0);
    match rng.below(8) {
        // The call is never polled.
        0 => {}
        // A stalled server does not wake the call, so a timer ends it.
        1 => _ = within(transport, a_while, poll_times(reply.next(), polls)).await,
        2 | 3 => {
            dropped.inside_finish += 1;
            within(transport, a_while, poll_times(reply.finish(), polls)).await;
            return;
        }
        4 => _ = within(transport, max_wait, head_of(&mut reply)).await,
        5 => {
            let events = 1 + rng.below(4);
            within(transport, max_wait, async {
                for _ in 0..events {
                    reply.next().await;
                }
            })
            .await;
        }
        6 => drop(within(transport, a_while, reply.next()).await),
        _ => {
            within(transport, a_while, reply.next()).await;
            dropped.note(&reply);
            assert_eq!(reply.cancel().unwrap_err().kind(), &ErrorKind::Cancelled);
            return;
        }
    }
    dropped.note(&reply);
}

/// Waits for the head of a reply, with a new `next()` future for each poll.
async fn head_of<T: Transport>(reply: &mut Reply<T>) {
    poll_fn(|cx| {
        let _ = pin!(reply.next()).poll(cx);
        if reply.head().is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Raises the limit of open files. A thousand calls over TLS need four thousand sockets, and many systems allow a thousand
/// files at first.
#[cfg(unix)]
fn allow_sockets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it fails, the row fails with "too many open files".
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(not(unix))]
fn allow_sockets() {}
