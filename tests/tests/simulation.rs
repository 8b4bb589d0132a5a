//! Runs generated scenarios in the simulator and checks them.
//!
//! `CHAT_SIM_SEEDS` sets the number of seeds. Each gives a scenario of sessions and one of completions. `CHAT_SIM_SEED`
//! runs one seed and prints its transcripts.

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use chat_client::{Answer, Error, ErrorKind, GaveUp};
use chat_tests::sim::{Consumer, Dialect, Outcome, Pace, Scenario, Step, Transcript, check, run, run_on_core};

/// Default number of seeds.
const SEEDS: u64 = 60_000;

/// Outcomes that must occur for both APIs. Otherwise the simulator does not test them.
const OUTCOMES: [&str; 29] = [
    "api",
    "cancelled",
    "complete, no reason",
    "complete, reason",
    "connect",
    "decode",
    "dropped",
    "gave up: attempts",
    "gave up: total timeout",
    "gave up: may have been read",
    "gave up: wait too long",
    "hangs",
    "limit of an answer",
    "limit of one event",
    "limit of a JSON body",
    "limit of a run of unknown events",
    "stream",
    "timeout: connect",
    "timeout: content",
    "timeout: head",
    "timeout: idle",
    "timeout: total",
    "transport",
    "truncated: ConnectionLost",
    "truncated: ContentLength",
    "truncated: InsideEvent",
    "unexpected_response",
    "validation",
    "with retries",
];

/// Outcomes that must occur for completions.
const COMPLETION_OUTCOMES: [&str; 8] = [
    "api, in a success",
    "complete, body open",
    "complete, body lost",
    "refusal",
    "reasoning",
    "tool calls",
    "truncated: Unfinished",
    "usage",
];

const DIALECTS: [Dialect; 2] = [Dialect::Sessions, Dialect::Completions];

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// Runs one seed. The error is a report with the violation, the transcript and the scenario.
fn run_seed(dialect: Dialect, seed: u64) -> Result<Transcript, String> {
    let scenario = Scenario::from_seed(dialect, seed);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let transcript = run(&scenario);
        let result = check(&scenario, &transcript);
        // The same call with the second driver, which also passes late input of closed attempts.
        if result.is_ok()
            && let Consumer { leaves: None, pace: Pace::Prompt | Pace::Pausing(_) } = &scenario.consumer
        {
            let transcript = run_on_core(&scenario);
            let result = check(&scenario, &transcript);
            return (transcript, result);
        }
        (transcript, result)
    }));
    match result {
        Ok((transcript, Ok(()))) => Ok(transcript),
        Ok((transcript, Err(violation))) => Err(format!("{violation}\n{transcript}{scenario}")),
        Err(_) => Err(format!("the call panicked\n{scenario}")),
    }
}

/// Returns the outcomes of a call, as in [`OUTCOMES`].
fn outcomes(transcript: &Transcript) -> Vec<String> {
    let mut names = Vec::new();
    if transcript.sends().len() > 1 {
        names.push("with retries".to_owned());
    }
    let outcome = match transcript.outcome.as_ref().expect("an outcome") {
        Outcome::Ended(Ok(answer)) | Outcome::Cancelled(Ok(answer)) => {
            names.extend(parts(answer));
            let end = transcript.steps.iter().rev().find_map(|(_, step)| match step {
                Step::End => Some("ended"),
                Step::Reset => Some("lost"),
                Step::Head(_) => Some("open"),
                _ => None,
            });
            names.extend(end.map(|end| format!("complete, body {end}")));
            format!("complete, {}", if answer.finish_reason.is_some() { "reason" } else { "no reason" })
        }
        Outcome::Ended(Err(error)) | Outcome::Cancelled(Err(error)) => {
            names.extend(gave_up(error));
            match error.kind() {
                ErrorKind::Timeout { kind: clock, .. } => format!("timeout: {clock}"),
                ErrorKind::Truncated(cut) => format!("truncated: {cut:?}"),
                ErrorKind::Limit { limit, .. } => format!("limit of {limit}"),
                ErrorKind::Api { .. } if error.partial().is_some() => "api, in a success".to_owned(),
                kind => kind.name().to_owned(),
            }
        }
        Outcome::Dropped => "dropped".to_owned(),
        Outcome::Hangs => "hangs".to_owned(),
    };
    names.push(outcome);
    names
}

