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

/// Name of a check, and the check on a transport.
type Check = (&'static str, fn(&str));

const CHECKS: [Check; 5] = [
    ("a head that arrived meanwhile is read", head_that_arrived_meanwhile),
    ("text that arrived meanwhile after a backlog of comments is read", text_after_a_backlog),
    ("a backlog without content gets one more period", backlog_without_content),
    ("silence before the head ends the call soon after the process resumes", silence_before_the_head),
    ("silence in the body ends the call soon after the process resumes", silence_in_the_body),
];

/// One test, because most of the time is waiting: it runs all checks on all transports at once.
#[test]
fn a_suspended_process_reads_what_has_arrived_before_its_timeouts_apply() {
    thread::scope(|scope| {
        for (name, check) in CHECKS {
            for transport in transports() {
                let thread = thread::Builder::new().name(format!("{name}, on {transport}"));
                thread.spawn_scoped(scope, move || check(transport)).expect("a thread");
            }
        }
    });
}

fn head_that_arrived_meanwhile(transport: &str) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let answer = Step::Write(format!("{head}{}", last_chunk("Yes.")).into());
    let late = Reply::raw("").then(Step::Pause(SERVER_PAUSE)).then(answer).then(Step::Close);
    suspend(transport, late, false).0.answer("Yes.");
}

fn text_after_a_backlog(transport: &str) {
    let late = first_text().then(Step::Pause(SERVER_PAUSE)).chunk(backlog()).chunk(last_chunk("no."));
    suspend(transport, late.last_chunk(), true).0.answer("Yes, no.");
}

fn backlog_without_content(transport: &str) {
    // 1.5 s after the process resumes: later than the extension of a late deadline, and within the period.
    let later = SUSPENDED + Duration::from_secs(1);
    let backlog = first_text().then(Step::Pause(SERVER_PAUSE)).chunk(backlog()).then(Step::Pause(later));
    suspend(transport, backlog.chunk(last_chunk("no.")).last_chunk(), true).0.answer("Yes, no.");
}

fn silence_before_the_head(transport: &str) {
    ends_soon_after_resuming(transport, Reply::raw("").then(Step::Stall), "head");
}

fn silence_in_the_body(transport: &str) {
    ends_soon_after_resuming(transport, first_text().then(Step::Stall), "idle");
}

fn ends_soon_after_resuming(transport: &str, reply: Reply, timeout: &str) {
    let (run, took) = suspend(transport, reply, timeout != "head");
    assert_eq!(run.error("timeout")["timeout"], timeout, "{transport}: {run:?}");
    let expected = Duration::from_millis(900)..Duration::from_secs(5);
    assert!(expected.contains(&took), "{transport}: one second is added, so not {took:?}");
}
