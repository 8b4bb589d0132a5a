//! What needs an executor, or the transport itself: calls that are dropped between two polls, a thousand of them at once,
//! and seeds.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use chat_client::sessions::CreateInput;
use chat_client::{Client, ErrorKind, Reply, Transport};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::caller::Blocking;
use super::faults::{ensure, said};
use super::host::{Scene, until};
use super::suite::{Row, Seen, Stage};
use super::{Caller, Harness, Question};
use crate::faults::{FIRST, LAST, RESULT};
use crate::{Reply as Scripted, ScriptServer, Step};

/// How many calls are dropped at random points, and how many of them at once.
const DROPS: u64 = 2000;
const AT_ONCE: u64 = 50;

/// How many slow streams there are at once, of how many events each, and how long each event takes.
const STREAMS: usize = 1000;
const EVENTS: usize = 4;
const SLOW: Duration = Duration::from_millis(300);

pub(super) fn rows<'a, H: Harness>() -> Vec<Row<'a, Blocking<'a, H>>> {
    vec![
        Row::new("a drop at every await", every_await).alone(),
        Row::new("2000 drops at random points", random_drops).alone(),
        Row::new("1000 slow streams at once", slow_streams).alone(),
        Row::new("seeds that differ", seeds),
    ]
}

fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

fn slow_stream(events: usize, pause: Duration) -> Scripted {
    let head = Scripted::raw("").then(Step::Pause(pause));
    let head = head.then(Step::Write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".into(),
    ));
    let stream = (1..events).fold(head, |reply, _| reply.then(Step::Pause(pause)).chunk(FIRST));
    stream.then(Step::Pause(pause)).chunk(LAST).then(Step::Pause(pause)).last_chunk()
}

/// Looks at what spreads the retries of many clients.
fn seeds<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let server = stage.host.script(stage.wire, Vec::new()).map_err(said)?;
    let client = stage.caller.client(&server.setup).map_err(said)?;
    let first = client.transport().seed();
    // Chance gives two that are alike once in a while, and never a hundred.
    let differ = (0..100).any(|_| client.transport().seed() != first);
    ensure(differ, || format!("each is {first}: clients would try again all at once"))?;
    server.end(stage.caller, client)?;
    Ok("they are not all the same".to_owned())
}

/// Drops the call after its first pending poll, after its second, and so on, until one comes to its end.
fn every_await<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let server = stage.host.script(stage.wire, vec![slow_stream(3, Duration::from_millis(2))]).map_err(said)?;
    let caller = stage.caller;
    let client = caller.client(&server.setup).map_err(said)?;
    let mut awaits = 0;
    while !caller.harness.block_on(poll_times(client.create(&question()).finish(), awaits)) {
        server.idle(caller)?;
        awaits += 1;
        ensure(awaits < 10_000, || format!("{awaits} awaits, and no end"))?;
    }
    // Connecting, the head and each piece are awaits, whatever else is one.
    ensure(awaits > 3, || format!("only {awaits} awaits"))?;
    right_after(stage, &server, &client)?;
    server.end(caller, client)?;
    // How many there are depends on the machine.
    Ok("each is closed, the call after them is right".to_owned())
}

/// Drops many calls to a server that comes to no end, some at once.
fn random_drops<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let whole = Scripted::json(200, &[("connection", "close")], RESULT).then(Step::Close);
    let server = stage.host.script(stage.wire, vec![whole]).map_err(said)?;
    let caller = stage.caller;
    let tasks = caller.harness.tasks();
    let client = caller.client(&server.setup).map_err(said)?;
    // The streams of HTTP/2 have one connection, once it is there.
    let first = caller.call(&client, &Question::create(true)).result.ok_or("the call was dropped")?;
    first.map_err(said)?;
    // Twice as long as it takes to answer as many calls here: enough to get anywhere in one.
    let begun = Instant::now();
    caller.harness.block_on(async {
        let calls = (0..AT_ONCE).map(|_| client.create(&question()).finish()).collect::<FuturesUnordered<_>>();
        calls.for_each(|_| std::future::ready(())).await;
    });
    let patience = (2 * begun.elapsed()).max(Duration::from_millis(250));

    let mut chance = Chance(1);
    server.server.replay((0..2 * DROPS).map(|_| endless(&mut chance)).collect());
    let dropped = caller.harness.block_on(async {
        let some = |seed| {
            let client = &client;
            async move {
                let (mut chance, mut dropped) = (Chance(seed), Dropped::default());
                for _ in 0..DROPS / AT_ONCE {
                    drop_one(client, &mut chance, patience, &mut dropped).await;
                }
                dropped
            }
        };
        (0..AT_ONCE).map(some).collect::<FuturesUnordered<_>>().fold(Dropped::default(), Dropped::add).await
    });
    let far = [dropped.before_the_head, dropped.after_the_head, dropped.after_events];
    ensure(far.iter().all(|n| *n >= DROPS / 100), || format!("too few of a kind: {dropped:?}"))?;
    server.idle(caller)?;
    right_after(stage, &server, &client)?;
    if stage.wire.is_http2() {
        // The streams are reset, and their connection goes on.
        ensure(server.connections() == 1, || format!("{} connections", server.connections()))?;
    }
    server.end(caller, client)?;
    no_more_tasks(caller, tasks)?;
    Ok("all are closed, the call after them is right".to_owned())
}

