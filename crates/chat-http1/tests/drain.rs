//! Connections after an answer that is complete before its body ends.

mod support;

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use chat_client::driver::{DRAIN_BYTES, DRAIN_TIME};
use chat_http1::Engine;
use support::{AnswerBody, Line, Lines, Task, answer, post, read_all, send};

const URI: &str = "http://h.example/v1/chat/completions";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BEGIN: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
const END: &str = "0\r\n\r\n";

fn chunk(size: usize) -> String {
    format!("{size:x}\r\n{}\r\n", "x".repeat(size))
}

/// An answer that was read up to its first piece.
fn begun(engine: &Engine<Lines>) -> (AnswerBody, Line) {
    let mut body = answer(engine, URI, |line| line.say(BEGIN)).unwrap().into_body();
    assert!(matches!(Task::default().data(&mut body), Poll::Ready(Some(Ok(data))) if data == "ok"));
    (body, engine.connector().last())
}

/// Drains an answer whose rest arrives partly before and partly after `drain`. Returns whether the connection was kept then,
/// and whether the next request used it.
fn drained(before: &str, after: &str, closes: bool) -> (bool, bool) {
    let lines = Lines::default();
    let engine = Engine::new(lines.clone());
    let (body, line) = begun(&engine);
    line.say(before);
    body.drain();
    let is_kept = !line.is_dropped();
    assert_eq!(engine.idle_connections(), usize::from(is_kept));
    line.say(after);
    if closes {
        line.close();
    }
    let mut next = answer(&engine, URI, |line| line.say(OK)).unwrap().into_body();
    assert_eq!(read_all(&mut next), ("ok".to_owned(), true));
    assert_eq!(line.is_dropped(), lines.len() == 2);
    assert_eq!((line.requests(), engine.idle_connections()), (3 - lines.len(), 1));
    (is_kept, lines.len() == 1)
}

#[test]
fn a_connection_is_used_again_if_the_rest_is_there() {
    for rest in [END.to_owned(), chunk(100) + END, "0\r\nx-t: 1\r\n\r\n".to_owned()] {
        for at in 0..=rest.len() {
            let (before, after) = rest.split_at(at);
            assert_eq!(drained(before, after, false), (true, true), "{before:?} and {after:?}");
        }
        for at in 0..rest.len() {
            assert_eq!(drained(&rest[..at], "", false), (true, false), "{:?} alone", &rest[..at]);
        }
        assert_eq!(drained("", &rest, true), (true, false), "the server closed after it");
    }
}

#[test]
fn a_rest_that_is_not_valid_closes_the_connection() {
    assert_eq!(drained("z\r\n", "", false), (false, false));
    assert_eq!(drained("", "z\r\n", false), (true, false));
    assert_eq!(drained("", "", true), (true, false));
    assert_eq!(drained("0\r\n\r\nmore", "", false), (false, false));
}

#[test]
fn a_rest_of_more_than_64_kib_closes_the_connection() {
    let half = chunk(DRAIN_BYTES / 2);
    assert_eq!(drained(&(chunk(DRAIN_BYTES) + END), "", false), (true, true));
    assert_eq!(drained(&chunk(DRAIN_BYTES + 1), "", false), (false, false));
    assert_eq!(drained(&half, &(half.clone() + END), false), (true, true));
    assert_eq!(drained(&half, &(half.clone() + &chunk(1) + END), false), (true, false));
    // Small chunks need many reads.
    assert_eq!(drained(&(chunk(1).repeat(DRAIN_BYTES) + END), "", false), (true, true));
    assert_eq!(drained("", &chunk(1).repeat(DRAIN_BYTES + 1), false), (true, false));
}

#[test]
fn an_endless_rest_closes_the_connection() {
    let engine = Engine::new(Lines::default());
    let (body, line) = begun(&engine);
    line.say_without_end(chunk(1));
    body.drain();
    assert!(line.is_dropped());
}

#[test]
fn an_answer_that_has_ended_needs_no_draining() {
    let engine = Engine::new(Lines::default());
    let mut body = answer(&engine, URI, |line| line.say(OK)).unwrap().into_body();
    read_all(&mut body);
    body.drain();
    assert_eq!(engine.idle_connections(), 1);
}

