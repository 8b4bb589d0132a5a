//! The blocking iterator: errors, ends and reconnects. The workspace's `tests/` compares its events with the decoder's.
#![cfg(feature = "std")]

use std::collections::VecDeque;
use std::error::Error as _;
use std::io::{self, ErrorKind, Read};

use chat_sse::read::Events;
use chat_sse::{Decoder, Error};

/// Returns one of these results per read, then the end.
struct Script(VecDeque<Result<&'static str, ErrorKind>>);

impl Script {
    fn new(results: impl IntoIterator<Item = Result<&'static str, ErrorKind>>) -> Self {
        Self(results.into_iter().collect())
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.pop_front().unwrap_or(Ok("")).map_err(io::Error::from).and_then(|text| text.as_bytes().read(buffer))
    }
}

fn data(event: Option<Result<chat_sse::OwnedEvent, Error<io::Error>>>) -> String {
    event.expect("an event").expect("no error").data
}

#[test]
fn an_interrupted_read_is_repeated() {
    let interrupted = Err(ErrorKind::Interrupted);
    let mut events = Events::new(Script::new([interrupted, Ok("data: a"), interrupted, interrupted, Ok("b\n\n")]));
    assert_eq!(data(events.next()), "ab");
    assert!(events.next().is_none());
}

#[test]
fn reading_continues_after_an_io_error() {
    let mut events = Events::new(Script::new([Ok("data: a"), Err(ErrorKind::TimedOut), Ok("b\n\n")]));
    let error = events.next().expect("an error").unwrap_err();
    assert_eq!(error.to_string(), "the event stream failed: timed out");
    assert!(error.source().is_none(), "the message has the error already");
    assert!(matches!(error, Error::Transport(error) if error.kind() == ErrorKind::TimedOut));
    assert_eq!(data(events.next()), "ab");
    assert!(events.next().is_none());
}

#[test]
fn an_exceeded_limit_ends_the_iterator() {
    let mut events = Events::with_decoder(&b"data: a\n\ndata: long\n\ndata: b\n\n"[..], Decoder::with_limit(2));
    assert_eq!(data(events.next()), "a");
    let error = events.next().expect("an error").unwrap_err();
    assert_eq!(error.to_string(), "an event is larger than the limit of 2 bytes");
    assert!(matches!(error, Error::Limit(exceeded) if exceeded.limit == 2));
    assert!(events.next().is_none());
}

#[test]
fn nothing_is_read_after_an_exceeded_limit() {
    let mut script = Script::new([Ok("data: long\n\n"), Ok("data: b\n\n")]);
    let mut events = Events::with_decoder(&mut script, Decoder::with_limit(2));
    assert!(matches!(events.next(), Some(Err(Error::Limit(_)))));
    assert!(events.next().is_none());
    drop(events);
    assert_eq!(script.0.len(), 1);
}

#[test]
fn the_end_is_final_and_shows_what_it_cut() {
    let mut events = Events::new(Script::new([Ok("data: a\n\nevent: x\ndata: b"), Ok(""), Ok("\n\n")]));
    assert_eq!(data(events.next()), "a");
    assert!(events.next().is_none());
    assert!(events.next().is_none(), "the iterator is fused");
    assert!(events.decoder().is_incomplete());
    let unfinished = events.decoder().unfinished().expect("an event");
    assert_eq!((unfinished.event_type, unfinished.data), (Some(&b"x"[..]), Some(&b"b"[..])));
}

#[test]
fn a_decoder_goes_from_one_reader_to_the_next() {
    let mut events = Events::new(&b"id: 1\ndata: a\n\ndata: lost"[..]);
    assert_eq!(events.by_ref().count(), 1);
    let mut decoder = events.into_decoder();
    decoder.reset();
    let mut events = Events::with_decoder(&b"data: b\n\n"[..], decoder);
    let event = events.next().expect("an event").expect("no error");
    assert_eq!((&*event.data, &*event.id), ("b", "1"));
}

#[test]
fn an_event_may_be_larger_than_the_buffer() {
    let large = "x".repeat(100_000);
    let body = format!("data: {large}\n\ndata: {large}\n\n");
    assert!(Events::new(body.as_bytes()).all(|event| event.expect("no error").data == large));
    assert_eq!(Events::new(body.as_bytes()).count(), 2);
}
