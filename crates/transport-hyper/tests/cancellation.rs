//! Replies that are dropped at any point, and replies that are taken slowly: what stays open, what piles up.

mod support;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{Reply as Scripted, ScriptServer, Step};
use socket2::SockRef;
use support::gateway::Gateway;
use support::{alive_tasks, client_on, plain_transport, question, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transport_hyper::{Client, Config, ErrorKind, HyperTransport, Reply};

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
    let unsized_stream = Scripted::head(200, &[("content-type", "text/event-stream")]);
    let json = Scripted::head(200, &[("content-type", "application/json"), ("content-length", "1000")]);
    match chance.below(8) {
        0 => Scripted::raw("").then(Step::Stall),
        1 => stream.then(Step::Stall),
        2 => stream.chunk(FIRST).then(Step::Stall),
        3 => stream.chunk([FIRST, FIRST, FIRST, "event: mess"].concat()).then(Step::Stall),
        4 => stream.chunk(FIRST).then(Step::Pause(Duration::from_millis(1))).chunk(FIRST).then(Step::Stall),
        5 => unsized_stream.then(Step::Write(Bytes::from(FIRST.repeat(1000)))).then(Step::Stall),
        6 => json.then(Step::Write(Bytes::from_static(b"{"))).then(Step::Stall),
        // The wait before the next attempt is where the drop falls.
        _ => Scripted::json(503, &[("retry-after", "5")], "{}").then(Step::Close),
    }
}

/// Polls a few times, other tasks in between; whether it came to its end.
async fn poll_times(future: impl Future, times: u64) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Waits for the reply's head, with a new future of `next()` for each poll.
async fn head_of(reply: &mut Reply) {
    let mut next = pin!(std::future::poll_fn(|cx| {
        let _ = pin!(reply.next()).poll(cx);
        if reply.head().is_some() { Poll::Ready(()) } else { Poll::Pending }
    }));
    // Some answers have none.
    let _ = tokio::time::timeout(Duration::from_millis(20), next.as_mut()).await;
}

/// How far the replies had come that were dropped.
#[derive(Debug, Default)]
struct Dropped {
    before_the_head: usize,
    after_the_head: usize,
    after_events: usize,
    /// The reply was inside the future of its whole answer, and went with it.
    inside_finish: usize,
}

impl Dropped {
    fn note(&mut self, reply: &Reply) {
        *match (reply.head(), reply.answer().map_or(0, |answer| answer.events)) {
            (None, _) => &mut self.before_the_head,
            (_, 0) => &mut self.after_the_head,
            _ => &mut self.after_events,
        } += 1;
    }
}

/// Makes a reply and drops it somewhere.
async fn drop_one(client: &Client, chance: &mut Chance, dropped: &mut Dropped) {
    let mut reply = client.create(&question());
    let a_while = Duration::from_micros(chance.below(3000));
    match chance.below(8) {
        // Never polled.
        0 => {}
        1 => _ = poll_times(reply.next(), 1 + chance.below(8)).await,
        2 => {
            dropped.inside_finish += 1;
            poll_times(reply.finish(), 1 + chance.below(8)).await;
            return;
        }
        3 => head_of(&mut reply).await,
        4 => {
            for _ in 0..=chance.below(4) {
                let next = tokio::time::timeout(Duration::from_millis(20), reply.next()).await;
                if !matches!(next, Ok(Some(Ok(_)))) {
                    break;
                }
            }
        }
        5 => drop(tokio::time::timeout(a_while, reply.next()).await),
        6 => {
            dropped.inside_finish += 1;
            drop(tokio::time::timeout(a_while, reply.finish()).await);
            return;
        }
        _ => {
            let _ = tokio::time::timeout(a_while, reply.next()).await;
            dropped.note(&reply);
            assert_eq!(reply.cancel().unwrap_err().kind(), &ErrorKind::Cancelled);
            return;
        }
    }
    dropped.note(&reply);
}

