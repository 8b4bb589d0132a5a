//! Counts the memory of a stream that waits for its next event: that of the exchange, the driver and the transport. Also
//! counts the peak of streams that are read at full speed.
//!
//! It is a separate program, because the counting allocator would slow the benches down. `--bench transports` runs it with
//! the port of its server.

mod flood;

use std::alloc::System;

use bytes::Bytes;
use chat_bench::clients::{Pooled, Stack};
use chat_bench::memory::{Memory, head};
use chat_bench::table::Table;
use chat_client::driver::{Config, Elapsed, Endpoint, Exchange, FromSettings, Output, Request};
use chat_client::sessions::CreateInput;
use chat_client::{Client, ClientBuilder, Error, Event, Reply, Transport};
use futures_util::future::join_all;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use transport_async_std::AsyncStdTransport;
use transport_hyper::HyperTransport;
use transport_smol::SmolTransport;

use crate::flood::Size;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Number of streams at once that wait.
const STREAMS: usize = 100;

/// Events that each stream has received when its memory is counted.
const EVENTS: usize = 2;

/// Maximum memory of an exchange in bytes.
const GOAL: usize = 2048;

/// Maximum number of events of each stream at full speed. hyper's read buffer has its full size after a megabyte.
const FLOOD: usize = 20_000;

/// Floor of the peak memory of a stream at full speed, in KiB.
const FAST_FLOOR: usize = 250;

/// Goal of the same.
const FAST_GOAL: usize = 150;

const EVENT: &str =
    "event: message_chunk\ndata: {\"chat_session_id\":\"cs_01J9ZK4Q8W3M6T\",\"content_chunk\":\"123456789\"}\n\n";

/// What a stream in memory has received when its memory is counted.
static CHUNKS: [Bytes; EVENTS] = [const { Bytes::from_static(EVENT.as_bytes()) }; EVENTS];

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).map_while(|arg| arg.parse().ok()).collect();
    let [port, streams, events] = args[..] else { panic!("usage: held PORT STREAMS EVENTS") };
    let port = u16::try_from(port).expect("a port");
    println!("{}", waiting_streams(port));
    println!("{}", fast_streams(port, Size { streams, events: events.min(FLOOD) }));
}

/// Peak memory of streams at full speed.
fn fast_streams(port: u16, size: Size) -> Table {
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let two = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let rows = [
        ("hyper, bytes discarded", one.block_on(flood::peak(port, size, Pooled::new))),
        ("reqwest stack", one.block_on(flood::peak(port, size, Stack::new))),
        ("transport-hyper", one.block_on(flood::peak(port, size, flood::ours::<HyperTransport>))),
        ("transport-hyper, in block_on", two.block_on(flood::peak(port, size, flood::ours::<HyperTransport>))),
        ("transport-smol", async_io::block_on(flood::peak(port, size, flood::ours::<SmolTransport>))),
        ("transport-async-std", async_std::task::block_on(flood::peak(port, size, flood::ours::<AsyncStdTransport>))),
    ];
    let title =
        format!("Peak memory of a stream at full speed, KiB ({} streams of {} events)", size.streams, size.events);
    let mut table = Table::new(title, &["client", "peak", "floor", "goal", "with growth"])
        .legend("peak", "allocated bytes per stream without the texts of the answers, sampled at each event")
        .legend("floor, goal", "what our clients must and should reach")
        .legend("with growth", "the same with the unused capacity of the texts: a String doubles its capacity")
        .legend("in block_on", "the reader is the main thread of a runtime with two workers");
    for (name, peak) in rows {
        let is_ours = name.starts_with("transport");
        let limits = [FAST_FLOOR, FAST_GOAL].map(|limit| if is_ours { limit.to_string() } else { String::new() });
        let [peak, with_growth] = [peak.without_texts, peak.with_growth].map(|bytes| (bytes >> 10).to_string());
        table.row([name.to_owned(), peak].into_iter().chain(limits).chain([with_growth]));
    }
    table
}

