//! Decodes bytes to typed owned events: ours and the fastest decoders with serde_json, in one process with interleaved
//! rounds. The events are small, in chunks of 1400 bytes.
//!
//! `cargo bench -p chat-bench --bench typed`. With `-- --quick`, one round on little input. With `-- --fixed N PASSES`, only
//! run N, for `valgrind --tool=callgrind`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_bench::corpora;
use chat_bench::subjects::{self, Sink, Subject};
use chat_bench::table::{Table, number, percent};
use chat_proto::sessions::CreateInput;
use chat_proto::{Attempt, Config, Elapsed, Endpoint, Event, Exchange, Head, Limits, Output, Receiver, Request};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

const CHUNK: usize = 1400;

/// The event type that a user of the peers would write: the same fields as owned Strings.
#[derive(Deserialize)]
struct Chunk {
    content_chunk: String,
    #[serde(default)]
    chat_session_id: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// Counts events and bytes, so that nothing is optimized away and the runs can be compared.
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

/// Parses the JSON after any decoder.
impl Sink for Sum {
    fn event(&mut self, _: &[u8], data: &[u8], _: &[u8]) {
        let chunk: Chunk = serde_json::from_slice(data).expect("valid JSON");
        self.add(&chunk.content_chunk, chunk.chat_session_id.as_deref(), chunk.finish_reason.as_deref());
        black_box(chunk);
    }
}

fn head() -> http::response::Parts {
    let mut response = http::Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response.into_parts().0
}

/// The receiver: typed events, and the merged answer.
fn receiver(body: &'static [u8]) -> Sum {
    let mut receiver = Receiver::new(Head::new(StatusCode::OK, head().headers), &Limits::default());
    let mut sum = Sum::default();
    for mut piece in body.chunks(CHUNK) {
        while let Some(event) = receiver.next(&mut piece) {
            sum.event(&black_box(event.expect("valid events")));
        }
    }
    sum
}

/// A complete exchange: request, head, events, end.
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

/// Name and function of a run.
type Run = (&'static str, fn(&'static [u8]) -> Sum);

const RUNS: [Run; 6] = [
    ("ours: exchange", exchange),
    ("ours: receiver", receiver),
    ("ours: decoder + serde_json", |body| with_json(Subject::Ours, body)),
    ("sse-core + serde_json", |body| with_json(Subject::SseCore, body)),
    ("sse-stream + serde_json", |body| with_json(Subject::SseStream, body)),
    ("eventsource-stream + serde_json", |body| with_json(Subject::EventsourceStream, body)),
];

/// `--fixed N PASSES`: only so many passes of run N over 2000 events, to count instructions.
fn fixed(run: &str, passes: &str) {
    let (name, run) = RUNS[run.parse::<usize>().expect("a number of a run")];
    let body = corpora::small(2_000).body;
    for _ in 0..passes.parse().expect("a number of passes") {
        black_box(run(body));
    }
    println!("{name}: {passes} passes over 2000 events");
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
            assert_eq!(sum, wanted, "{} decodes other events", RUNS[n].0);
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
        println!("Quick: one round on little input. The numbers mean nothing.\n");
    }
    let mut table = Table::new("Bytes to typed events", &["small events, chunks of 1400", "ns", "peer", "spread"])
        .legend("ns", "nanoseconds per event")
        .legend("peer", "speed / speed of the fastest of the three peers")
        .legend("spread", "half the distance of the quartiles")
        .legend("exchange", "the complete exchange: the session id is shared, the answer is merged")
        .legend("receiver", "the reader of answers alone: the session id is shared, the answer is merged")
        .legend("+ serde_json", "the decoder with serde_json: each event owns its Strings");
    for ((name, _), (median, times)) in RUNS.iter().zip(medians.iter().zip(&times)) {
        let quartiles = times[times.len() * 3 / 4].saturating_sub(times[times.len() / 4]);
        table.row([
            (*name).to_owned(),
            number(median.as_nanos() as f64 / events as f64, 1),
            number(best_peer.as_secs_f64() / median.as_secs_f64(), 2),
            percent(quartiles.as_secs_f64() / 2.0 / median.as_secs_f64()),
        ]);
    }
    println!("{table}");
}