/// Drops so many replies, some at once.
async fn drop_many(client: &Client, drops: u64, at_once: u64) -> Dropped {
    let mut tasks = JoinSet::new();
    for seed in 0..at_once {
        let client = client.clone();
        tasks.spawn(async move {
            let mut chance = Chance(seed);
            let mut dropped = Dropped::default();
            for _ in 0..drops / at_once {
                drop_one(&client, &mut chance, &mut dropped).await;
            }
            dropped
        });
    }
    let mut all = Dropped::default();
    while let Some(done) = tasks.join_next().await {
        let dropped = done.unwrap();
        all.before_the_head += dropped.before_the_head;
        all.after_the_head += dropped.after_the_head;
        all.after_events += dropped.after_events;
        all.inside_finish += dropped.inside_finish;
    }
    assert!(
        [all.before_the_head, all.after_the_head, all.after_events].iter().all(|n| *n >= drops as usize / 100),
        "{all:?}"
    );
    all
}

fn silent_server() -> ScriptServer {
    let mut chance = Chance(1);
    ScriptServer::start((0..20_000).map(|_| endless(&mut chance)).collect()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_drops_leave_nothing_open() {
    let begun = Instant::now();
    let server = silent_server();
    let tasks = alive_tasks();
    let client = client_on(&plain_transport(), &server.url(), &Config::default());
    let dropped = drop_many(&client, 10_000, 50).await;
    println!(
        "10000 drops in {:.1?} ({dropped:?}): {} requests, {} connections, {} open at once after",
        begun.elapsed(),
        server.requests().len(),
        server.accepted_connections(),
        server.open_connections(),
    );
    until("the close of all connections", || server.open_connections() == 0).await;
    // The pool has one of its own, if it ever held a connection.
    until("the end of all tasks", || alive_tasks() <= tasks + 1).await;
    println!(
        "{} open and {} tasks more after {:.1?}",
        server.open_connections(),
        alive_tasks().saturating_sub(tasks),
        begun.elapsed()
    );

    server.replay(vec![Scripted::sse_chunked([FIRST, LAST]), Scripted::json(200, &[], RESULT)]);
    for _ in 0..2 {
        assert_eq!(client.create(&question()).finish().await.unwrap().content, "Yes, no.");
    }
    drop(client);
    until("the close of the last connection", || server.open_connections() == 0).await;
    until("the end of the last task", || alive_tasks() <= tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_drops_leave_one_connection_of_http2_and_no_stream() {
    let begun = Instant::now();
    let gateway = Gateway::open().await;
    let server = silent_server();
    server.replay(vec![Scripted::json(200, &[], RESULT)]);
    let client = client_on(&gateway.transport(), &gateway.url(server.local_addr()), &Config::default());
    client.create(&question()).finish().await.unwrap();
    until("the close behind the gateway", || server.open_connections() == 0).await;
    let tasks = alive_tasks();

    let mut chance = Chance(2);
    server.replay((0..2000).map(|_| endless(&mut chance)).collect());
    let dropped = drop_many(&client, 1000, 20).await;
    println!(
        "1000 drops in {:.1?} ({dropped:?}): {} requests, {} connections to the gateway, {} behind it",
        begun.elapsed(),
        server.requests().len(),
        gateway.accepted_connections(),
        server.accepted_connections(),
    );
    // Each stream has a connection of its own behind the gateway, which ends with it.
    until("the reset of all streams", || server.open_connections() == 0).await;
    until("the end of all tasks", || alive_tasks() <= tasks).await;
    assert_eq!((gateway.open_connections(), gateway.accepted_connections()), (1, 1));

    server.replay(vec![Scripted::sse_chunked([FIRST, LAST])]);
    assert_eq!(client.create(&question()).finish().await.unwrap().content, "Yes, no.");
    assert_eq!(gateway.accepted_connections(), 1);
    drop(client);
    until("the close of the connection", || gateway.open_connections() == 0).await;
}

/// A server of one stream that goes on for as long as the socket takes it, up to so many bytes.
struct FastServer {
    addr: SocketAddr,
    /// What the socket took.
    written: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

const FAST: usize = 32 << 20;

impl FastServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Connections inherit it. The system doubles it for its own use.
        SockRef::from(&listener).set_send_buffer_size(64 << 10).unwrap();
        let addr = listener.local_addr().unwrap();
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The request is small, and its body ends in an object.
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await.unwrap();
            let events = FIRST.repeat(1000);
            let mut rest = events.as_bytes();
            while counter.load(Ordering::SeqCst) < FAST || !rest.is_empty() {
                if rest.is_empty() {
                    rest = events.as_bytes();
                }
                let Ok(n) = stream.write(rest).await else { return };
                counter.fetch_add(n, Ordering::SeqCst);
                rest = &rest[n..];
            }
        });
        Self { addr, written, _task: task }
    }

    fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// Waits until the server gets no further.
    async fn stuck(&self) -> usize {
        let mut last = (self.written(), Instant::now());
        while last.1.elapsed() < Duration::from_millis(500) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.written() != last.0 {
                last = (self.written(), Instant::now());
            }
        }
        last.0
    }
}

