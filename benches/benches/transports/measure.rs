//! The client's side: runs one job with one client. Each job has its own process.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::job::Job;
use crate::process;
use crate::runtime::Runtime;

/// Number of requests of a flood in one process.
const PASSES: u32 = 5;

/// A client under measurement.
pub(crate) trait Client: Send + Sync + 'static {
    /// The answer to a request.
    type Answer: Answer;
    /// Sends a request.
    fn ask(&self) -> impl Future<Output = Self::Answer> + Send;
}

/// An answer that is being read.
pub(crate) trait Answer: Send + 'static {
    /// Reads and counts the next event or chunk. Returns `false` at the end.
    fn next(&mut self, counts: &mut Counts) -> impl Future<Output = bool> + Send;
}

/// Counts what a client has received.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Number of events, if the client decodes them.
    pub(crate) events: usize,
    /// Bytes of the events' texts, or of the body if the client discards it.
    bytes: usize,
    /// Checksum of the texts' lengths and first bytes, in order.
    sum: u32,
    /// Nanoseconds from the server's write to the decoded event, if the events contain the time.
    latencies: Option<Vec<u64>>,
}

impl Counts {
    fn of(job: Job) -> Self {
        let latencies = matches!(job, Job::Paced { .. }).then(Vec::new);
        Self { latencies, ..Self::default() }
    }

    /// Counts an event with this text.
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

    /// Counts bytes of the body. Only the times in it are read.
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

/// The measurements of one client process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Seconds from the request to the end of a flood, or from the start of the last stream to the last event.
    pub(crate) seconds: f64,
    /// CPU seconds in that time.
    pub(crate) cpu: f64,
    /// Peak memory of the process in KiB.
    pub(crate) peak: u64,
    /// Memory of the streams in KiB.
    pub(crate) stream_memory: u64,
    /// See [`Counts`].
    pub(crate) events: usize,
    /// See [`Counts`].
    pub(crate) bytes: usize,
    /// See [`Counts`].
    pub(crate) sum: u32,
    /// Median latency in microseconds.
    pub(crate) p50: f64,
    /// 99th percentile of the latency in microseconds.
    pub(crate) p99: f64,
}

/// Runs a job after a short one as warm-up.
pub(crate) fn measure<C: Client>(runtime: Runtime, job: Job, port: u16, client: fn(&str) -> C) -> Report {
    runtime.run(async move {
        let client = |job: Job| client(&format!("http://127.0.0.1:{port}/{job}"));
        let warm_up = Job::Flood { events: 1000, per_write: 50 };
        drain(client(warm_up).ask().await, &mut Counts::of(warm_up)).await;
        let client = client(job);
        let mut report = match job {
            Job::Flood { .. } => flood(&client, job).await,
            Job::Paced { streams, events } => paced(runtime, client, job, streams, events).await,
        };
        report.peak = process::memory("VmHWM");
        report
    })
}

async fn drain(mut answer: impl Answer, counts: &mut Counts) {
    while answer.next(counts).await {}
}

/// Requests the same answer several times, because one is too short to be measured. Reports the means.
async fn flood(client: &impl Client, job: Job) -> Report {
    let (start, cpu) = (Instant::now(), process::cpu());
    let mut first = None;
    for _ in 0..PASSES {
        let mut counts = Counts::of(job);
        drain(client.ask().await, &mut counts).await;
        let received = (counts.events, counts.bytes, counts.sum);
        assert_eq!(*first.get_or_insert(received), received, "the answers of a client differ");
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), process::cpu() - cpu);
    let (events, bytes, sum) = first.expect("there are passes");
    let passes = f64::from(PASSES);
    Report { seconds: seconds / passes, cpu: cpu / passes, events, bytes, sum, ..Report::default() }
}

async fn paced(runtime: Runtime, client: impl Client, job: Job, streams: usize, events: usize) -> Report {
    let before = process::memory("VmRSS");
    let client = Arc::new(client);
    let started = Arc::new((AtomicUsize::new(0), OnceLock::new()));
    let tasks: Vec<_> = (0..streams)
        .map(|_| {
            let (client, started) = (Arc::clone(&client), Arc::clone(&started));
            runtime.spawn(async move {
                let mut answer = client.ask().await;
                let mut counts = Counts::of(job);
                let mut counted = false;
                while counts.events < events && answer.next(&mut counts).await {
                    if counts.events > 0 && !std::mem::replace(&mut counted, true) {
                        let (count, since) = &*started;
                        if count.fetch_add(1, Ordering::Relaxed) + 1 == streams {
                            since.get_or_init(|| (Instant::now(), process::cpu()));
                        }
                    }
                }
                (answer, counts)
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await);
    }
    let (since, cpu) = *started.1.get().expect("all streams have started");
    let (seconds, cpu) = (since.elapsed().as_secs_f64(), process::cpu() - cpu);
    // All answers are still open here.
    let stream_memory = process::memory("VmRSS").saturating_sub(before);
    let mut latencies = Vec::new();
    let mut count = 0;
    for (answer, mut counts) in done {
        drain(answer, &mut counts).await;
        count += counts.events;
        latencies.append(counts.latencies.as_mut().expect("a paced job's"));
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[(share * (latencies.len() - 1) as f64) as usize] as f64 / 1e3;
    Report { seconds, cpu, stream_memory, events: count, p50: at(0.5), p99: at(0.99), ..Report::default() }
}

/// The counts that a client must report for a flood.
pub(crate) fn expected(body: &[u8], job: Job) -> Report {
    #[derive(Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        content_chunk: std::borrow::Cow<'a, str>,
    }
    let mut counts = Counts::of(job);
    for line in body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: ")) {
        let chunk: Chunk<'_> = serde_json::from_slice(line).expect("valid JSON");
        counts.text(&chunk.content_chunk);
    }
    Report { events: counts.events, bytes: counts.bytes, sum: counts.sum, ..Report::default() }
}
