//! The tables. Numbers are medians of the rounds.

use chat_bench::table::{MAX_WIDTH, Table, number, percent};

use crate::Rounds;
use crate::job::Job;
use crate::measure::Report;
use crate::server::PER_WRITE;
use crate::subjects::{ALL, Role};

/// The median of a measurement over the rounds, and its spread as a share of the median.
struct Figure {
    median: f64,
    spread: f64,
}

impl Figure {
    fn of(reports: &[Report], value: impl Fn(&Report) -> f64) -> Option<Self> {
        let mut values: Vec<_> = reports.iter().map(value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |quarter: usize| values.get(values.len().saturating_sub(1) * quarter / 4).copied();
        let median = at(2)?;
        Some(Self { median, spread: (at(3)? - at(1)?) / 2.0 / median })
    }
}

fn median(reports: &[Report], value: impl Fn(&Report) -> f64) -> f64 {
    Figure::of(reports, value).map_or(f64::NAN, |figure| figure.median)
}

/// Events per second of a subject, at an index of [`PER_WRITE`].
fn speed(all: &[Rounds], at: usize, write: usize, events: usize) -> f64 {
    events as f64 / median(&all[at].floods[write], |report| report.seconds)
}

const SPREAD: &str = "half the distance of the quartiles";

/// Adds a row for each measured subject of these roles.
fn fill(mut table: Table, all: &[Rounds], roles: &[Role], mut cells: impl FnMut(usize) -> Vec<String>) -> Table {
    for at in (0..all.len()).filter(|&at| !all[at].paced.is_empty() && roles.contains(&ALL[at].role)) {
        let mut row = vec![ALL[at].name.to_owned()];
        row.extend(cells(at));
        table.row(row);
    }
    table
}

const EVERY_ROLE: [Role; 4] = [Role::Limit, Role::Reference, Role::Stack, Role::Ours];

/// The legend of the clients' names.
pub(crate) fn subjects() -> Table {
    Table::new("Clients", &[])
        .legend("hyper limit", "hyper-util's client, which discards the bytes")
        .legend("hyper inline limit", "hyper's connection without a task of its own, which discards the bytes")
        .legend("reqwest stack", "reqwest, eventsource-stream and serde_json")
        .legend("transport-...", "ours")
        .legend("1 thread", "tokio's current_thread")
        .legend("2 workers", "tokio with two workers; the reader is a task of a worker")
}

/// Speeds of floods.
pub(crate) fn floods(all: &[Rounds], events: usize) -> Table {
    let heads = PER_WRITE.map(|n| [format!("w{n}"), format!("lim{n}"), format!("stk{n}")]);
    let heads: Vec<_> = heads.iter().flatten().map(String::as_str).collect();
    let heads = [&["client"], &heads[..], &["spread"]].concat();
    let table = Table::new("Throughput", &heads)
        .legend("w1, w10, w50", "thousands of events per second, with 1, 10 or 50 events per write of the server")
        .legend("lim1, ...", "speed / speed of the limit on the same runtime")
        .legend("stk1, ...", "speed / speed of the reqwest stack with the same number of threads")
        .legend("spread", "half the distance of the quartiles, the largest of the three measurements");
    fill(table, all, &EVERY_ROLE, |at| {
        let mut cells = Vec::new();
        let mut spread: f64 = 0.0;
        for write in 0..PER_WRITE.len() {
            let own = speed(all, at, write, events);
            let ratio = |other: usize| own / speed(all, other, write, events);
            cells.push(number(own / 1e3, 0));
            cells.extend([ALL[at].limit(), ALL[at].stack()].map(|other| number(ratio(other), 2)));
            let figure = Figure::of(&all[at].floods[write], |report| report.seconds);
            spread = spread.max(figure.map_or(f64::NAN, |figure| figure.spread));
        }
        cells.push(percent(spread));
        cells
    })
}

/// CPU seconds per event of a subject's floods, at an index of [`PER_WRITE`].
fn cpu(all: &[Rounds], at: usize, write: usize, events: usize) -> f64 {
    median(&all[at].floods[write], |report| report.cpu) / events as f64
}

/// CPU time and memory of floods.
pub(crate) fn costs(all: &[Rounds], events: usize) -> Table {
    let heads = PER_WRITE.map(|n| [format!("w{n}"), format!("lim{n}"), format!("stk{n}")]);
    let heads: Vec<_> = heads.iter().flatten().map(String::as_str).collect();
    let table = Table::new("CPU time and memory", &[&["client"], &heads[..], &["MiB"]].concat())
        .legend("w1, w10, w50", "CPU seconds of the client per million events, with 1, 10 or 50 events per write")
        .legend("lim1, ...", "CPU of the limit on the same runtime / CPU; higher is better")
        .legend("stk1, ...", "CPU of the reqwest stack with the same number of threads / CPU; higher is better")
        .legend("MiB", "peak resident memory of the client's process");
    fill(table, all, &EVERY_ROLE, |at| {
        let mut cells = Vec::new();
        for write in 0..PER_WRITE.len() {
            let own = cpu(all, at, write, events);
            cells.push(number(own * 1e6, 2));
            let others = [ALL[at].limit(), ALL[at].stack()];
            cells.extend(others.map(|other| number(cpu(all, other, write, events) / own, 2)));
        }
        let peaks = all[at].floods.iter().map(|reports| median(reports, |report| report.peak as f64 / 1024.0));
        cells.push(number(peaks.fold(0.0, f64::max), 1));
        cells
    })
}

/// Latency of single events.
pub(crate) fn paced(all: &[Rounds], rate: u32) -> Table {
    let title = format!("Latency: one stream, {rate} events per second");
    let table = Table::new(title, &["client", "p50", "lim", "spread", "p99"])
        .legend("p50, p99", "microseconds from the server's write to the event: median and 99th percentile")
        .legend("lim", "p50 / p50 of the limit on the same runtime")
        .legend("spread", &format!("{SPREAD} of p50"));
    fill(table, all, &EVERY_ROLE, |at| {
        let Some(p50) = Figure::of(&all[at].paced, |report| report.p50) else { return Vec::new() };
        let limit = median(&all[ALL[at].limit()].paced, |report| report.p50);
        let p99 = median(&all[at].paced, |report| report.p99);
        vec![number(p50.median, 0), number(p50.median / limit, 2), percent(p50.spread), number(p99, 0)]
    })
}

/// CPU seconds per event of many streams, once all have started.
fn streaming_cpu(report: &Report) -> f64 {
    report.cpu / (report.seconds * f64::from(Job::RATE))
}

/// CPU per event of many streams / that of the limit.
fn streaming_ratio(all: &[Rounds], at: usize) -> f64 {
    median(&all[at].streams, streaming_cpu) / median(&all[ALL[at].limit()].streams, streaming_cpu)
}

/// Many streams with about one event per second each.
pub(crate) fn streams(all: &[Rounds], streams: usize) -> Table {
    let title = format!("{streams} streams at once");
    let table = Table::new(title, &["client", "p50", "p99", "cpu", "lim", "spread", "KiB"])
        .legend("p50, p99", "microseconds from the server's write to the event: median and 99th percentile")
        .legend("cpu", "microseconds of CPU time per event, once all streams have started")
        .legend("lim", "CPU / CPU of the limit on the same runtime; lower is better")
        .legend("spread", &format!("{SPREAD} of `cpu`"))
        .legend("KiB", "resident memory per stream");
    fill(table, all, &EVERY_ROLE, |at| {
        let reports = &all[at].streams;
        let Some(cpu) = Figure::of(reports, streaming_cpu) else { return Vec::new() };
        let (p50, p99) = (median(reports, |report| report.p50), median(reports, |report| report.p99));
        let memory = median(reports, |report| report.stream_memory as f64 / streams as f64);
        vec![
            number(p50, 0),
            number(p99, 0),
            number(cpu.median * 1e6, 1),
            number(streaming_ratio(all, at), 2),
            percent(cpu.spread),
            number(memory, 1),
        ]
    })
}

/// The ratios and their goals.
pub(crate) fn goals(all: &[Rounds]) -> Table {
    let table =
        Table::new("Goals", &["client", "stk50", "floor", "goal", "", "lim", "floor", "goal", "", "p50", "goal", ""])
            .legend("stk50", "as under CPU time: CPU of the reqwest stack / CPU, at 50 events per write; a minimum")
            .legend("lim", "as under streams at once: CPU per event / CPU per event of the limit; a maximum")
            .legend("p50", "`lim` under Latency: p50 / p50 of the limit; a maximum")
            .legend(
                "floor, goal",
                "what must and what should be reached; MISSED: the floor, or the only goal, is missed",
            );
    fill(table, all, &[Role::Ours], |at| {
        // The number of events cancels out in a ratio.
        let stack = cpu(all, ALL[at].stack(), 2, 1) / cpu(all, at, 2, 1);
        let p50 = |at: usize| median(&all[at].paced, |report| report.p50);
        let latency = p50(at) / p50(ALL[at].limit());
        let streaming = streaming_ratio(all, at);
        let mut cells = vec![number(stack, 2), number(4.0, 1), number(6.0, 1)];
        cells.push(verdict(stack >= 4.0, stack >= 6.0));
        cells.extend([number(streaming, 2), number(1.1, 1), number(1.0, 1)]);
        cells.push(verdict(streaming <= 1.1, streaming <= 1.0));
        cells.extend([number(latency, 2), number(1.2, 1), verdict(latency <= 1.2, latency <= 1.2)]);
        cells
    })
}

fn verdict(has_floor: bool, has_goal: bool) -> String {
    let verdict = match (has_goal, has_floor) {
        (true, _) => "goal",
        (_, true) => "floor",
        _ => "MISSED",
    };
    verdict.to_owned()
}

/// Checks with long values that no table is wider than [`MAX_WIDTH`].
///
/// # Panics
///
/// Panics if one is wider. This is a test that runs in quick mode, because a bench without a harness has no unit tests.
pub(crate) fn check_widths() {
    for (seconds, rest, memory) in [(1e-9, 123_456_789.0, u64::MAX), (123_456_789.0, 1e-9, 0), (1.0, 12_345.6, 12_345)]
    {
        let report = Report {
            seconds,
            cpu: rest,
            peak: memory,
            stream_memory: memory,
            p50: rest,
            p99: rest,
            ..Report::default()
        };
        let rounds = || Rounds {
            floods: std::array::from_fn(|_| vec![report.clone(); 3]),
            paced: vec![report.clone(); 3],
            streams: vec![report.clone(); 3],
        };
        let all: Vec<_> = ALL.iter().map(|_| rounds()).collect();
        let tables =
            [subjects(), floods(&all, 200_000), costs(&all, 200_000), paced(&all, 1000), streams(&all, 1), goals(&all)];
        for table in tables.map(|table| table.to_string()) {
            for line in table.lines() {
                assert!(line.chars().count() <= MAX_WIDTH, "{} columns: {line}", line.chars().count());
            }
        }
    }
}