/// Memory of streams that wait.
fn waiting_streams(port: u16) -> Table {
    let core = of_exchanges();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let driver = tokio.block_on(of_replies(|_| builder().build_on(Memory { chunks: &CHUNKS, ends: false })));
    let rows = [
        ("transport-hyper", tokio.block_on(of_replies(|streams| client::<HyperTransport>(port, streams)))),
        ("transport-smol", async_io::block_on(of_replies(|streams| client::<SmolTransport>(port, streams)))),
        (
            "transport-async-std",
            async_std::task::block_on(of_replies(|streams| client::<AsyncStdTransport>(port, streams))),
        ),
    ];
    let title = format!("Memory of a stream that waits, bytes ({STREAMS} streams)");
    let mut table = Table::new(title, &["client", "core", "driver", "HTTP", "all"])
        .legend("core", &format!("the exchange; goal: below {GOAL} ({})", if core < GOAL { "met" } else { "MISSED" }))
        .legend("driver", "the reply without the exchange, on a transport without sockets")
        .legend("HTTP", "the transport: connection, buffers, timer, and the connection's task if it has one");
    for (name, all) in rows {
        let cells = [core, driver.saturating_sub(core), all.saturating_sub(driver), all];
        table.row(std::iter::once(name.to_owned()).chain(cells.map(|bytes| bytes.to_string())));
    }
    table
}

fn builder<T: Transport>() -> ClientBuilder<T> {
    Client::builder().api_key("k")
}

/// A client whose calls are answered once there are `streams` of them. Each answer has one event more than is read, so that
/// it does not end.
fn client<T: FromSettings>(port: u16, streams: usize) -> Result<Client<T>, Error> {
    builder::<T>().base_url(base_url(port, streams)).build()
}

fn base_url(port: u16, streams: usize) -> String {
    format!("http://127.0.0.1:{port}/paced/{streams}/{}", EVENTS + 1)
}

/// Memory of an exchange.
fn of_exchanges() -> usize {
    let warm_up = exchange();
    let region = Region::new(ALLOCATOR);
    let exchanges: Vec<_> = (0..STREAMS).map(|_| exchange()).collect();
    let held = live(&region) / exchanges.len();
    drop(warm_up);
    held
}

/// Memory of a reply with everything below it, without that of the client.
async fn of_replies<T: Transport>(client: impl Fn(usize) -> Result<Client<T>, Error>) -> usize {
    // Causes the allocations that happen only once.
    let warm_up = waiting(&client(1).expect("a client"), 1).await;
    let client = client(STREAMS).expect("a client");
    let region = Region::new(ALLOCATOR);
    let replies = waiting(&client, STREAMS).await;
    let held = live(&region) / replies.len();
    drop(warm_up);
    held
}

fn live(region: &Region<'_, System>) -> usize {
    let stats = region.change();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Replies that have received their events and wait for the next.
async fn waiting<T: Transport>(client: &Client<T>, streams: usize) -> Vec<Reply<T>> {
    let replies = (0..streams).map(|_| async {
        let mut reply = client.create(&CreateInput::new("i", "How?"));
        for _ in 0..EVENTS {
            assert!(matches!(reply.next().await, Some(Ok(Event::Text(_)))));
        }
        reply
    });
    let mut replies = join_all(replies).await;
    replies.shrink_to_fit();
    replies
}

/// An exchange that has received its events and waits for the next.
fn exchange() -> Exchange {
    let endpoint = Endpoint::new("https://api.example").expect("a URL");
    let request = Request::create(&endpoint, &CreateInput::new("i", "How?")).expect("a request");
    let mut exchange = Exchange::new(request, &Config::default(), 1);
    let Output::Send(attempt, _) = exchange.poll_output(Elapsed::START) else { panic!("a request is due") };
    exchange.handle_head(attempt, head().into_parts().0, Elapsed::START);
    for chunk in &CHUNKS {
        exchange.handle_data(attempt, chunk.clone(), Elapsed::START);
        assert!(matches!(exchange.poll_output(Elapsed::START), Output::Event(Event::Text(_))));
    }
    assert!(matches!(exchange.poll_output(Elapsed::START), Output::Read));
    exchange
}
