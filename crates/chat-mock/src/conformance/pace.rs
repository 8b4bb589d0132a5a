//! Answers that are taken slowly, or come without a pause: what piles up, whose silence it is, and who gets a turn.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat_client::sessions::CreateInput;
use chat_client::{Client, Reply, Transport};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::caller::Blocking;
use super::faults::{ensure, said};
use super::host::Counts;
use super::suite::{Row, Seen, Stage};
use super::{Caller, Harness};
use crate::accept::Accepting;
use crate::faults::{COMMENT, FIRST, LAST};
use crate::{Reply as Scripted, Step};

/// How much the fast server has: more than anybody may take in for a caller who does not ask for it.
const FAST: usize = 256 << 20;

/// What the sockets hold is the system's choice: 6 MiB on a reader's side on common systems, 32 on some, and as much again
/// behind a door. Beside that a transport may read ahead what HTTP/2 gives a stream, 2 MiB or so.
const AHEAD: usize = 96 << 20;

/// A server that has written nothing for so long is stuck.
const STUCK: Duration = Duration::from_secs(1);

/// The whole time of a call whose answer has no end.
const TOTAL: Duration = Duration::from_secs(2);

/// The least number of turns that others get in that time. They get thousands; without a bound, one.
const TURNS: usize = 10;

/// A clock that fires while the caller sleeps, if anything makes it.
const IDLE: Duration = Duration::from_millis(2500);

/// Past that clock.
const SLEEP: Duration = Duration::from_millis(3500);

pub(super) fn rows<'a, H: Harness>() -> Vec<Row<'a, Blocking<'a, H>>> {
    vec![
        Row::new("a slow caller holds a fast server back", hold_back),
        Row::new("a caller that sleeps past the clocks", oversleep),
        Row::new("a silence after the sleep is the server's", silence),
        Row::new("a caller that pauses before many small frames", small_frames).alone(),
        Row::new("a small call beside four unread answers of 5 MB", beside_unread),
        Row::new("a flood lets other tasks run", flood).alone(),
    ]
}

/// How many frames of an event each. HTTP/2 libraries close a connection on which too many small ones wait to be read.
const FRAMES: usize = 40_000;

/// Long enough for a server to send as much as it may.
const PAUSE: Duration = Duration::from_secs(2);

/// A clock that fires only if a call is starved.
const LATE: Duration = Duration::from_secs(15);

/// What an answer holds that nobody reads.
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

/// Takes so many events.
async fn take<T: Transport>(reply: &mut Reply<T>, events: usize) -> Result<(), String> {
    for _ in 0..events {
        reply.next().await.ok_or("an early end")?.map_err(said)?;
    }
    Ok(())
}

/// A server of one stream, the same event over and over, that goes on for as long as the socket takes it.
pub(super) struct FastServer {
    accepting: Accepting,
    /// What the socket took.
    written: Arc<AtomicUsize>,
}

impl FastServer {
    /// Starts one, in the tokio runtime this is called in.
    pub(super) fn start(event: &'static str, limit: usize) -> io::Result<Self> {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let accepting = Accepting::on_free_port(move |stream, _| {
            let counter = Arc::clone(&counter);
            async move {
                // It ends where the client goes, or when it has written all.
                let _ = pour(stream, event, limit, &counter).await;
            }
        })?;
        Ok(Self { accepting, written })
    }

    pub(super) fn local_addr(&self) -> std::net::SocketAddr {
        self.accepting.addr()
    }

    fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// Waits until the server gets no further.
    async fn stuck<T: Transport>(&self, client: &Client<T>) -> usize {
        let mut last = (self.written(), Instant::now());
        while last.1.elapsed() < STUCK {
            sleep(client, STUCK / 100).await;
            if self.written() != last.0 {
                last = (self.written(), Instant::now());
            }
        }
        last.0
    }
}

impl Counts for FastServer {
    fn open(&self) -> usize {
        self.accepting.open()
    }

    fn accepted(&self) -> usize {
        self.accepting.accepted()
    }
}

async fn pour(mut stream: TcpStream, event: &str, limit: usize, written: &AtomicUsize) -> io::Result<()> {
    // The system doubles it for its own use.
    SockRef::from(&stream).set_send_buffer_size(64 << 10)?;
    // The request is small, and its body ends in an object.
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await?;
    let events = event.repeat(1000);
    while written.load(Ordering::SeqCst) < limit {
        let mut rest = events.as_bytes();
        while !rest.is_empty() {
            let n = stream.write(rest).await?;
            written.fetch_add(n, Ordering::SeqCst);
            rest = &rest[n..];
        }
    }
    stream.shutdown().await
}

fn hold_back<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let scene = stage.host.fast(stage.wire, FIRST, FAST).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let server = &scene.server;
    stage.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        let ahead = server.stuck(&client).await;
        ensure(ahead < AHEAD, || format!("{} KiB ahead of the first event", ahead >> 10))?;
        // The same further on, when the buffers have grown.
        let taken = 50_000;
        take(&mut reply, taken - 1).await?;
        let ahead = server.stuck(&client).await - taken * FIRST.len();
        ensure(ahead < AHEAD, || format!("{} KiB ahead of event {taken}", ahead >> 10))
    })?;
    ensure(server.written() < FAST, || "all was written".to_owned())?;
    scene.end(stage.caller, client)?;
    Ok("it waits".to_owned())
}

