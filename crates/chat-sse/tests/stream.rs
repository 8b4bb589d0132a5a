//! The stream adapter: errors, ends, polls and reconnects. The workspace's `tests/` compares its events with the decoder's.
#![cfg(feature = "stream")]

use std::cell::Cell;
use std::fmt;
use std::io;
use std::iter;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use chat_sse::Decoder;
use chat_sse::stream::{Event, EventStream, EventStreamError, Eventsource};
use futures_util::stream::{self, FusedStream, Stream};
use futures_util::{FutureExt as _, StreamExt as _};

type Chunk = Result<&'static str, io::Error>;

fn chunks(chunks: impl IntoIterator<Item = &'static str>) -> impl Stream<Item = Chunk> {
    stream::iter(chunks.into_iter().map(Ok).collect::<Vec<_>>())
}

/// The next item of a stream that is ready.
fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    stream.next().now_or_never().expect("the stream is ready")
}

fn data<E: fmt::Debug>(event: Option<Result<Event, EventStreamError<E>>>) -> String {
    event.expect("an event").expect("no error").data
}

#[test]
fn the_stream_is_unpin_if_its_inner_stream_is() {
    let mut events = chunks(["data: a\n\nda", "ta: b\n\n"]).eventsource();
    assert_eq!((data(next(&mut events)), data(next(&mut events))), ("a".to_owned(), "b".to_owned()));
    assert!(next(&mut events).is_none());
    // An inner stream that is not.
    let mut events = pin!(stream::once(async { Ok::<_, io::Error>(&b"data: c\n\n"[..]) }).eventsource());
    assert_eq!(data(next(&mut events)), "c");
}

#[test]
fn the_inner_stream_is_not_polled_while_an_event_is_ready() {
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let inner = chunks(["data: a\n\ndata: b\n\n", "data: c\n\n"]).inspect(move |_| counted.set(counted.get() + 1));
    let mut events = inner.eventsource();
    for (expected, polled) in [("a", 1), ("b", 1), ("c", 2)] {
        assert_eq!(data(next(&mut events)), expected);
        assert_eq!(polls.get(), polled, "at {expected}");
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn chunks_without_an_event_let_other_tasks_run() {
    let mut events = stream::iter(iter::repeat(": ping\n\n").map(Ok::<_, io::Error>)).eventsource();
    assert!(events.next().now_or_never().is_none(), "an endless stream that is always ready");
    // The task is woken, so a finite stream comes to its end.
    let inner = stream::iter(iter::repeat_n(": ping\n\n", 1000).chain(["data: a\n\n"]).map(Ok::<_, io::Error>));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut events = inner.eventsource();
    let mut pending = 0;
    while events.poll_next_unpin(&mut cx).is_pending() {
        pending += 1;
        assert_eq!(wakes.0.load(Ordering::Relaxed), pending);
    }
    assert_eq!(pending, 1000 / 64);
}

#[test]
fn an_error_of_the_inner_stream_is_returned_and_the_stream_continues() {
    let items = [Ok("data: a"), Err(io::Error::from(io::ErrorKind::ConnectionReset)), Ok("b\n\n")];
    let mut events = stream::iter(items).eventsource();
    let error = next(&mut events).expect("an error").unwrap_err();
    assert_eq!(error.to_string(), "the event stream failed: connection reset");
    assert!(matches!(error, EventStreamError::Transport(error) if error.kind() == io::ErrorKind::ConnectionReset));
    assert_eq!(data(next(&mut events)), "ab");
    assert!(next(&mut events).is_none());
}

#[test]
fn an_exceeded_limit_ends_the_stream() {
    let mut events = EventStream::with_decoder(chunks(["data: long\n\n", "data: b\n\n"]), Decoder::with_limit(2));
    let error = next(&mut events).expect("an error").unwrap_err();
    assert!(matches!(error, EventStreamError::Limit(exceeded) if exceeded.limit == 2));
    assert!(events.is_terminated() && next(&mut events).is_none());
}

#[test]
fn the_end_is_final_and_shows_what_it_cut() {
    let mut events = chunks(["data: a\n\nevent: x\nda", "ta: b"]).eventsource();
    assert_eq!(data(next(&mut events)), "a");
    assert!(!events.is_terminated());
    assert!(next(&mut events).is_none() && next(&mut events).is_none() && events.is_terminated());
    assert!(events.decoder().is_incomplete());
    let unfinished = events.decoder().unfinished().expect("an event");
    assert_eq!((unfinished.event_type, unfinished.data), (Some(&b"x"[..]), Some(&b"b"[..])));
}

#[test]
fn a_decoder_goes_from_one_stream_to_the_next() {
    let mut events = chunks(["id: 1\ndata: a\n\ndata: lost"]).eventsource();
    assert_eq!(data(next(&mut events)), "a");
    assert_eq!(events.last_event_id(), "1");
    let mut decoder = events.into_decoder();
    decoder.reset();
    let mut events = EventStream::with_decoder(chunks(["data: b\n\n"]), decoder);
    let event = next(&mut events).expect("an event").expect("no error");
    assert_eq!((&*event.data, &*event.id), ("b", "1"));
}