/// What the sockets hold, which is the system's choice: up to 6 MiB on a reader's side on common systems. Beside that hyper
/// reads ahead less than half a MiB, or what HTTP/2 gives each stream, 2 MiB.
const AHEAD: usize = 10 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_holds_a_fast_server_back() {
    let server = FastServer::start().await;
    let url = format!("http://{}", server.addr);
    take_slowly("HTTP/1.1", &server, &plain_transport(), &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_holds_a_fast_server_back_over_http2() {
    let gateway = Gateway::open().await;
    let server = FastServer::start().await;
    take_slowly("HTTP/2", &server, &gateway.transport(), &gateway.url(server.addr)).await;
}

async fn take_slowly(protocol: &str, server: &FastServer, transport: &HyperTransport, url: &str) {
    let client = client_on(transport, url, &Config::default());
    let mut reply = client.create(&question());
    assert!(reply.next().await.unwrap().is_ok());
    let ahead = server.stuck().await;
    println!("{protocol}: after 1 event the server is ahead by {} KiB of {} MiB", ahead >> 10, FAST >> 20);
    assert!(ahead < AHEAD, "{ahead}");

    // The same further on, when the buffers have grown.
    let mut taken = 1;
    while taken < 200_000 {
        assert!(reply.next().await.unwrap().is_ok());
        taken += 1;
    }
    let ahead = server.stuck().await - taken * FIRST.len();
    println!("{protocol}: after {taken} events the server is ahead by {} KiB", ahead >> 10);
    assert!(ahead < AHEAD && server.written() < FAST, "{ahead}");
    let answer = reply.finish().await.unwrap();
    assert_eq!(answer.events as usize * FIRST.len(), server.written());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_sleeps_past_the_clocks_loses_nothing() {
    // One write, small enough to wait in the sockets: the server has no part in what comes after the sleep.
    let events = 1000;
    let body = [FIRST.repeat(events - 1).as_str(), LAST].concat();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
    let server = ScriptServer::start(vec![Scripted::raw(head + &body).then(Step::Stall)]).unwrap();
    let mut config = Config::default();
    let short = Duration::from_millis(250);
    config.timeouts.idle = Some(short);
    config.timeouts.content = Some(short);
    let client = client_on(&plain_transport(), &server.url(), &config);
    let mut reply = client.create(&question());
    let mut taken = 0;
    while let Some(event) = reply.next().await {
        event.unwrap();
        taken += 1;
        if [1, events / 2].contains(&taken) {
            tokio::time::sleep(10 * short).await;
        }
    }
    assert_eq!(taken, events);
    let answer = reply.finish().await.unwrap();
    assert_eq!(answer.content, ["Yes, ".repeat(events - 1).as_str(), "no."].concat());
    assert!(answer.finish_reason.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_after_the_sleep_is_the_servers() {
    let stream = Scripted::head(200, &[("content-type", "text/event-stream")]);
    let stream = stream.then(Step::Write(Bytes::from(FIRST.repeat(2)))).then(Step::Stall);
    let server = ScriptServer::start(vec![stream]).unwrap();
    let mut config = Config::default();
    let idle = Duration::from_millis(500);
    config.timeouts.idle = Some(idle);
    let client = client_on(&plain_transport(), &server.url(), &config);
    let mut reply = client.create(&question());
    reply.next().await.unwrap().unwrap();
    tokio::time::sleep(2 * idle).await;
    reply.next().await.unwrap().unwrap();
    // The clock begins with the wait, not before it.
    let begun = Instant::now();
    let error = reply.next().await.unwrap().unwrap_err();
    assert!(begun.elapsed() >= idle, "{:?}", begun.elapsed());
    assert!(error.is_timeout());
    assert_eq!(error.partial().unwrap().events, 2);
}
