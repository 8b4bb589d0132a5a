//! What is printed.

use std::fmt::Write as _;

use crate::runner::Row;
use crate::subjects::{ALL, Subject};

/// What a row of the goals' table asks for.
struct Goal {
    what: &'static str,
    corpus: &'static str,
    chunks: std::ops::RangeInclusive<usize>,
    peer: (f64, f64),
    memchr: Option<(f64, f64)>,
}

const GOALS: [Goal; 7] = [
    goal("small events, chunks >= 1400", "small", 1400..=usize::MAX, (2.2, 4.0), Some((0.45, 0.85))),
    goal("small events, 256", "small", 256..=256, (2.0, 2.5), None),
    goal("small events, 16", "small", 16..=16, (1.4, 1.7), None),
    goal("small events, 1", "small", 1..=1, (1.0, 1.2), None),
    goal("mixed CRLF, chunks >= 1400", "mixed", 1400..=usize::MAX, (1.3, 2.0), None),
    goal("big events, 1400 to 64 Ki", "big", 1400..=64 * 1024, (0.8, 1.0), None),
    goal("big events, whole body", "big", usize::MAX..=usize::MAX, (1.0, 2.0), None),
];

const fn goal(
    what: &'static str,
    corpus: &'static str,
    chunks: std::ops::RangeInclusive<usize>,
    peer: (f64, f64),
    memchr: Option<(f64, f64)>,
) -> Goal {
    Goal { what, corpus, chunks, peer, memchr }
}

/// Speeds in MB/s, then the ratios: of ours to the best peer, of ours as Strings, which peers make too, to the same, of
/// ours to memchr. A `<` marks a subject that was too slow for the whole corpus and got fewer events, which flatters
/// one that is quadratic.
pub fn speeds(rows: &[Row]) -> String {
    let mut out = String::from("MB/s           ");
    for subject in ALL {
        write!(out, "{:>11}", subject.label()).expect("a string takes all");
    }
    out += "   ours : best peer   as Strings   ours : memchr   noise\n";
    for row in rows {
        write!(out, "{:<15}", row.label).expect("a string takes all");
        for measure in &row.measures {
            let mark = if measure.share < 1.0 { "<" } else { "" };
            let wrong = if measure.wrong.is_some() { "!" } else { "" };
            write!(out, "{:>11}", format!("{wrong}{mark}{:.0}", measure.speed / 1e6)).expect("a string takes all");
        }
        let ours = row.speed(Subject::Ours);
        let best = row.best_peer();
        let mut spreads: Vec<_> = row.measures.iter().map(|measure| measure.spread).collect();
        spreads.sort_unstable_by(f64::total_cmp);
        let ratio = format!("{:.2} ({})", ours / best.speed, best.subject.label());
        let strings = format!("{:.2}", row.speed(Subject::OursOwned) / best.speed);
        let memchr = format!("{:.2}", ours / row.speed(Subject::Memchr));
        let (median, most) = (spreads[spreads.len() / 2] * 100.0, spreads[spreads.len() - 1] * 100.0);
        writeln!(out, "  {ratio:>17} {strings:>12} {memchr:>15}   ±{median:.0}% (most {most:.0}%)")
            .expect("a string takes all");
    }
    out
}

/// Who decoded something else than ours.
pub fn deviations(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        for measure in &row.measures {
            if let Some(wrong) = &measure.wrong {
                writeln!(out, "! {} {}: {wrong}", row.label, measure.subject.label()).expect("a string takes all");
            }
        }
    }
    if out.is_empty() {
        "All decoders agree on every row: same count, same types, data and ids.\n".to_owned()
    } else {
        out
    }
}

/// The ratios against what they should be: the worst row counts.
pub fn goals(rows: &[Row]) -> String {
    let mut out = format!("{:<34}{:>18}{:>24}\n", "floor / goal", "of the best peer", "of memchr");
    for Goal { what, corpus, chunks, peer, memchr } in &GOALS {
        let rows = || rows.iter().filter(|row| row.corpus == *corpus && chunks.contains(&row.chunk));
        let worst = |of: fn(&Row) -> f64| rows().map(|row| row.speed(Subject::Ours) / of(row)).fold(f64::MAX, f64::min);
        if rows().next().is_none() {
            continue;
        }
        let said = |got: f64, (floor, goal): (f64, f64)| {
            let verdict = match () {
                () if got >= goal => "goal",
                () if got >= floor => "floor",
                () => "BELOW",
            };
            format!("{got:.2} of {floor}/{goal} {verdict}")
        };
        let of_peer = said(worst(|row| row.best_peer().speed), *peer);
        let of_memchr = memchr.map(|memchr| said(worst(|row| row.speed(Subject::Memchr)), memchr)).unwrap_or_default();
        writeln!(out, "{what:<30}{of_peer:>22}{of_memchr:>24}").expect("a string takes all");
    }
    out
}