fn oversleep<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    // One write, small enough to wait in the sockets: the server has no part in what comes after the sleep.
    let events = 500;
    let body = [FIRST.repeat(events - 1).as_str(), LAST].concat();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut scene = stage.host.script(stage.wire, vec![Scripted::raw(head + &body).then(Step::Stall)]).map_err(said)?;
    scene.setup.config.timeouts.idle = Some(IDLE);
    scene.setup.config.timeouts.content = Some(IDLE);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let answer = stage.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        sleep(&client, SLEEP).await;
        reply.finish().await.map_err(said)
    })?;
    let seen = format!("{} of {events} events", answer.events);
    ensure(answer.events as usize == events && answer.finish_reason.is_some(), || seen.clone())?;
    scene.end(stage.caller, client)?;
    Ok(seen)
}

fn silence<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let stream = Scripted::head(200, &[("content-type", "text/event-stream")]);
    let stream = stream.then(Step::Write(FIRST.repeat(2).into())).then(Step::Stall);
    let mut scene = stage.host.script(stage.wire, vec![stream]).map_err(said)?;
    scene.setup.config.timeouts.idle = Some(IDLE);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let (error, took) = stage.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        sleep(&client, SLEEP).await;
        take(&mut reply, 1).await?;
        // The clock begins with the wait, not before it.
        let begun = Instant::now();
        let error = reply.finish().await.err().ok_or("an answer")?;
        Ok::<_, String>((error, begun.elapsed()))
    })?;
    let events = error.partial().map_or(0, |answer| answer.events);
    let seen = format!("{}, {events} events", error.kind().name());
    ensure(error.is_timeout() && events == 2 && took >= IDLE, || format!("{seen}, after {took:?}"))?;
    scene.end(stage.caller, client)?;
    Ok(seen)
}

/// The pause ends neither the answer nor a call beside it.
fn small_frames<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let frames = Scripted::sse_chunked((1..FRAMES).map(|_| FIRST).chain([LAST]));
    let scene = stage.host.script(stage.wire, vec![frames, Scripted::sse_chunked([LAST])]).map_err(said)?;
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let answer = stage.caller.harness.block_on(async {
        let mut reply = client.create(&question());
        take(&mut reply, 1).await?;
        sleep(&client, PAUSE).await;
        client.create(&question()).finish().await.map_err(|error| format!("beside it: {}", said(error)))?;
        reply.finish().await.map_err(said)
    })?;
    let seen = format!("{} of {FRAMES} events", answer.events);
    ensure(answer.events as usize == FRAMES && answer.finish_reason.is_some(), || seen.clone())?;
    scene.end(stage.caller, client)?;
    Ok(seen)
}

/// What nobody reads takes no room from others.
fn beside_unread<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    const UNREAD_CALLS: usize = 4;
    let large = Scripted::sse_chunked([FIRST, &FIRST.repeat(UNREAD / FIRST.len()), LAST]);
    let mut replies = vec![large; UNREAD_CALLS];
    replies.push(Scripted::sse_chunked([FIRST, LAST]));
    let mut scene = stage.host.script(stage.wire, replies).map_err(said)?;
    scene.setup.config.timeouts.head = Some(LATE);
    scene.setup.config.timeouts.idle = Some(LATE);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let events = stage.caller.harness.block_on(async {
        let mut unread = Vec::new();
        for _ in 0..UNREAD_CALLS {
            let mut reply = client.create(&question());
            take(&mut reply, 1).await?;
            unread.push(reply);
        }
        sleep(&client, PAUSE / 4).await;
        let small = client.create(&question()).finish().await.map_err(said)?;
        for reply in unread {
            let answer = reply.finish().await.map_err(said)?;
            ensure(answer.finish_reason.is_some(), || "an unread answer lost its end".to_owned())?;
        }
        Ok::<_, String>(small.events)
    })?;
    ensure(events == 2, || format!("{events} of 2 events"))?;
    scene.end(stage.caller, client)?;
    Ok("answered".to_owned())
}

/// Comments at full speed. Whoever shares a thread with the call gets a turn whenever it is pending.
fn flood<H: Harness>(stage: &Stage<'_, Blocking<'_, H>>) -> Seen {
    let mut scene = stage.host.fast(stage.wire, COMMENT, usize::MAX).map_err(said)?;
    scene.setup.config.timeouts.idle = Some(IDLE);
    scene.setup.config.timeouts.content = Some(IDLE);
    scene.setup.config.timeouts.total = Some(TOTAL);
    let client = stage.caller.client(&scene.setup).map_err(said)?;
    let (ended, turns) = stage.caller.harness.block_on(async {
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
    scene.end(stage.caller, client)?;
    Ok(format!("more than {TURNS} turns"))
}
