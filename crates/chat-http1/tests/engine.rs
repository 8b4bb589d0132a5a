//! Requests on connections in memory: the bytes sent, the connections used again, and the wakes.

mod support;

use std::error::Error as _;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
use chat_http1::Engine;
use http::Version;
use http_body::Body as _;
use support::{Line, Lines, Sending, Task, answer, post, read_all, ready, send};

const URI: &str = "http://h.example/v0/chat_sessions/chat_results";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn engine() -> (Engine<Lines>, Lines) {
    let lines = Lines::default();
    (Engine::new(lines.clone()), lines)
}

#[test]
fn a_request_names_its_path_and_its_host() {
    for (uri, path, host) in [
        ("http://h.example", "/", "h.example"),
        ("http://h.example:80/a/b?c=d", "/a/b?c=d", "h.example"),
        ("https://h.example:443/", "/", "h.example"),
        ("https://h.example:80/", "/", "h.example:80"),
        ("http://[::1]:8080/x", "/x", "[::1]:8080"),
        ("http://u:p@h.example/x", "/x", "h.example"),
    ] {
        let (engine, lines) = engine();
        let _ = answer(&engine, uri, |line| line.say(OK)).unwrap();
        let expected = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 2\r\n\r\n{{}}");
        assert_eq!(lines.last().heard(), expected);
    }
}

#[test]
fn every_request_is_sent_as_http_1_1() {
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
        let (engine, lines) = engine();
        let mut request = post(URI);
        *request.version_mut() = version;
        assert!(Task::default().poll(&mut send(&engine, request)).is_pending(), "{version:?}");
        assert_eq!(lines.last().requests(), 1, "{version:?}");
    }
}

#[test]
fn an_event_wakes_its_reader_once() {
    const EVENTS: usize = 20;
    let (engine, lines) = engine();
    let mut body = answer(&engine, URI, |line| line.say(CHUNKED)).unwrap().into_body();
    let (task, line) = (Task::default(), lines.last());
    assert!(task.data(&mut body).is_pending());
    task.wakes();
    let reads = line.reads();
    for _ in 0..EVENTS {
        line.say("5\r\nevent\r\n");
        assert_eq!(task.wakes(), 1, "for the event");
        assert!(matches!(task.data(&mut body), Poll::Ready(Some(Ok(data))) if data == "event"));
        assert!(task.data(&mut body).is_pending());
        assert_eq!(task.wakes(), 0, "not for what the reader did");
    }
    // One read finds the event, and one finds nothing.
    assert_eq!(line.reads() - reads, 2 * EVENTS);
}

#[test]
fn buffered_events_need_no_wake() {
    const EVENTS: usize = 1000;
    let (engine, lines) = engine();
    let mut body = answer(&engine, URI, |line| line.say(CHUNKED)).unwrap().into_body();
    let (task, line) = (Task::default(), lines.last());
    assert!(task.data(&mut body).is_pending());
    line.say("5\r\nevent\r\n".repeat(EVENTS));
    for n in 0..EVENTS {
        assert!(matches!(task.data(&mut body), Poll::Ready(Some(Ok(data))) if data == "event"), "event {n}");
    }
    assert!(task.data(&mut body).is_pending());
    assert_eq!(task.wakes(), 1);
}

