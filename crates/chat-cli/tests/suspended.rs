//! A process that was stopped, on every transport: what came meanwhile is read before the timeouts count.

#![cfg(unix)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use chat_mock::{ScriptedReply as Reply, Step};
use support::{Run, Running, Script, ask, chunk, last_chunk, wait_until};

const TRANSPORTS: [&str; 4] = ["hyper", "async-std", "smol", "blocking"];

/// All three timeouts. Each is longer than the time until the process is stopped.
const TIMEOUT: &str = "3s";

/// How long the process is stopped: longer than the timeouts, and so much that they are noticed late.
const STOPPED: Duration = Duration::from_secs(5);

/// When the server goes on, while the process is stopped.
const MEANWHILE: Duration = Duration::from_millis(500);

/// Comments, more than one read takes.
fn backlog() -> String {
    ": alive\n\n".repeat(20_000)
}

fn begun() -> Reply {
    let head = Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    head.chunk(chunk("Yes, "))
}

/// Asks, stops the process once a line of output has come or, without one, the request has; and lets it go on after a
/// while. Gives the end, and how long after that it came.
fn stop(transport: &str, reply: Reply, after_a_line: bool) -> (Run, Duration) {
    let server = Script::start([reply]);
    let timeouts = ["--head-timeout", TIMEOUT, "--idle-timeout", TIMEOUT, "--content-timeout", TIMEOUT];
    let rest = ["--max-retries", "0", "--json", "--transport", transport, "hi"];
    let mut asking = Running::start(&mut ask(&server.url(), &[&timeouts[..], &rest].concat()));
    wait_until("the request is there", || server.requests().len() == 1);
    if after_a_line {
        asking.line();
    }
    asking.signal("STOP");
    thread::sleep(STOPPED);
    asking.signal("CONT");
    let begun = Instant::now();
    (asking.end(), begun.elapsed())
}

/// Runs a check on every transport at once: most of the time is waiting.
fn on_each_transport(check: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for transport in TRANSPORTS {
            let check = &check;
            scope.spawn(move || check(transport));
        }
    });
}

#[test]
fn a_head_that_came_meanwhile_is_read() {
    on_each_transport(|transport| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let answer = Step::Write(format!("{head}{}", last_chunk("Yes.")).into());
        let late = Reply::raw("").then(Step::Pause(MEANWHILE)).then(answer).then(Step::Close);
        stop(transport, late, false).0.answer("Yes.");
    });
}

#[test]
fn text_that_came_meanwhile_behind_a_backlog_of_comments_is_read() {
    on_each_transport(|transport| {
        let late = begun().then(Step::Pause(MEANWHILE)).chunk(backlog()).chunk(last_chunk("no."));
        stop(transport, late.last_chunk(), true).0.answer("Yes, no.");
    });
}

#[test]
fn a_backlog_without_content_gets_one_more_period() {
    on_each_transport(|transport| {
        // A second and a half after the process goes on: later than a late deadline is extended by, and within the period.
        let later = STOPPED + Duration::from_secs(1);
        let backlog = begun().then(Step::Pause(MEANWHILE)).chunk(backlog()).then(Step::Pause(later));
        stop(transport, backlog.chunk(last_chunk("no.")).last_chunk(), true).0.answer("Yes, no.");
    });
}

#[test]
fn silence_ends_the_call_soon_after_the_process_goes_on() {
    on_each_transport(|transport| {
        for (reply, timeout) in [(Reply::raw("").then(Step::Stall), "head"), (begun().then(Step::Stall), "idle")] {
            let (run, took) = stop(transport, reply, timeout != "head");
            assert_eq!(run.error("timeout")["timeout"], timeout, "{transport}: {run:?}");
            let expected = Duration::from_millis(900)..Duration::from_secs(5);
            assert!(expected.contains(&took), "one second is added: {transport}: {took:?}");
        }
    });
}
