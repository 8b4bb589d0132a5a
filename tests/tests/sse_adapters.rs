//! Property tests of chat-sse's adapters: they return the events of the decoder, for any chunks.

mod support;

use std::io::{self, ErrorKind, Read};
use std::task::Poll;

use chat_sse::read::Events;
use chat_sse::stream::EventStream;
use chat_sse::{Decoder, Error, OwnedEvent};
use chat_tests::cut_at;
use futures_util::stream::{self, Stream};
use futures_util::{FutureExt as _, StreamExt as _};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const PARTS: &[&[u8]] = &[
    b"data: a\n\n",
    b"data: b",
    b"data",
    b"event: x\n",
    b"event: yy\r\n",
    b"id: 1\n",
    b"id: \0\n",
    b"id\n",
    b"retry: 5\n",
    b"retry: x\n",
    b": ping\n",
    b"unknown: 1\n",
    b"data: a longer line that exceeds the limit of a few bytes\n",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff",
    "é".as_bytes(),
];

type Unfinished = (Option<Vec<u8>>, Option<Vec<u8>>, usize);

/// What a stream gives: its events, and what its end leaves.
#[derive(Debug, PartialEq)]
struct Output {
    events: Vec<OwnedEvent>,
    limited: bool,
    last_event_id: String,
    retry_ms: Option<u64>,
    /// Type, data and length of the unfinished event.
    unfinished: Option<Unfinished>,
    incomplete: bool,
}

impl Output {
    fn new(events: Vec<OwnedEvent>, limited: bool, decoder: &Decoder) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self {
            events,
            limited,
            last_event_id: decoder.last_event_id().into_owned(),
            retry_ms: decoder.retry_ms(),
            unfinished: decoder.unfinished().map(|rest| (owned(rest.event_type), owned(rest.data), rest.len)),
            incomplete: decoder.is_incomplete(),
        }
    }
}

/// The reference: the decoder's own events.
fn by_decoder(mut decoder: Decoder, chunks: &[&[u8]]) -> Output {
    let mut events = Vec::new();
    for mut input in chunks.iter().copied() {
        while let Some(event) = decoder.next(&mut input) {
            let Ok(event) = event else { return Output::new(events, true, &decoder) };
            let (event, data, id) = (event.event_type(), event.data(), event.id());
            let event = OwnedEvent { event: event.into(), data: data.into(), id: id.into(), retry: None };
            let retry = decoder.retry_ms().map(std::time::Duration::from_millis);
            events.push(OwnedEvent { retry, ..event });
        }
    }
    Output::new(events, false, &decoder)
}

/// Returns one chunk per read, and before it an interruption or a timeout where `errors` says so.
struct Chunks<'b> {
    chunks: Vec<&'b [u8]>,
    errors: Vec<Option<ErrorKind>>,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(Some(error)) = self.errors.pop() {
            return Err(error.into());
        }
        // An empty read would be the end.
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.chunks.first_mut().map_or(Ok(0), |chunk| chunk.read(buffer))
    }
}

fn by_iterator(decoder: Decoder, chunks: &[&[u8]], errors: &[Option<ErrorKind>]) -> Output {
    let mut iterator = Events::with_decoder(Chunks { chunks: chunks.to_vec(), errors: errors.to_vec() }, decoder);
    let (mut events, mut limited) = (Vec::new(), false);
    for event in &mut iterator {
        match event {
            Ok(event) => events.push(event),
            Err(Error::Limit(_)) => limited = true,
            Err(error) => assert!(matches!(error, Error::Transport(error) if error.kind() == ErrorKind::TimedOut)),
        }
    }
    Output::new(events, limited, iterator.decoder())
}

/// The chunks as a stream, which is pending and has an error before each of them as often as `errors` says.
fn stream_of<'b>(
    chunks: &[&'b [u8]],
    errors: &[Option<ErrorKind>],
) -> impl Stream<Item = Result<&'b [u8], ErrorKind>> + Unpin {
    // The stream does not borrow the slice of chunks.
    let mut chunks = Vec::from(chunks).into_iter();
    let mut errors = errors.to_vec();
    stream::poll_fn(move |cx| match errors.pop().flatten() {
        Some(ErrorKind::Interrupted) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Some(error) => Poll::Ready(Some(Err(error))),
        None => Poll::Ready(chunks.next().map(Ok)),
    })
}

fn by_stream(decoder: Decoder, chunks: &[&[u8]], errors: &[Option<ErrorKind>]) -> Output {
    let mut stream = EventStream::with_decoder(stream_of(chunks, errors), decoder);
    let (mut events, mut limited) = (Vec::new(), false);
    loop {
        match stream.next().now_or_never() {
            None => {}
            Some(None) => break,
            Some(Some(Ok(event))) => events.push(event),
            Some(Some(Err(Error::Limit(_)))) => limited = true,
            Some(Some(Err(error))) => assert_eq!(error, Error::Transport(ErrorKind::TimedOut)),
        }
    }
    Output::new(events, limited, stream.decoder())
}

proptest! {
    #![proptest_config(support::config(1024))]

    #[test]
    fn the_adapters_return_what_the_decoder_returns(
        body in vec(select(PARTS), 0..24).prop_map(|parts| parts.concat()),
        mut cuts in vec(0..300usize, 0..12),
        errors in vec(select(&[None, Some(ErrorKind::Interrupted), Some(ErrorKind::TimedOut)][..]), 0..24),
        limit in select(&[8, 1024][..]),
        id in select(&["", "first"][..]),
    ) {
        cuts.sort_unstable();
        let chunks = cut_at(&body, cuts);
        let decoder = || Decoder::with_limit(limit).with_last_event_id(id).expect("valid");
        let expected = by_decoder(decoder(), &chunks);
        prop_assert_eq!(&by_iterator(decoder(), &chunks, &errors), &expected);
        prop_assert_eq!(&by_stream(decoder(), &chunks, &errors), &expected);
    }

    #[test]
    fn after_a_reset_the_decoder_is_a_new_one_with_the_old_id_and_retry_time(
        first in vec(select(PARTS), 0..12).prop_map(|parts| parts.concat()),
        second in vec(select(PARTS), 0..12).prop_map(|parts| parts.concat()),
        size in 1..9usize,
    ) {
        let mut old = Decoder::new();
        for mut input in first.chunks(size) {
            while old.next(&mut input).is_some() {}
        }
        let (id, retry) = (old.last_event_id().into_owned(), old.retry_ms());
        prop_assume!(!id.contains('\u{fffd}'));
        old.reset();
        let chunks: Vec<_> = second.chunks(size).collect();
        // The retry time cannot be set, so a stream sets it.
        let mut new = Decoder::new().with_last_event_id(id).expect("valid");
        if let Some(retry) = retry {
            let line = format!("retry: {retry}\n\n");
            prop_assert!(new.next(&mut line.as_bytes()).is_none());
            new.reset();
        }
        prop_assert_eq!(by_decoder(old, &chunks), by_decoder(new, &chunks));
    }
}