/// Returns the parts of an answer beside its text.
fn parts(answer: &Answer) -> impl Iterator<Item = String> {
    let parts = [
        (answer.reasoning.is_some(), "reasoning"),
        (answer.refusal.is_some(), "refusal"),
        (!answer.tool_calls.is_empty(), "tool calls"),
        (answer.usage.is_some(), "usage"),
    ];
    parts.into_iter().filter(|(has, _)| *has).map(|(_, name)| name.to_owned())
}

fn gave_up(error: &Error) -> Option<String> {
    let why = match error.gave_up()? {
        GaveUp::Attempts => "attempts",
        GaveUp::WaitTooLong { .. } => "wait too long",
        GaveUp::Deadline => "total timeout",
        GaveUp::MayHaveBeenRead => "may have been read",
        _ => "another reason",
    };
    Some(format!("gave up: {why}"))
}

/// How often each outcome occurred.
type Counts = BTreeMap<String, u64>;

/// Runs the seeds below `seeds` on all cores. Returns how often each outcome occurred, or the lowest seed that fails
/// and the report about it.
fn run_seeds(dialect: Dialect, seeds: u64) -> Result<Counts, (u64, String)> {
    let next = AtomicU64::new(0);
    // Seeds are handed out in order, so every seed below the lowest failure runs.
    let end = AtomicU64::new(seeds);
    let failure = Mutex::new(None);
    let worker = || {
        let mut counts = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return counts;
            }
            match run_seed(dialect, seed) {
                Ok(transcript) => {
                    outcomes(&transcript).into_iter().for_each(|outcome| *counts.entry(outcome).or_insert(0) += 1);
                }
                Err(report) => {
                    end.fetch_min(seed, Ordering::Relaxed);
                    let mut failure = failure.lock().expect("no thread panics while it holds the lock");
                    if failure.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                        *failure = Some((seed, report));
                    }
                }
            }
        }
    };
    let mut total = BTreeMap::new();
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            for (outcome, count) in worker.join().expect("a worker does not panic") {
                *total.entry(outcome).or_insert(0) += count;
            }
        }
    });
    failure.into_inner().expect("no thread panics while it holds the lock").map_or(Ok(total), Err)
}

#[test]
fn generated_scenarios_pass_all_checks() {
    if let Some(seed) = number("CHAT_SIM_SEED") {
        for dialect in DIALECTS {
            match run_seed(dialect, seed) {
                Ok(transcript) => println!("{transcript}{}", Scenario::from_seed(dialect, seed)),
                Err(violation) => panic!("{violation}"),
            }
        }
        return;
    }
    for dialect in DIALECTS {
        run_and_count(dialect, number("CHAT_SIM_SEEDS").unwrap_or(SEEDS));
    }
}

fn run_and_count(dialect: Dialect, seeds: u64) {
    let start = Instant::now();
    let counts = run_seeds(dialect, seeds).unwrap_or_else(|(seed, failure)| {
        eprintln!("CHAT_SIM_SEED={seed} cargo test -p chat-tests --test simulation -- --nocapture");
        panic!("{failure}");
    });
    println!("{seeds} seeds of {dialect:?}, {:.0} per second", seeds as f64 / start.elapsed().as_secs_f64());
    counts.iter().for_each(|(outcome, count)| println!("{count:>9} {outcome}"));
    let more: &[&str] = if dialect == Dialect::Completions { &COMPLETION_OUTCOMES } else { &[] };
    let missing: Vec<_> = OUTCOMES.iter().chain(more).filter(|outcome| !counts.contains_key(**outcome)).collect();
    assert!(seeds < SEEDS || missing.is_empty(), "outcomes that never occurred: {missing:?}");
}

#[test]
fn a_seed_always_gives_the_same_transcript() {
    for (seed, dialect) in (0..200).flat_map(|seed| DIALECTS.map(|dialect| (seed, dialect))) {
        let scenario = Scenario::from_seed(dialect, seed);
        assert_eq!(run(&scenario).to_string(), run(&Scenario::from_seed(dialect, seed)).to_string());
    }
}