#[test]
fn the_task_that_polled_last_is_woken() {
    let (engine, lines) = engine();
    let mut body = answer(&engine, URI, |line| line.say(CHUNKED)).unwrap().into_body();
    let (first, second) = (Task::default(), Task::default());
    assert!(first.data(&mut body).is_pending());
    assert!(second.data(&mut body).is_pending());
    lines.last().say("5\r\nevent\r\n");
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

/// The answer, whether the server then closes, the text that is read, whether it is complete, and whether the connection is
/// kept.
type Answer = (&'static str, bool, &'static str, bool, bool);

const ANSWERS: [Answer; 18] = [
    (OK, false, "ok", true, true),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, "ok", true, true),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n", false, "ok", true, true),
    ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, "", true, true),
    ("HTTP/1.1 204 No Content\r\n\r\n", false, "", true, true),
    ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", false, "no", true, true),
    // Interim responses are skipped.
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false, "ok", true, true),
    (
        "HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        false,
        "ok",
        true,
        true,
    ),
    // The server will close.
    ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", false, "ok", true, false),
    ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false, "ok", true, false),
    (OK, true, "ok", true, false),
    ("HTTP/1.1 200 OK\r\n\r\nok", true, "ok", true, false),
    // Bytes after the answer.
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok, and more", false, "ok", true, false),
    // Truncated answers.
    ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", true, "ok", false, false),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", true, "ok", false, false),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", true, "ok", false, false),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nok", true, "ok", false, false),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nz\r\n", false, "ok", false, false),
];

#[test]
fn only_a_complete_answer_keeps_its_connection() {
    for (says, closes, text, is_whole, is_kept) in ANSWERS {
        let (engine, lines) = engine();
        let answered = answer(&engine, URI, |line| {
            line.say(says);
            if closes {
                line.close();
            }
        });
        let mut body = answered.unwrap().into_body();
        assert_eq!(read_all(&mut body), (text.to_owned(), is_whole), "{says:?}");
        assert!(matches!(Task::default().data(&mut body), Poll::Ready(None)), "the end repeats: {says:?}");
        assert_eq!(engine.idle_connections(), usize::from(is_kept), "{says:?}");
        assert_eq!(lines.last().is_dropped(), !is_kept, "{says:?}");

        let mut body = answer(&engine, URI, |line| line.say(OK)).unwrap().into_body();
        assert_eq!(read_all(&mut body), ("ok".to_owned(), true), "after {says:?}");
        assert_eq!(lines.len(), if is_kept { 1 } else { 2 }, "{says:?}");
    }
}

#[test]
fn a_body_of_known_length_ends_with_its_last_byte() {
    let (engine, lines) = engine();
    let mut body = answer(&engine, URI, |line| line.say(OK)).unwrap().into_body();
    assert_eq!((engine.idle_connections(), body.is_end_stream()), (0, false));
    assert!(matches!(Task::default().data(&mut body), Poll::Ready(Some(Ok(data))) if data == "ok"));
    assert_eq!((engine.idle_connections(), body.is_end_stream()), (1, true));
    drop(body);
    assert!(!lines.last().is_dropped());
}

#[test]
fn dropping_closes_the_connection_at_once() {
    let (engine, lines) = engine();
    let mut sending = send(&engine, post(URI));
    assert!(Task::default().poll(&mut sending).is_pending());
    assert_eq!(lines.last().requests(), 1);
    drop(sending);
    assert!(lines.last().is_dropped(), "before the head");

    let mut body = answer(&engine, URI, |line| line.say([CHUNKED, "2\r\nok\r\n"].concat())).unwrap().into_body();
    assert!(!lines.last().is_dropped());
    assert!(matches!(Task::default().data(&mut body), Poll::Ready(Some(Ok(_)))));
    drop(body);
    assert!(lines.last().is_dropped(), "in the body");
    assert_eq!((lines.len(), engine.idle_connections()), (2, 0));
}

#[test]
fn a_connection_that_failed_while_idle_is_not_used() {
    for says in ["", "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"] {
        let (engine, lines) = engine();
        read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
        let stale = lines.last();
        if says.is_empty() {
            stale.close();
        } else {
            stale.say(says);
        }
        read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
        assert!(stale.is_dropped());
        assert_eq!((stale.requests(), lines.len(), lines.last().requests()), (1, 2, 1));
    }
}

/// The server closes after the engine has checked the connection, and before a byte of the request is sent.
#[test]
fn an_unsent_request_is_sent_on_another_connection() {
    let (engine, lines) = engine();
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    let stale = lines.last();
    stale.close_after_reads(1);
    let mut body = answer(&engine, URI, |line| line.say(OK)).unwrap().into_body();
    assert_eq!(read_all(&mut body), ("ok".to_owned(), true));
    assert_eq!((stale.requests(), lines.len(), lines.last().requests()), (1, 2, 1));
    assert_eq!(lines.last().heard(), stale.heard(), "headers and body are the same");
}

