//! What is printed. Figures are medians of the rounds; a spread is half the distance of their quartiles.

use std::fmt::Write as _;

use crate::Rounds;
use crate::measure::Report;
use crate::server::PER_WRITE;
use crate::subjects::{ALL, Role};

/// The median of what is taken of each round, and its spread as a share.
struct Figure {
    median: f64,
    spread: f64,
}

impl Figure {
    fn of(reports: &[Report], take: impl Fn(&Report) -> f64) -> Option<Self> {
        let mut values: Vec<_> = reports.iter().map(take).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |quarter: usize| values.get(values.len().saturating_sub(1) * quarter / 4).copied();
        let median = at(2)?;
        Some(Self { median, spread: (at(3)? - at(1)?) / 2.0 / median })
    }
}

fn median(reports: &[Report], take: impl Fn(&Report) -> f64) -> f64 {
    Figure::of(reports, take).map_or(f64::NAN, |figure| figure.median)
}

/// Events a second of a subject, at a place of [`PER_WRITE`].
fn speed(all: &[Rounds], at: usize, place: usize, events: usize) -> f64 {
    events as f64 / median(&all[at].floods[place], |report| report.seconds)
}

/// A line for each subject that was measured.
fn lines(all: &[Rounds], head: &str, line: impl FnMut(usize, &mut String)) -> String {
    lines_of(all, &[Role::Limit, Role::Reference, Role::Stack, Role::Ours], head, line)
}

fn lines_of(all: &[Rounds], roles: &[Role], head: &str, mut line: impl FnMut(usize, &mut String)) -> String {
    let mut out = format!("{head}\n");
    for at in (0..all.len()).filter(|at| !all[*at].paced.is_empty() && roles.contains(&ALL[*at].role)) {
        write!(out, "{:<36}", ALL[at].name).expect("a string takes all");
        line(at, &mut out);
        out.push('\n');
    }
    out
}

/// Thousands of events a second.
pub(crate) fn floods(all: &[Rounds], events: usize) -> String {
    let mut head = format!("{:<36}", "thousands of events/s");
    for per_write in PER_WRITE {
        write!(head, "{:>11}{:>7}{:>7}", format!("{per_write} a write"), "limit", "stack").expect("a string takes all");
    }
    head += "  spread";
    lines(all, &head, |at, out| {
        let mut spread: f64 = 0.0;
        for place in 0..PER_WRITE.len() {
            let own = speed(all, at, place, events);
            let of = |other: usize| own / speed(all, other, place, events);
            let (limit, stack) = (of(ALL[at].limit()), of(ALL[at].stack()));
            write!(out, "{:>11.0}{limit:>6.2}x{stack:>6.2}x", own / 1e3).expect("a string takes all");
            let figure = Figure::of(&all[at].floods[place], |report| report.seconds);
            spread = spread.max(figure.map_or(f64::NAN, |figure| figure.spread));
        }
        write!(out, "{:>7.0}%", spread * 100.0).expect("a string takes all");
    })
}

/// What a flood takes.
pub(crate) fn costs(all: &[Rounds], events: usize) -> String {
    let mut head = format!("{:<36}", "CPU seconds per million events");
    for per_write in PER_WRITE {
        write!(head, "{:>11}", format!("{per_write} a write")).expect("a string takes all");
    }
    head += "   peak MiB";
    lines(all, &head, |at, out| {
        for reports in &all[at].floods {
            let cpu = median(reports, |report| report.cpu) / events as f64 * 1e6;
            write!(out, "{cpu:>11.2}").expect("a string takes all");
        }
        let peaks = all[at].floods.iter().map(|reports| median(reports, |report| report.peak as f64 / 1024.0));
        write!(out, "{:>11.1}", peaks.fold(0.0, f64::max)).expect("a string takes all");
    })
}

/// How long an event takes to come, where it comes alone.
pub(crate) fn paced(all: &[Rounds], rate: u32) -> String {
    let head = format!(
        "{:<36}{:>10}{:>8}{:>8}{:>10}",
        format!("one stream, {rate} events/s"),
        "p50 us",
        "limit",
        "spread",
        "p99 us"
    );
    lines(all, &head, |at, out| {
        let Some(p50) = Figure::of(&all[at].paced, |report| report.p50) else { return };
        let limit = p50.median / median(&all[ALL[at].limit()].paced, |report| report.p50);
        let p99 = median(&all[at].paced, |report| report.p99);
        write!(out, "{:>10.0}{limit:>7.2}x{:>7.0}%{p99:>10.0}", p50.median, p50.spread * 100.0)
            .expect("a string takes all");
    })
}

/// Many streams of one event a second or so.
pub(crate) fn streams(all: &[Rounds], streams: usize) -> String {
    let head = format!(
        "{:<36}{:>10}{:>10}{:>12}{:>14}",
        format!("{streams} streams at once"),
        "p50 us",
        "p99 us",
        "CPU ms/s",
        "KiB a stream"
    );
    lines(all, &head, |at, out| {
        let reports = &all[at].streams;
        let (p50, p99) = (median(reports, |report| report.p50), median(reports, |report| report.p99));
        let cpu = median(reports, |report| report.cpu / report.seconds) * 1e3;
        let held = median(reports, |report| report.grown as f64 / streams as f64);
        write!(out, "{p50:>10.0}{p99:>10.0}{cpu:>12.1}{held:>14.1}").expect("a string takes all");
    })
}

/// The ratios against what they should be.
pub(crate) fn goals(all: &[Rounds]) -> String {
    // The number of events is no part of a ratio.
    let ratio = |at: usize, other: usize, place: usize| speed(all, at, place, 1) / speed(all, other, place, 1);
    let head = format!(
        "{:<36}{:>20}{:>20}{:>20}{:>20}",
        "goals", "50 a write, limit", "stack", "1 a write, limit", "p50, limit"
    );
    let said =
        |got: f64, goal: f64, met: bool| format!("{got:.2} of {goal:.1} {}", if met { "met   " } else { "MISSED" });
    lines_of(all, &[Role::Ours], &head, |at, out| {
        let (limit, stack) = (ALL[at].limit(), ALL[at].stack());
        for (got, goal) in [(ratio(at, limit, 2), 0.7), (ratio(at, stack, 2), 1.5), (ratio(at, limit, 0), 0.9)] {
            write!(out, "{:>20}", said(got, goal, got >= goal)).expect("a string takes all");
        }
        let p50 = |at: usize| median(&all[at].paced, |report| report.p50);
        let got = p50(at) / p50(limit);
        write!(out, "{:>20}", said(got, 1.2, got <= 1.2)).expect("a string takes all");
    })
}
