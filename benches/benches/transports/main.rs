//! Compares whole clients: from another process's socket to typed events. README.md of this package documents the
//! measurements.

mod clients;
mod job;
mod limits;
mod measure;
mod process;
mod runtime;
mod server;
mod subjects;
mod table;

use chat_bench::corpora;

use crate::job::Job;
use crate::measure::Report;
use crate::process::{Server, output_of, output_of_itself};
use crate::server::PER_WRITE;
use crate::subjects::Subject;

/// Sizes of the measurements.
struct Size {
    flood: usize,
    flood_rounds: usize,
    paced: usize,
    streams: usize,
    events_per_stream: usize,
    paced_rounds: usize,
}

const FULL: Size =
    Size { flood: 200_000, flood_rounds: 7, paced: 2000, streams: 1000, events_per_stream: 5, paced_rounds: 3 };
const QUICK: Size =
    Size { flood: 2000, flood_rounds: 1, paced: 50, streams: 20, events_per_stream: 3, paced_rounds: 1 };

/// The reports of all rounds of one subject.
#[derive(Default)]
struct Rounds {
    /// In the order of [`PER_WRITE`].
    floods: [Vec<Report>; 3],
    paced: Vec<Report>,
    streams: Vec<Report>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", events] => server::serve(events.parse().expect("a number of events")).expect("a server"),
        ["client", subject, job, port] => client(subject, job, port),
        _ => {
            let quick = words.iter().any(|word| ["--quick", "--test"].contains(word))
                || !std::env::args().any(|arg| arg == "--bench");
            let words: Vec<_> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
            compare(if quick { &QUICK } else { &FULL }, quick, &words);
        }
    }
}

/// The client process: prints its report.
fn client(subject: &str, job: &str, port: &str) {
    process::prepare_child(true);
    let subject = &subjects::ALL[subject.parse::<usize>().expect("the index of a subject")];
    let job = job.parse().expect("a job");
    if let Job::Paced { .. } = job {
        // Otherwise, the latency depends mostly on whether server and client share a processor.
        process::pin_to_processors(false);
    }
    let report = (subject.run)(job, port.parse().expect("a port"));
    println!("{}", serde_json::to_string(&report).expect("numbers"));
}

/// Runs the subjects whose names contain one of the words, and those that they are compared with. Without words, runs all.
fn compare(size: &Size, quick: bool, words: &[&str]) {
    // The programs that this one starts inherit the limit.
    process::raise_file_limit();
    let flood = size.flood.to_string();
    let server = Server::start(&["serve", &flood]);
    let chosen: Vec<_> = subjects::ALL
        .iter()
        .map(|subject| words.is_empty() || words.iter().any(|word| subject.name.contains(word)))
        .collect();
    let runs = |at: usize| {
        let needed =
            |other: usize| chosen[other] && [subjects::ALL[other].limit(), subjects::ALL[other].stack()].contains(&at);
        chosen[at] || (0..chosen.len()).any(needed)
    };
    let mut all: Vec<Rounds> = subjects::ALL.iter().map(|_| Rounds::default()).collect();
    let body = corpora::small(size.flood).body;
    let expected = measure::expected(body, Job::Flood { events: size.flood, per_write: 1 });
    for round in 0..size.flood_rounds.max(size.paced_rounds) {
        for at in 0..all.len() {
            // Rotate, so that no subject always follows the same one.
            let at = (at + round) % all.len();
            if !runs(at) {
                continue;
            }
            let (subject, rounds) = (&subjects::ALL[at], &mut all[at]);
            let run = |job: Job| run_client(at, job, server.port);
            if round < size.flood_rounds {
                for (reports, per_write) in rounds.floods.iter_mut().zip(PER_WRITE) {
                    let report = run(Job::Flood { events: size.flood, per_write });
                    check(subject, &report, &expected, body.len());
                    reports.push(report);
                }
            }
            if round < size.paced_rounds {
                for (reports, streams, events) in
                    [(&mut rounds.paced, 1, size.paced), (&mut rounds.streams, size.streams, size.events_per_stream)]
                {
                    let job = Job::Paced { streams, events };
                    let report = run(job);
                    assert_eq!(report.events, job.events(), "{} lost events", subject.name);
                    reports.push(report);
                }
            }
        }
    }
    if quick {
        println!("Quick: one round on little input. The numbers mean nothing.\n");
        table::check_widths();
    }
    println!("{}", table::subjects());
    println!("{}", table::floods(&all, size.flood));
    println!("{}", table::costs(&all, size.flood));
    println!("{}", table::paced(&all, Job::RATE));
    println!("{}", table::streams(&all, size.streams));
    let args = [server.port.into(), size.streams, size.flood].map(|number: usize| number.to_string());
    print!("{}", output_of(env!("CARGO_BIN_EXE_held"), &args.each_ref().map(String::as_str)));
    if !quick {
        println!("{}", table::goals(&all));
    }
}

fn run_client(at: usize, job: Job, port: u16) -> Report {
    let output = output_of_itself(&["client", &at.to_string(), &job.to_string(), &port.to_string()]);
    serde_json::from_str(&output).expect("a report")
}

/// Checks that a client has received all events, by their number and a checksum, or all bytes if it discards them.
fn check(subject: &Subject, report: &Report, expected: &Report, body: usize) {
    if subject.discards() {
        assert_eq!(report.bytes, body, "{} lost bytes", subject.name);
    } else {
        let summary = |report: &Report| (report.events, report.bytes, report.sum);
        assert_eq!(summary(report), summary(expected), "{} received other events", subject.name);
    }
}
