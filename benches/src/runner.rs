//! Measures medians of interleaved rounds, so that a temporary load on the machine affects all subjects equally.

use std::time::{Duration, Instant};

use crate::corpora::Corpus;
use crate::subjects::{self, CheckSink, Scratch, Subject};

/// Target time of one pass. Slower subjects get fewer events.
const PASS: Duration = Duration::from_millis(20);

/// The result of one subject in one row.
#[derive(Clone, Debug)]
pub struct Measure {
    /// The subject.
    pub subject: Subject,
    /// Bytes per second, the median of the rounds.
    pub speed: f64,
    /// Half the distance of the quartiles, divided by the median.
    pub spread: f64,
    /// Share of the corpus that was measured.
    pub share: f64,
    /// How its events differ from ours, if they do.
    pub wrong: Option<String>,
}

/// One corpus in chunks of one size.
#[derive(Clone, Debug)]
pub struct Row {
    /// The label, such as `small/1400`.
    pub label: String,
    /// Name of the corpus.
    pub corpus: &'static str,
    /// Bytes per chunk; `usize::MAX` for the whole body.
    pub chunk: usize,
    /// The results of all subjects, in order.
    pub measures: Vec<Measure>,
}

impl Row {
    /// The speed of one subject.
    pub fn speed(&self, subject: Subject) -> f64 {
        self.measures.iter().find(|measure| measure.subject == subject).map_or(0.0, |measure| measure.speed)
    }

    /// The fastest of the peers.
    pub fn best_peer(&self) -> &Measure {
        let peers = self.measures.iter().filter(|measure| measure.subject.is_peer());
        peers.max_by(|one, other| one.speed.total_cmp(&other.speed)).expect("every row has peers")
    }
}

/// The label of a row.
pub fn label(corpus: &Corpus, chunk: usize) -> String {
    if chunk == usize::MAX { format!("{}/whole", corpus.name) } else { format!("{}/{chunk}", corpus.name) }
}

fn time(subject: Subject, body: &'static [u8], chunk: usize, scratch: &mut Scratch) -> Duration {
    let start = Instant::now();
    subjects::pass(subject, body, chunk, scratch);
    start.elapsed()
}

/// Finds a prefix that takes long enough for one pass by doubling its size. This also warms up, and stops a quadratic peer
/// early.
fn calibrate(subject: Subject, corpus: &Corpus, chunk: usize, scratch: &mut Scratch) -> &'static [u8] {
    let mut len = 64 * 1024;
    loop {
        let body = corpus.prefix(len);
        if body.len() == corpus.body.len() || time(subject, body, chunk, scratch) > PASS / 2 {
            return body;
        }
        len *= 2;
    }
}

fn difference(subject: Subject, body: &'static [u8], chunk: usize) -> Option<String> {
    let summary = |subject| {
        let mut sink = CheckSink::default();
        subjects::decode(subject, body.chunks(chunk), &mut sink);
        sink.summary()
    };
    let (want, got) = (summary(Subject::Ours), summary(subject));
    if want == got {
        None
    } else if want.0 == got.0 {
        Some(format!("the contents of its {} events differ", got.0))
    } else {
        Some(format!("{} events, not {}", got.0, want.0))
    }
}

/// Measures all subjects on one row.
pub fn run(corpus: &Corpus, chunk: usize, quick: bool, scratch: &mut Scratch) -> Row {
    let rounds = if quick { 1 } else { 9 };
    let bodies: Vec<_> = subjects::ALL
        .into_iter()
        .map(|subject| if quick { corpus.body } else { calibrate(subject, corpus, chunk, scratch) })
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); bodies.len()];
    for round in 0..rounds {
        for n in 0..bodies.len() {
            // Rotate, so that no subject always follows the same one.
            let n = (n + round) % bodies.len();
            times[n].push(time(subjects::ALL[n], bodies[n], chunk, scratch));
        }
    }
    let measures = subjects::ALL.into_iter().zip(bodies).zip(times).map(|((subject, body), mut times)| {
        times.sort_unstable();
        let at = |quarter: usize| times[(times.len() - 1) * quarter / 4].as_secs_f64();
        Measure {
            subject,
            speed: body.len() as f64 / at(2),
            spread: (at(3) - at(1)) / 2.0 / at(2),
            share: body.len() as f64 / corpus.body.len() as f64,
            wrong: if subject.is_reference() { None } else { difference(subject, body, chunk) },
        }
    });
    Row { label: label(corpus, chunk), corpus: corpus.name, chunk, measures: measures.collect() }
}
