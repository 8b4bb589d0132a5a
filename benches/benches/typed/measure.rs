//! Measures all rows of a table in interleaved rounds, so that a temporary load affects all rows equally.

use std::hint::black_box;
use std::time::Instant;

use crate::input::{Input, Kind};
use crate::instructions;
use crate::subjects::{self, Subject};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// One round on little input.
    Quick,
    /// Only the instructions.
    Instructions,
    /// Times and instructions.
    Full,
}

/// The measures of one row. NaN if unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// Nanoseconds per event, the median of the rounds.
    pub(crate) nanos: f64,
    /// Half the distance of the quartiles, divided by the median.
    pub(crate) spread: f64,
    /// Instructions per event.
    pub(crate) instructions: f64,
}

/// The measures of a table, in the order of [`subjects::ALL`].
pub(crate) struct Measured {
    pub(crate) kind: Kind,
    pub(crate) rows: Vec<Measure>,
}

/// Measures all rows on one kind of input.
///
/// # Panics
///
/// Panics if a row reads other events than the exchange.
pub(crate) fn measure(kind: Kind, effort: Effort) -> Measured {
    let (texts, rounds) = match effort {
        Effort::Quick | Effort::Instructions => (2000, 1),
        Effort::Full => (200_000, 15),
    };
    let input = kind.input(texts);
    let rows = times(&kind, &input, rounds).into_iter().zip(subjects::ALL).map(|(times, subject)| {
        let (nanos, spread) = if effort == Effort::Instructions { (f64::NAN, f64::NAN) } else { median(times) };
        let instructions = if effort == Effort::Quick { f64::NAN } else { instructions::per_event(&kind, subject) };
        Measure { nanos: nanos / input.events as f64, spread, instructions }
    });
    Measured { kind, rows: rows.collect() }
}

/// The nanoseconds of all rounds of each row. They are checked.
fn times(kind: &Kind, input: &Input, rounds: usize) -> Vec<Vec<f64>> {
    let wanted = (exchange().run)(input);
    assert_eq!(wanted.count, input.texts, "{}: the exchange misses events", kind.name);
    let mut times = vec![Vec::with_capacity(rounds); subjects::ALL.len()];
    for round in 0..rounds {
        for n in 0..subjects::ALL.len() {
            // Rotate, so that no row always follows the same one.
            let n = (n + round) % subjects::ALL.len();
            let subject = &subjects::ALL[n];
            let start = Instant::now();
            let sum = black_box((subject.run)(input));
            times[n].push(start.elapsed().as_nanos() as f64);
            assert_eq!(sum, subject.wanted(wanted, input), "{}: {} reads other events", kind.name, subject.name);
        }
    }
    times
}

fn exchange() -> &'static Subject {
    &subjects::ALL[subjects::position("exchange").expect("a row")]
}

/// The median, and the spread as a share of it.
fn median(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_unstable_by(f64::total_cmp);
    let at = |quarter: usize| times[(times.len() - 1) * quarter / 4];
    (at(2), (at(3) - at(1)) / 2.0 / at(2))
}
