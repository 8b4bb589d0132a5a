//! Connections that are used again, and those that must not be.

mod support;

use std::thread;
use std::time::Duration;

use chat_blocking::{Config, ErrorKind};
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{Reply as Script, ScriptServer, Step};
use support::{client, question, runtime, until};

/// Long enough for a client to take what was written before.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn what_follows_an_answer_unasked_is_no_answer_to_the_next_call() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let unasked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        RESULT.len(),
        RESULT.replace("Yes", "Bad")
    );
    let json = || Script::json(200, &[], RESULT);
    // Together with the answer, and when that was taken for whole already.
    let then_unasked =
        |reply: Script| reply.then(Step::Pause(PAUSE)).then(Step::Write(unasked.clone().into())).then(Step::KeepAlive);
    for first in [
        Script::raw(unasked.replace("Bad", "Yes") + &unasked).then(Step::KeepAlive),
        then_unasked(json()),
        then_unasked(Script::sse_chunked([FIRST, LAST])),
    ] {
        for _ in 0..3 {
            let server = ScriptServer::start(vec![first.clone(), json()]).unwrap();
            let client = client(&server.url(), &Config::default());
            for _ in 0..2 {
                let answer = client.create(&question()).finish().unwrap();
                assert_eq!(answer.content, "Yes, no.", "{first:?}");
                // What comes once the next request is on its way looks like its answer: nobody can tell.
                thread::sleep(10 * PAUSE);
            }
            assert_eq!(server.requests().len(), 2);
            assert_eq!(server.accepted_connections(), 2);
        }
    }
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_not_used() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT).then(Step::Close)]).unwrap();
    let client = client(&server.url(), &Config::default());
    for n in 1..=50 {
        client.create(&question()).finish().unwrap();
        assert_eq!((server.requests().len(), server.accepted_connections()), (n, n));
        until("the close", || server.open_connections() == 0);
    }
}

#[test]
fn a_request_that_the_server_may_have_read_is_not_repeated() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT), Script::raw("")]).unwrap();
    let client = client(&server.url(), &Config::default());
    client.create(&question()).finish().unwrap();
    let error = client.create(&question()).finish().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Transport);
    assert_eq!(error.attempts(), 1);
    assert_eq!((server.requests().len(), server.accepted_connections()), (2, 1));
}
