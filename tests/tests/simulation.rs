//! Calls in simulation, over as many seeds as there is time for.
//!
//! `CHAT_SIM_SEEDS` says how many; `CHAT_SIM_SEED` runs one alone and prints what happens.

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use chat_client::{Error, ErrorKind, GaveUp};
use chat_tests::sim::{Consumer, Outcome, Pace, Scenario, Transcript, check, run, run_by_hand};

/// What the gate has time for.
const SEEDS: u64 = 60_000;

/// How calls come out. A simulator that never saw one of these has shown nothing of it.
const OUTCOMES: [&str; 29] = [
    "api",
    "cancelled",
    "complete, no reason",
    "complete, reason",
    "connect",
    "decode",
    "dropped",
    "gave up: attempts",
    "gave up: call's end",
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

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// Runs one seed; `Err` has all there is to say.
fn run_seed(seed: u64) -> Result<Transcript, String> {
    let scenario = Scenario::from_seed(seed);
    let held = catch_unwind(AssertUnwindSafe(|| {
        let transcript = run(&scenario);
        let held = check(&scenario, &transcript);
        // The same call by another driver, which hands in what attempts that are over still bring.
        if held.is_ok()
            && let Consumer { leaves: None, pace: Pace::Prompt | Pace::Pausing(_) } = &scenario.consumer
        {
            let by_hand = run_by_hand(&scenario);
            let held = check(&scenario, &by_hand);
            return (by_hand, held);
        }
        (transcript, held)
    }));
    match held {
        Ok((transcript, Ok(()))) => Ok(transcript),
        Ok((transcript, Err(broken))) => Err(format!("{broken}\n{transcript}{scenario}")),
        Err(_) => Err(format!("it panicked\n{scenario}")),
    }
}

/// What a call shows of [`OUTCOMES`].
fn outcomes(transcript: &Transcript) -> Vec<String> {
    let mut shown = Vec::new();
    if transcript.sends().len() > 1 {
        shown.push("with retries".to_owned());
    }
    let outcome = match transcript.outcome.as_ref().expect("an outcome") {
        Outcome::Ended(Ok(answer)) | Outcome::Cancelled(Ok(answer)) => {
            format!("complete, {}", if answer.finish_reason.is_some() { "reason" } else { "no reason" })
        }
        Outcome::Ended(Err(error)) | Outcome::Cancelled(Err(error)) => {
            shown.extend(gave_up(error));
            match error.kind() {
                ErrorKind::Timeout { kind: clock, .. } => format!("timeout: {clock}"),
                ErrorKind::Truncated(cut) => format!("truncated: {cut:?}"),
                ErrorKind::Limit { limit, .. } => format!("limit of {limit}"),
                kind => kind.name().to_owned(),
            }
        }
        Outcome::Dropped => "dropped".to_owned(),
        Outcome::Hangs => "hangs".to_owned(),
    };
    shown.push(outcome);
    shown
}

fn gave_up(error: &Error) -> Option<String> {
    let why = match error.gave_up()? {
        GaveUp::Attempts => "attempts",
        GaveUp::WaitTooLong { .. } => "wait too long",
        GaveUp::Deadline => "call's end",
        GaveUp::MayHaveBeenRead => "may have been read",
        _ => "for another reason",
    };
    Some(format!("gave up: {why}"))
}

#[test]
fn holds_over_seeds() {
    if let Some(seed) = number("CHAT_SIM_SEED") {
        match run_seed(seed) {
            Ok(transcript) => println!("{transcript}{}", Scenario::from_seed(seed)),
            Err(broken) => panic!("{broken}"),
        }
        return;
    }
    let seeds = number("CHAT_SIM_SEEDS").unwrap_or(SEEDS);
    let mut seen = BTreeMap::new();
    let begun = Instant::now();
    for seed in 0..seeds {
        match run_seed(seed) {
            Ok(transcript) => {
                outcomes(&transcript).into_iter().for_each(|outcome| *seen.entry(outcome).or_insert(0) += 1);
            }
            Err(broken) => {
                eprintln!("CHAT_SIM_SEED={seed} cargo test -p chat-tests --test simulation -- --nocapture");
                panic!("{broken}");
            }
        }
    }
    println!("{seeds} seeds, {:.0} a second", seeds as f64 / begun.elapsed().as_secs_f64());
    seen.iter().for_each(|(outcome, count)| println!("{count:>9} {outcome}"));
    let unseen: Vec<_> = OUTCOMES.into_iter().filter(|outcome| !seen.contains_key(*outcome)).collect();
    assert!(seeds < SEEDS || unseen.is_empty(), "never seen: {unseen:?}");
}

#[test]
fn a_seed_is_always_the_same() {
    for seed in 0..200 {
        let scenario = Scenario::from_seed(seed);
        assert_eq!(run(&scenario).to_string(), run(&Scenario::from_seed(seed)).to_string());
    }
}
