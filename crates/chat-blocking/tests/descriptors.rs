//! A process without free file descriptors gets an error and no panic. This test lowers the limit of its own process.

#![cfg(unix)]

mod support;

use std::fs::File;
use std::os::fd::AsRawFd as _;

use chat_blocking::{Answer, Error, ErrorKind};
use chat_mock::faults::RESULT;
use chat_mock::{ScriptServer, ScriptedReply as Script};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{once, runtime};

/// Calls `act` with at most `left` free file descriptors.
fn with_descriptors<T>(left: u64, act: impl FnOnce() -> T) -> T {
    // The lowest free descriptor.
    let next = File::open("/").unwrap().as_raw_fd() as u64;
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + left), ..before }).unwrap();
    let done = act();
    setrlimit(Resource::Nofile, before).unwrap();
    done
}

fn is_out_of_descriptors(outcome: Result<Answer, Error>) -> bool {
    let error = outcome.unwrap_err();
    error.kind() == &ErrorKind::Connect && format!("{error:#}").contains("Too many open files")
}

#[test]
fn a_first_call_without_descriptors_fails_and_a_later_one_works() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT)]).unwrap();
    let mut session = once(&server.url()).session("i");

    // async-io needs some, and a socket needs one.
    for left in 0..3 {
        let outcome = with_descriptors(left, || session.ask("What is a chunk?").finish());
        assert!(is_out_of_descriptors(outcome), "{left} left");
    }
    let mut reply = session.ask("What is a chunk?");
    let (first, second) = with_descriptors(0, || (reply.next(), reply.next()));
    assert!(first.is_some_and(|item| item.is_err()) && second.is_none());
    assert!(is_out_of_descriptors(reply.finish()));

    assert_eq!(session.ask("What is a chunk?").finish().unwrap().text, "Yes, no.");
    assert_eq!(server.requests().len(), 1);
}
