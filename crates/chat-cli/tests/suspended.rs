//! A process that was suspended reads what has arrived before its timeouts apply, on every transport.

#![cfg(unix)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use chat_mock::{ScriptedReply as Reply, Step};
use support::{Run, Running, Script, ask, chunk, last_chunk, transports, wait_until};

/// The head, idle and content timeouts. They are longer than the time until the process is suspended.
const TIMEOUT: &str = "3s";

/// How long the process is suspended: longer than the timeouts.
const SUSPENDED: Duration = Duration::from_secs(5);

/// When the server continues, while the process is suspended.
const SERVER_PAUSE: Duration = Duration::from_millis(500);

/// Comments that take more than one read.
fn backlog() -> String {
    ": alive\n\n".repeat(20_000)
}

fn first_text() -> Reply {
    let head = Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    head.chunk(chunk("Yes, "))
}

/// Asks, suspends the process after the first line of output or after the request, and resumes it after `SUSPENDED`. Returns
/// the end of the process, and the time from when it resumed.
fn suspend(transport: &str, reply: Reply, after_a_line: bool) -> (Run, Duration) {
    let server = Script::start([reply]);
    let timeouts = ["--head-timeout", TIMEOUT, "--idle-timeout", TIMEOUT, "--content-timeout", TIMEOUT];
    let rest = ["--max-retries", "0", "--json", "--transport", transport, "hi"];
    let mut asking = Running::start(&mut ask(&server.url(), &[&timeouts[..], &rest].concat()));
    wait_until("the request has arrived", || server.requests().len() == 1);
    if after_a_line {
        asking.line();
    }
    asking.signal("STOP");
    thread::sleep(SUSPENDED);
    asking.signal("CONT");
    let resumed = Instant::now();
    (asking.end(), resumed.elapsed())
}

/// Runs a check on all transports in parallel, because most of the time is waiting.
fn on_each_transport(check: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for transport in transports() {
            let check = &check;
            scope.spawn(move || check(transport));
        }
    });
}

#[test]
fn a_head_that_arrived_meanwhile_is_read() {
    on_each_transport(|transport| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let answer = Step::Write(format!("{head}{}", last_chunk("Yes.")).into());
        let late = Reply::raw("").then(Step::Pause(SERVER_PAUSE)).then(answer).then(Step::Close);
        suspend(transport, late, false).0.answer("Yes.");
    });
}

#[test]
fn text_that_arrived_meanwhile_after_a_backlog_of_comments_is_read() {
    on_each_transport(|transport| {
        let late = first_text().then(Step::Pause(SERVER_PAUSE)).chunk(backlog()).chunk(last_chunk("no."));
        suspend(transport, late.last_chunk(), true).0.answer("Yes, no.");
    });
}

#[test]
fn a_backlog_without_content_gets_one_more_period() {
    on_each_transport(|transport| {
        // 1.5 s after the process resumes: later than the extension of a late deadline, and within the period.
        let later = SUSPENDED + Duration::from_secs(1);
        let backlog = first_text().then(Step::Pause(SERVER_PAUSE)).chunk(backlog()).then(Step::Pause(later));
        suspend(transport, backlog.chunk(last_chunk("no.")).last_chunk(), true).0.answer("Yes, no.");
    });
}

#[test]
fn silence_ends_the_call_soon_after_the_process_resumes() {
    on_each_transport(|transport| {
        for (reply, timeout) in [(Reply::raw("").then(Step::Stall), "head"), (first_text().then(Step::Stall), "idle")] {
            let (run, took) = suspend(transport, reply, timeout != "head");
            assert_eq!(run.error("timeout")["timeout"], timeout, "{transport}: {run:?}");
            let expected = Duration::from_millis(900)..Duration::from_secs(5);
            assert!(expected.contains(&took), "{transport}: one second is added, so not {took:?}");
        }
    });
}
