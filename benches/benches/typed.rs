//! From bytes to typed owned events: ours beside the best decoders with serde_json behind them, in one process,
//! interleaved. Small events in chunks of 1400 bytes, as a socket brings them.
//!
//! `cargo bench -p chat-bench --bench typed`; with `-- --quick` one round on little input; with `-- --fixed N PASSES` one
//! run alone, for `valgrind --tool=callgrind`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_bench::corpora;
use chat_bench::subjects::{self, Sink, Subject};
use chat_proto::sessions::CreateInput;
use chat_proto::{Attempt, Config, Elapsed, Endpoint, Event, Exchange, Head, Limits, Output, Receiver, Request};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

const CHUNK: usize = 1400;

/// What somebody without this crate would write: the same fields, every string its own.
#[derive(Deserialize)]
struct Chunk {
    content_chunk: String,
    #[serde(default)]
    chat_session_id: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// Counts chunks and what they hold, so that nothing is optimised away and all can be held to the same sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    events: usize,
    bytes: usize,
}

impl Sum {
    fn add(&mut self, text: &str, id: Option<&str>, reason: Option<&str>) {
        self.events += 1;
        self.bytes += text.len() + id.map_or(0, str::len) + reason.map_or(0, str::len);
    }

    fn event(&mut self, event: &Event) {
        if let Event::Text(chunk) = event {
            let reason = chunk.finish_reason.as_ref().map(chat_proto::FinishReason::as_str);
            self.add(&chunk.text, chunk.session_id.as_deref(), reason);
        }
    }
}

/// The JSON behind any decoder.
impl Sink for Sum {
    fn event(&mut self, _: &[u8], data: &[u8], _: &[u8]) {
        let chunk: Chunk = serde_json::from_slice(data).expect("our own JSON");
        self.add(&chunk.content_chunk, chunk.chat_session_id.as_deref(), chunk.finish_reason.as_deref());
        black_box(chunk);
    }
}

fn head() -> http::response::Parts {
    let mut response = http::Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response.into_parts().0
}

/// The receiver: events as a caller gets them, and the answer merged on the way.
fn receiver(body: &'static [u8]) -> Sum {
    let mut receiver = Receiver::new(Head::new(StatusCode::OK, head().headers), &Limits::default());
    let mut sum = Sum::default();
    for mut piece in body.chunks(CHUNK) {
        while let Some(event) = receiver.next(&mut piece) {
            sum.event(&black_box(event.expect("our own events")));
        }
    }
    sum
}

/// A whole exchange: request, head, events, end.
fn exchange(body: &'static [u8]) -> Sum {
    let endpoint = Endpoint::new("https://api.example").expect("a URL");
    let request = Request::create(&endpoint, &CreateInput::new("i", "m")).expect("a request");
    let mut exchange = Exchange::new(request, &Config::default(), 1);
    let mut pieces = body.chunks(CHUNK);
    let mut sum = Sum::default();
    let mut begun = false;
    let attempt = Attempt::new(1);
    loop {
        while let Some(event) = exchange.poll_event() {
            sum.event(&black_box(event));
        }
        match exchange.poll_output(Elapsed::START) {
            Output::Event(event) => sum.event(&black_box(event)),
            Output::Read if !std::mem::replace(&mut begun, true) => {
                exchange.handle_head(attempt, head(), Elapsed::START);
            }
            Output::Read => match pieces.next() {
                Some(piece) => exchange.handle_data(attempt, Bytes::from_static(piece), Elapsed::START),
                None => exchange.handle_eof(attempt, Elapsed::START),
            },
            Output::Done => break,
            Output::Send(..) | Output::Wait => {}
        }
    }
    assert!(matches!(exchange.outcome(), Some(Ok(_))));
    sum
}

fn with_json(subject: Subject, body: &'static [u8]) -> Sum {
    let mut sum = Sum::default();
    subjects::decode(subject, body, CHUNK, &mut sum);
    sum
}

/// What a run does, and its name.
type Run = (&'static str, fn(&'static [u8]) -> Sum);

const RUNS: [Run; 6] = [
    ("ours: exchange, id shared, answer merged", exchange),
    ("ours: receiver, id shared, answer merged", receiver),
    ("ours: decoder + serde_json, id a String", |body| with_json(Subject::Ours, body)),
    ("sse-core + serde_json", |body| with_json(Subject::SseCore, body)),
    ("sse-stream + serde_json", |body| with_json(Subject::SseStream, body)),
    ("eventsource-stream + serde_json", |body| with_json(Subject::EventsourceStream, body)),
];

/// `--fixed N PASSES`: so many passes of one run over 2000 events and nothing else, for counting instructions.
fn fixed(run: &str, passes: &str) {
    let (name, run) = RUNS[run.parse::<usize>().expect("a number of a run")];
    let body = corpora::small(2_000).body;
    for _ in 0..passes.parse().expect("a number of passes") {
        black_box(run(body));
    }
    println!("{name}: {passes} times 2000 events");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, run, passes] = &args[..]
        && flag == "--fixed"
    {
        return fixed(run, passes);
    }
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test")
        || !std::env::args().any(|arg| arg == "--bench");
    let (events, rounds) = if quick { (2_000, 1) } else { (200_000, 15) };
    let body = corpora::small(events).body;
    let wanted = RUNS[0].1(body);
    assert_eq!(wanted.events, events);
    let mut times = vec![Vec::new(); RUNS.len()];
    for round in 0..rounds {
        for n in 0..RUNS.len() {
            let n = (n + round) % RUNS.len();
            let start = Instant::now();
            let sum = black_box(RUNS[n].1(body));
            times[n].push(start.elapsed());
            assert_eq!(sum, wanted, "{} decodes something else", RUNS[n].0);
        }
    }
    let medians: Vec<Duration> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect();
    let best_peer = medians[3..6].iter().min().copied().unwrap_or_default();
    if quick {
        println!("Quick: one round on little input; the figures mean nothing.");
    }
    println!("{:<42} {:>9} {:>10} {:>8}", "small events, chunks of 1400", "ns/event", "best peer", "spread");
    for ((name, _), (median, times)) in RUNS.iter().zip(medians.iter().zip(&times)) {
        let quartiles = times[times.len() * 3 / 4].saturating_sub(times[times.len() / 4]);
        println!(
            "{name:<42} {:>9.1} {:>9.2}x {:>7.1}%",
            median.as_nanos() as f64 / events as f64,
            best_peer.as_secs_f64() / median.as_secs_f64(),
            50.0 * quartiles.as_secs_f64() / median.as_secs_f64(),
        );
    }
}