#[test]
fn a_request_that_may_have_been_read_is_not_sent_again() {
    let (engine, lines) = engine();
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    let mut sending = send(&engine, post(URI));
    assert!(Task::default().poll(&mut sending).is_pending());
    assert_eq!(lines.last().requests(), 2);
    lines.last().close();
    let error = ready(sending).unwrap_err();
    assert_eq!(error.class(), TransportError::MaybeSent);
    assert_eq!(error.to_string(), "connection closed before message completed");
    assert_eq!((lines.len(), lines.last().requests()), (1, 2));
}

#[test]
fn a_rejected_head_and_a_lost_connection_are_different_errors() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let many = |count| head(&(0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>());
    let large = |size: usize| head(&format!("x: {}\r\n", "1".repeat(size - head("x: \r\n").len())));
    let limits = "message head is too large (limits: 128 KiB, 100 headers)";
    for (says, cause) in [
        ("SSH-2.0-OpenSSH\r\n".to_owned(), "invalid HTTP version parsed"),
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), "invalid HTTP version parsed"),
        ("HTTP/1.1 2000 OK\r\n\r\n".to_owned(), "invalid HTTP status-code parsed"),
        (many(101), limits),
        (large((128 << 10) + 1), limits),
        (head("content-length: 2\r\ncontent-length: 3\r\n"), "invalid content-length parsed"),
        (head("x: 1\r\n folded\r\n"), "invalid HTTP header parsed"),
        (head("x: \0\r\n"), "invalid HTTP header parsed"),
        (head("x y: 1\r\n"), "invalid HTTP header parsed"),
    ] {
        let (engine, lines) = engine();
        let error = answer(&engine, URI, |line| line.say(&says)).map(drop).unwrap_err();
        let start = &says[..says.len().min(60)];
        assert_eq!(error.class(), TransportError::BadHead, "{start:?}");
        assert!(error.to_string().starts_with(cause), "{start:?}: {error}");
        assert!(lines.last().is_dropped(), "{start:?}");
    }
    let (engine, lines) = engine();
    let error = answer(&engine, URI, |line| {
        line.say("HTTP/1.1 200 OK\r\nx");
        line.close();
    });
    assert_eq!((error.unwrap_err().class(), lines.len()), (TransportError::MaybeSent, 1), "a truncated head");
    assert_eq!(answer(&engine, URI, |line| line.say(many(100))).unwrap().headers().len(), 100);
    assert_eq!(answer(&engine, URI, |line| line.say(large(128 << 10))).unwrap().headers().len(), 1);
}

const EARLY: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";

/// Sends a request of which the server accepts the first 1000 bytes.
fn half_sent(engine: &Engine<Lines>) -> (Sending, Line) {
    let lines = engine.connector();
    read_all(answer(engine, URI, |line| line.say(OK)).unwrap().body_mut());
    lines.last().take_only(1000);
    let mut sending = send(engine, post(URI).map(|_| Bytes::from(vec![b' '; 1 << 20])));
    assert!(Task::default().poll(&mut sending).is_pending());
    (sending, lines.last())
}

/// The rest of the first request would be sent before the next request.
#[test]
fn a_connection_with_an_unsent_rest_is_not_used_again() {
    let (engine, lines) = engine();
    let (sending, line) = half_sent(&engine);
    line.say(EARLY);
    let mut early = ready(sending).unwrap();
    assert_eq!((early.status().as_u16(), read_all(early.body_mut())), (413, ("no".to_owned(), true)));
    assert!(line.is_dropped());
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    assert_eq!(lines.len(), 2);
}