#[test]
fn answers_that_are_drained_count_as_idle_connections() {
    let lines = Lines::default();
    let engine = Engine::new(lines.clone());
    let bodies: Vec<_> = (0..40).map(|_| begun(&engine).0).collect();
    bodies.into_iter().for_each(AnswerBody::drain);
    assert_eq!(engine.idle_connections(), 32);
    let closed: Vec<_> = (0..40).filter(|n| lines.nth(*n).is_dropped()).collect();
    assert_eq!(closed, (0..8).collect::<Vec<_>>());
}

#[test]
fn without_idle_connections_nothing_is_drained() {
    let engine = Engine::with_max_idle_time(Lines::default(), Duration::ZERO);
    let (body, line) = begun(&engine);
    line.say(END);
    body.drain();
    assert!(line.is_dropped());
}

#[test]
fn a_rest_that_arrives_after_a_second_is_too_late() {
    let lines = Lines::default();
    let engine = Engine::new(lines.clone());
    let (late, in_time) = (begun(&engine), begun(&engine));
    in_time.1.say(END);
    late.0.drain();
    in_time.0.drain();
    thread::sleep(DRAIN_TIME);
    late.1.say(END);
    assert!(Task::default().poll(&mut send(&engine, post(URI))).is_pending());
    assert!(late.1.is_dropped());
    assert_eq!((in_time.1.requests(), lines.len()), (2, 2), "it was complete when the call was");
}

#[test]
fn the_task_for_idle_connections_closes_after_a_second() {
    let engine = Engine::new(Lines::default());
    let requested = Arc::<Mutex<Vec<Duration>>>::default();
    let sleeps = Arc::clone(&requested);
    let mut closing = Box::pin(engine.close_idle(move |time| {
        sleeps.lock().unwrap().push(time);
        Box::pin(poll_fn(|_| Poll::<()>::Pending))
    }));
    let mut last_sleep = |task: &Task| {
        assert!(task.poll(&mut closing).is_pending());
        requested.lock().unwrap().pop()
    };
    let task = Task::default();
    assert_eq!(last_sleep(&task), None);
    let (body, line) = begun(&engine);
    let (ended, last) = begun(&engine);
    read_all(answer(&engine, URI, |line| line.say(OK)).unwrap().body_mut());
    assert_eq!(task.wakes(), 1);
    assert!(last_sleep(&task).unwrap() > DRAIN_TIME);
    body.drain();
    assert_eq!(task.wakes(), 1, "this connection is due earlier");
    ended.drain();
    last.say(END);
    assert!(last_sleep(&task).unwrap() <= DRAIN_TIME);
    thread::sleep(DRAIN_TIME);
    assert!(last_sleep(&task).unwrap() > DRAIN_TIME);
    assert!(line.is_dropped());
    assert!(!last.is_dropped(), "its rest has arrived in time");
    assert_eq!(engine.idle_connections(), 2);
}

#[test]
fn the_task_for_idle_connections_reads_a_rest_as_it_arrives() {
    let engine = Engine::new(Lines::default());
    let mut closing = Box::pin(engine.close_idle(|_| Box::pin(poll_fn(|_| Poll::<()>::Pending))));
    let task = Task::default();
    assert!(task.poll(&mut closing).is_pending());
    let (body, line) = begun(&engine);
    body.drain();
    for (piece, is_rest) in [(chunk(100), true), (END.to_owned(), true), (END.to_owned(), false)] {
        assert!(task.wakes() <= 1 && task.poll(&mut closing).is_pending());
        let reads = line.reads();
        line.say(piece);
        assert_eq!((task.wakes(), line.reads()), (usize::from(is_rest), reads));
    }
}

/// A task that runs on the thread that wakes it, and uses the idle connections.
struct Inline(Engine<Lines>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.0.idle_connections();
    }
}

#[test]
fn the_task_for_idle_connections_may_run_inside_a_wake() {
    let engine = Engine::new(Lines::default());
    let mut closing = Box::pin(engine.close_idle(|_| Box::pin(poll_fn(|_| Poll::<()>::Pending))));
    let waker = Waker::from(Arc::new(Inline(engine.clone())));
    let mut run = || assert!(closing.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    run();
    let bodies: Vec<_> = (0..40).map(|_| begun(&engine).0).collect();
    for body in bodies {
        // From the 33rd on, this closes a connection that the task reads from.
        body.drain();
        run();
    }
    thread::sleep(DRAIN_TIME);
    assert!(Task::default().poll(&mut send(&engine, post(URI))).is_pending());
    assert_eq!(engine.idle_connections(), 0, "the call closes the connections whose time is up");
}