/// A thousand streams, each of events that take their time.
fn slow_streams<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    allow_sockets();
    let server = stage.host.script(stage.wire, vec![slow_stream(EVENTS, SLOW)]).map_err(said)?;
    let caller = stage.caller;
    let tasks = caller.harness.tasks();
    let client = caller.client(&server.setup).map_err(said)?;
    let text = ["Yes, ".repeat(EVENTS - 1).as_str(), "no."].concat();
    let wrong = caller.harness.block_on(async {
        let calls = (0..STREAMS).map(|_| client.create(&question()).finish()).collect::<FuturesUnordered<_>>();
        let wrong = |result: Result<chat_client::Answer, _>| match result {
            Ok(answer) if answer.text == text => None,
            Ok(answer) => Some(answer.text),
            Err(error) => Some(said(error)),
        };
        calls.filter_map(|result| std::future::ready(wrong(result))).collect::<Vec<_>>().await
    });
    ensure(wrong.is_empty(), || format!("{} of {STREAMS} fail: {}", wrong.len(), wrong[0]))?;
    let requests = server.server.requests().len();
    ensure(requests == STREAMS, || format!("{requests} requests for {STREAMS} calls"))?;
    server.end(caller, client)?;
    no_more_tasks(caller, tasks)?;
    Ok(format!("{STREAMS} whole, each of {EVENTS} events"))
}

/// The calls after the drops get what is theirs.
fn right_after<H: Harness>(
    stage: &Stage<'_, Blocking<'_, H>>,
    server: &Scene<ScriptServer>,
    client: &Client<H::Transport>,
) -> Result<(), String> {
    server.server.replay(vec![Scripted::sse_chunked([FIRST, LAST]), Scripted::json(200, &[], RESULT)]);
    for _ in 0..2 {
        let result = stage.caller.call(client, &Question::create(true)).result.ok_or("the call was dropped")?;
        let text = result.map_err(said)?.text;
        ensure(text == "Yes, no.", || format!("after the drops: {text:?}"))?;
    }
    let requests = server.server.requests().len();
    ensure(requests == 2, || format!("{requests} requests for 2 calls after the drops"))
}

fn no_more_tasks<H: Harness>(caller: &Blocking<'_, H>, before: Option<usize>) -> Result<(), String> {
    let Some(before) = before else { return Ok(()) };
    until(caller, || caller.harness.tasks().is_some_and(|tasks| tasks <= before))
        .map_err(|_| format!("{:?} tasks, {before} before", caller.harness.tasks()))
}

/// Polls until it was pending so many times; whether it came to its end.
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

/// The future's output, if it comes within a time on the transport's clock.
async fn within<T: Transport, F: Future>(transport: &T, time: Duration, future: F) -> Option<F::Output> {
    let mut sleep = pin!(transport.sleep_until(transport.now() + time));
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Enough chance for tests, and the same each time: SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// An answer that comes to no end: silent from some point on.
fn endless(chance: &mut Chance) -> Scripted {
    let stream = Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    let by_close = Scripted::head(200, &[("content-type", "text/event-stream")]);
    let json = Scripted::head(200, &[("content-type", "application/json"), ("content-length", "1000")]);
    match chance.below(8) {
        0 => Scripted::raw("").then(Step::Stall),
        1 => stream.then(Step::Stall),
        2 => stream.chunk(FIRST).then(Step::Stall),
        3 => stream.chunk([FIRST, FIRST, FIRST, "event: mess"].concat()).then(Step::Stall),
        4 => stream.chunk(FIRST).then(Step::Pause(Duration::from_millis(1))).chunk(FIRST).then(Step::Stall),
        5 => by_close.then(Step::Write(FIRST.repeat(1000).into())).then(Step::Stall),
        6 => json.then(Step::Write("{".into())).then(Step::Stall),
        // The wait before the next attempt is where the drop falls. The close is announced: one that crosses the next
        // request would be a loss.
        _ => Scripted::json(503, &[("retry-after", "5"), ("connection", "close")], "{}").then(Step::Close),
    }
}

/// How far the calls had come that were dropped.
#[derive(Debug, Default)]
struct Dropped {
    before_the_head: u64,
    after_the_head: u64,
    after_events: u64,
    /// The reply was inside the future of its whole answer, and went with it.
    inside_finish: u64,
}

impl Dropped {
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

/// Makes a call and drops it somewhere, after `patience` where the server says nothing that it could wait for.
async fn drop_one<T: Transport>(client: &Client<T>, chance: &mut Chance, patience: Duration, dropped: &mut Dropped) {
    let transport = client.transport();
    let mut reply = client.create(&question());
    let polls = 1 + chance.below(8) as usize;
    let a_while = patience.mul_f64(chance.below(1000) as f64 / 16_000.0);
    match chance.below(8) {
        // Never polled.
        0 => {}
        // A server that is silent wakes nobody, so the clock is the end of each.
        1 => _ = within(transport, a_while, poll_times(reply.next(), polls)).await,
        2 | 3 => {
            dropped.inside_finish += 1;
            within(transport, a_while, poll_times(reply.finish(), polls)).await;
            return;
        }
        4 => _ = within(transport, patience, head_of(&mut reply)).await,
        5 => {
            let events = 1 + chance.below(4);
            within(transport, patience, async {
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

/// Waits for the reply's head, with a new future of `next()` for each poll.
async fn head_of<T: Transport>(reply: &mut Reply<T>) {
    poll_fn(|cx| {
        let _ = pin!(reply.next()).poll(cx);
        if reply.head().is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A thousand calls over TLS are four thousand sockets in one process; many systems begin with a thousand files.
#[cfg(unix)]
fn allow_sockets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it is refused the row says so: too many open files.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(not(unix))]
fn allow_sockets() {}