#[test]
fn an_early_answer_is_read_after_a_write_error() {
    let by_close = "HTTP/1.1 413 Content Too Large\r\n\r\nno";
    for (says, closes, is_whole) in [(EARLY, true, true), (EARLY, false, true), (by_close, true, false)] {
        for is_late in [false, true] {
            let (engine, lines) = engine();
            let (mut sending, line) = half_sent(&engine);
            if is_late {
                line.break_writes();
                assert!(Task::default().poll(&mut sending).is_pending(), "an answer may still arrive");
                line.say(says);
            } else {
                line.say(says);
                line.break_writes();
            }
            if closes {
                line.close();
            }
            let mut early = ready(sending).unwrap();
            assert_eq!(early.status(), 413);
            assert_eq!(read_all(early.body_mut()), ("no".to_owned(), is_whole), "{says:?}");
            drop(early);
            assert!(line.is_dropped(), "{says:?}");
            assert_eq!((lines.len(), engine.idle_connections()), (1, 0));
        }
    }
}

#[test]
fn a_write_error_is_reported_if_there_is_no_answer() {
    for says in ["", "HTTP/1.1 413 Content T"] {
        let (engine, lines) = engine();
        let (mut sending, line) = half_sent(&engine);
        line.break_writes();
        assert!(Task::default().poll(&mut sending).is_pending());
        line.say(says);
        line.close();
        let error = ready(sending).unwrap_err();
        assert_eq!(error.class(), TransportError::MaybeSent);
        assert_eq!(error.source().unwrap().to_string(), "broken pipe", "{error}");
        assert_eq!((lines.len(), engine.idle_connections()), (1, 0));
    }
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n";

#[test]
fn up_to_32_interim_responses_are_read_for_each_request() {
    let (engine, lines) = engine();
    for _ in 0..3 {
        let mut body = answer(&engine, URI, |line| line.say(HINT.repeat(32) + OK)).unwrap().into_body();
        assert_eq!(read_all(&mut body), ("ok".to_owned(), true));
    }
    assert_eq!(lines.len(), 1);
}

#[test]
fn after_more_than_32_interim_responses_reading_stops() {
    for (first, then) in [(HINT.repeat(33), OK.to_owned()), (HINT.repeat(33) + OK, String::new())] {
        let (engine, lines) = engine();
        let (task, mut sending) = (Task::default(), send(&engine, post(URI)));
        assert!(task.poll(&mut sending).is_pending());
        let line = lines.last();
        line.say(first);
        assert!(task.poll(&mut sending).is_pending());
        let reads = line.reads();
        line.say(then);
        line.close();
        task.wakes();
        assert!(task.poll(&mut sending).is_pending(), "only a timeout ends it");
        assert_eq!((line.reads(), task.wakes()), (reads, 0));
        drop(sending);
        assert!(line.is_dropped());
    }
}

/// Counts the reads of an endless answer before other tasks get a turn.
#[test]
fn a_flood_lets_other_tasks_run() {
    const TURN: usize = 8;
    for flood in ["1\r\n\n\r\n".repeat(100), format!("{:x}\r\n{}\r\n", 8000, ":".repeat(8000))] {
        let (engine, lines) = engine();
        let mut body = answer(&engine, URI, |line| line.say(CHUNKED)).unwrap().into_body();
        let (task, line) = (Task::default(), lines.last());
        assert!(task.data(&mut body).is_pending());
        line.say_without_end(flood);
        for _ in 0..5 {
            let (before, _) = (line.reads(), task.wakes());
            while task.data(&mut body).is_ready() {}
            assert_eq!(task.wakes(), 1, "it is polled again");
            assert!(line.reads() - before <= TURN, "{} reads", line.reads() - before);
        }
    }
    // The same before the answer, with an endless head.
    let (engine, lines) = engine();
    let (task, mut sending) = (Task::default(), send(&engine, post(URI)));
    assert!(task.poll(&mut sending).is_pending());
    lines.last().say_without_end("\r\n");
    for _ in 0..5 {
        task.wakes();
        assert!(task.poll(&mut sending).is_pending());
        assert_eq!(task.wakes(), 1);
    }
}

#[test]
fn at_most_32_connections_are_idle_and_the_oldest_is_closed_first() {
    let (engine, lines) = engine();
    let answers: Vec<_> = (0..40).map(|_| answer(&engine, URI, |line| line.say(OK)).unwrap()).collect();
    assert_eq!(lines.len(), 40);
    for mut answer in answers {
        read_all(answer.body_mut());
    }
    assert_eq!(engine.idle_connections(), 32);
    let closed: Vec<_> = (0..40).filter(|n| lines.nth(*n).is_dropped()).collect();
    assert_eq!(closed, (0..8).collect::<Vec<_>>());
    let mut sending = send(&engine, post(URI));
    assert!(Task::default().poll(&mut sending).is_pending());
    assert_eq!(lines.nth(39).requests(), 2, "the connection that was used last");
}

#[test]
fn a_connection_serves_only_its_own_origin() {
    let (engine, lines) = engine();
    let uris = ["http://h.example/", "https://h.example/", "http://h.example:8080/", "http://g.example/"];
    for n in 0..2 * uris.len() {
        let mut sending = send(&engine, post(uris[n % uris.len()]));
        assert!(Task::default().poll(&mut sending).is_pending());
        let line = lines.nth(n % uris.len());
        assert_eq!(line.requests(), 1 + n / uris.len());
        line.say(OK);
        read_all(ready(sending).unwrap().body_mut());
    }
    assert_eq!((lines.len(), engine.idle_connections()), (4, 4));
}

#[test]
fn idle_connections_expire() {
    let lines = Lines::default();
    let engine = Engine::with_max_idle_time(lines.clone(), Duration::from_millis(10));
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    thread::sleep(Duration::from_millis(11));
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    assert_eq!(lines.len(), 2);
    assert!(lines.nth(0).is_dropped());

    let lines = Lines::default();
    let engine = Engine::with_max_idle_time(lines.clone(), Duration::ZERO);
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    assert!(lines.last().is_dropped(), "none is kept");
}

/// A timer that records the requested sleeps and fires when the test says so.
#[derive(Clone, Default)]
struct ManualTimer(Arc<Mutex<(Vec<Duration>, bool)>>);

impl ManualTimer {
    async fn sleep(self, time: Duration) {
        self.0.lock().unwrap().0.push(time);
        poll_fn(|_| if self.0.lock().unwrap().1 { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn requested(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    fn fire(&self) {
        self.0.lock().unwrap().1 = true;
    }
}

#[test]
fn a_task_closes_idle_connections_when_their_time_is_up() {
    const TIME: Duration = Duration::from_millis(10);
    let lines = Lines::default();
    let engine = Engine::with_max_idle_time(lines.clone(), TIME);
    let (task, timer) = (Task::default(), ManualTimer::default());
    let sleep = |timer: &ManualTimer| {
        let timer = timer.clone();
        move |time| timer.clone().sleep(time)
    };
    let mut closing = Box::pin(engine.close_idle(sleep(&timer)));
    assert!(task.poll(&mut closing).is_pending());
    assert_eq!((task.wakes(), timer.requested().len()), (0, 0), "there is no idle connection");

    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    assert_eq!(task.wakes(), 1, "there is an idle connection now");
    assert!(task.poll(&mut closing).is_pending());
    assert!(matches!(timer.requested()[..], [time] if time <= TIME));
    thread::sleep(TIME);
    timer.fire();
    assert!(task.poll(&mut closing).is_pending());
    assert!(lines.last().is_dropped());

    task.wakes();
    drop(engine);
    assert_eq!(task.wakes(), 1);
    assert!(task.poll(&mut closing).is_ready(), "it ends with the engine");
}

#[test]
fn idle_connections_close_with_the_last_engine() {
    let (engine, lines) = engine();
    let clone = engine.clone();
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    assert_eq!(clone.idle_connections(), 1);
    drop(engine);
    assert!(!lines.last().is_dropped());
    drop(clone);
    assert!(lines.last().is_dropped());
}
