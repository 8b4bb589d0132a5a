//! A process that was stopped, on every transport: what came meanwhile is read before the timeouts count.

#![cfg(unix)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use chat_mock::{Reply, Step};
use support::{Run, Running, Script, ask, chunk, in_parallel, last_chunk, wait_until};

const TRANSPORTS: [&str; 4] = ["hyper", "async-std", "smol", "blocking"];

/// All three timeouts. Each is longer than the time until the process is stopped.
const TIMEOUT: &str = "2s";

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

#[test]
fn what_came_while_the_process_was_stopped_is_read() {
    in_parallel(&TRANSPORTS, |transport| {
        let late_head = Reply::raw("").then(Step::Pause(MEANWHILE)).then(Step::Write(
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{}",
                last_chunk("Yes.")
            )
            .into(),
        ));
        stop(transport, late_head.then(Step::Close), false).0.answer("Yes.");
        let late_text = begun().then(Step::Pause(MEANWHILE)).chunk(backlog()).chunk(last_chunk("no.")).last_chunk();
        stop(transport, late_text, true).0.answer("Yes, no.");
        // The backlog has no content, and the text comes within the period that it gets.
        let later = begun().then(Step::Pause(MEANWHILE)).chunk(backlog()).then(Step::Pause(STOPPED));
        stop(transport, later.chunk(last_chunk("no.")).last_chunk(), true).0.answer("Yes, no.");
    });
}

#[test]
fn silence_ends_the_call_soon_after_the_process_goes_on() {
    in_parallel(&TRANSPORTS, |transport| {
        for (reply, timeout) in [(Reply::raw("").then(Step::Stall), "head"), (begun().then(Step::Stall), "idle")] {
            let (run, took) = stop(transport, reply, timeout != "head");
            assert_eq!(run.error("timeout")["timeout"], timeout, "{transport}: {run:?}");
            assert!(took < Duration::from_secs(10), "{transport}: {took:?}");
        }
    });
}
