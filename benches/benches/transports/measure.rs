//! The client's side: one job, done by one client in a process of its own.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::process;
use crate::runtime::Runtime;

/// How often a flood is asked for in one process.
const PASSES: u32 = 5;

/// Who asks.
pub(crate) trait Client: Send + Sync + 'static {
    /// What comes of it.
    type Answer: Answer;
    /// Asks once more.
    fn ask(&self) -> impl Future<Output = Self::Answer> + Send;
}

/// An answer under way.
pub(crate) trait Answer: Send + 'static {
    /// Takes the next event, or piece, into account; `false` at the end.
    fn next(&mut self, tally: &mut Tally) -> impl Future<Output = bool> + Send;
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// As far as they are looked at.
    pub(crate) events: usize,
    /// Bytes of the events' texts, or of the body where it is not looked at.
    bytes: usize,
    /// Of lengths and first bytes, in order.
    sum: u32,
    /// Nanoseconds from write to hand, where events bear the time.
    latencies: Option<Vec<u64>>,
}

impl Tally {
    fn of(job: Job) -> Self {
        let latencies = matches!(job, Job::Paced { .. }).then(Vec::new);
        Self { latencies, ..Self::default() }
    }

    /// An event with this text.
    pub(crate) fn text(&mut self, text: &str) {
        self.events += 1;
        if let Some(latencies) = &mut self.latencies {
            let written: u64 = text.parse().expect("the time of the write");
            latencies.push(process::clock().saturating_sub(written));
            return;
        }
        self.bytes += text.len();
        self.sum = self.sum.wrapping_mul(31).wrapping_add(text.len() as u32);
        self.sum = self.sum.wrapping_mul(31).wrapping_add(text.bytes().next().map_or(0, u32::from));
    }

    /// Some of the body, which is not looked at, except for times.
    pub(crate) fn body(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if self.latencies.is_some() {
            let field = b"\"content_chunk\":\"";
            for at in memmem::find_iter(bytes, field) {
                let text = bytes[at + field.len()..].split(|byte| *byte == b'"').next().unwrap_or_default();
                self.text(std::str::from_utf8(text).expect("digits"));
            }
        }
    }
}

/// What one client's process has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// From the question to the end of a flood, or from where all streams have begun to where all have all events.
    pub(crate) seconds: f64,
    /// On a processor in that time.
    pub(crate) cpu: f64,
    /// KiB, the most that the process had.
    pub(crate) peak: u64,
    /// KiB that came with the streams.
    pub(crate) grown: u64,
    /// Of the tally.
    pub(crate) events: usize,
    /// Of the tally.
    pub(crate) bytes: usize,
    /// Of the tally.
    pub(crate) sum: u32,
    /// Microseconds from write to hand.
    pub(crate) p50: f64,
    /// Microseconds from write to hand.
    pub(crate) p99: f64,
}

/// Does a job, after a short one that warms up.
pub(crate) fn measure<C: Client>(runtime: Runtime, job: Job, port: u16, client: fn(&str) -> C) -> Report {
    runtime.run(async move {
        let client = |job: Job| client(&format!("http://127.0.0.1:{port}/{job}"));
        let warm_up = Job::Flood { events: 1000, per_write: 50 };
        drain(client(warm_up).ask().await, &mut Tally::of(warm_up)).await;
        let client = client(job);
        let mut report = match job {
            Job::Flood { .. } => flood(&client, job).await,
            Job::Paced { streams, events } => paced(runtime, client, job, streams, events).await,
        };
        report.peak = process::memory("VmHWM");
        report
    })
}

async fn drain(mut answer: impl Answer, tally: &mut Tally) {
    while answer.next(tally).await {}
}

/// The same again and again, each held to the same sum: one is over too soon to be measured. The means of all count.
async fn flood(client: &impl Client, job: Job) -> Report {
    let (start, cpu) = (Instant::now(), process::cpu());
    let mut first = None;
    for _ in 0..PASSES {
        let mut tally = Tally::of(job);
        drain(client.ask().await, &mut tally).await;
        let seen = (tally.events, tally.bytes, tally.sum);
        assert_eq!(*first.get_or_insert(seen), seen, "another answer than the one before");
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), process::cpu() - cpu);
    let (events, bytes, sum) = first.expect("there are passes");
    let passes = f64::from(PASSES);
    Report { seconds: seconds / passes, cpu: cpu / passes, events, bytes, sum, ..Report::default() }
}

async fn paced(runtime: Runtime, client: impl Client, job: Job, streams: usize, events: usize) -> Report {
    let before = process::memory("VmRSS");
    let client = Arc::new(client);
    let begun = Arc::new((AtomicUsize::new(0), OnceLock::new()));
    let tasks: Vec<_> = (0..streams)
        .map(|_| {
            let (client, begun) = (Arc::clone(&client), Arc::clone(&begun));
            runtime.spawn(async move {
                let mut answer = client.ask().await;
                let mut tally = Tally::of(job);
                let mut counted = false;
                while tally.events < events && answer.next(&mut tally).await {
                    if tally.events > 0 && !std::mem::replace(&mut counted, true) {
                        let (count, since) = &*begun;
                        if count.fetch_add(1, Ordering::Relaxed) + 1 == streams {
                            since.get_or_init(|| (Instant::now(), process::cpu()));
                        }
                    }
                }
                (answer, tally)
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await);
    }
    let (since, cpu) = *begun.1.get().expect("all streams have begun");
    let (seconds, cpu) = (since.elapsed().as_secs_f64(), process::cpu() - cpu);
    // All answers are still open.
    let grown = process::memory("VmRSS").saturating_sub(before);
    let mut latencies = Vec::new();
    let mut count = 0;
    for (answer, mut tally) in done {
        drain(answer, &mut tally).await;
        count += tally.events;
        latencies.append(tally.latencies.as_mut().expect("a paced job's"));
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[(share * (latencies.len() - 1) as f64) as usize] as f64 / 1e3;
    Report { seconds, cpu, grown, events: count, p50: at(0.5), p99: at(0.99), ..Report::default() }
}

/// What a client must have seen of a flood.
pub(crate) fn wanted(body: &[u8], job: Job) -> Report {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        content_chunk: std::borrow::Cow<'a, str>,
    }
    let mut tally = Tally::of(job);
    for line in body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: ")) {
        let chunk: Chunk<'_> = serde_json::from_slice(line).expect("our own JSON");
        tally.text(&chunk.content_chunk);
    }
    Report { events: tally.events, bytes: tally.bytes, sum: tally.sum, ..Report::default() }
}
