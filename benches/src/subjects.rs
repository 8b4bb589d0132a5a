//! Who is measured, each driven the way that is cheapest for it.
//!
//! - Nobody pays for chunks: a chunk is a `&'static [u8]` cut on the fly, or [`Bytes::from_static`] of it where a peer
//!   wants [`Bytes`], which neither counts references nor allocates.
//! - Nobody pays for an executor: streams are polled in a plain loop with a waker that does nothing, and are always ready.
//! - Nobody pays for a limit: where a peer has one that the corpora pass, it is raised.
//! - Of each event all touch the same: the three lengths and the first byte of the data. Peers hand out checked
//!   Strings; ours lends bytes. What it costs to make as much of ours is measured beside it, as text and as Strings.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hasher as _};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::task::noop_waker_ref;

use crate::corpora::Corpus;

/// A decoder, or a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels say it")]
pub enum Subject {
    Ours,
    OursText,
    OursOwned,
    SseCore,
    SseStream,
    SseParse,
    Sseer,
    EventsourceStream,
    EventsourceStream2,
    Memchr,
    Memcpy,
    Simdutf8,
    SerdeJson,
}

use Subject::*;

/// In the table's order.
pub const ALL: [Subject; 13] = [
    Ours,
    OursText,
    OursOwned,
    SseCore,
    SseStream,
    SseParse,
    Sseer,
    EventsourceStream,
    EventsourceStream2,
    Memchr,
    Memcpy,
    Simdutf8,
    SerdeJson,
];

impl Subject {
    /// The column's head.
    pub fn label(self) -> &'static str {
        match self {
            Ours => "ours",
            OursText => "as text",
            OursOwned => "as Strings",
            SseCore => "sse-core",
            SseStream => "sse-stream",
            SseParse => "sse-parse",
            Sseer => "sseer",
            EventsourceStream => "es-stream",
            EventsourceStream2 => "es-stream2",
            Memchr => "memchr",
            Memcpy => "memcpy",
            Simdutf8 => "simdutf8",
            SerdeJson => "serde_json",
        }
    }

    /// Somebody else's decoder.
    pub fn is_peer(self) -> bool {
        matches!(self, SseCore | SseStream | SseParse | Sseer | EventsourceStream | EventsourceStream2)
    }

    /// No decoder, but what the machine can do with these bytes.
    pub fn is_reference(self) -> bool {
        matches!(self, Memchr | Memcpy | Simdutf8 | SerdeJson)
    }
}

/// Takes the events that a subject decodes.
pub trait Sink {
    /// One event.
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]);
}

/// Looks at each event for as little as it can: what timed runs use.
#[derive(Debug, Default)]
pub struct Touch(usize);

impl Sink for Touch {
    #[inline]
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]) {
        let first = data.first().copied().unwrap_or_default();
        self.0 = self.0.wrapping_add(event_type.len() ^ data.len() ^ id.len() ^ usize::from(first));
    }
}

/// Counts and hashes everything: what checks use.
#[derive(Debug, Default)]
pub struct Check {
    events: u64,
    hasher: DefaultHasher,
}

impl Check {
    /// How many events, and a hash of them all.
    pub fn verdict(&self) -> (u64, u64) {
        (self.events, self.hasher.finish())
    }
}

impl Sink for Check {
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]) {
        self.events += 1;
        for part in [event_type, data, id] {
            self.hasher.write_usize(part.len());
            self.hasher.write(part);
        }
    }
}

/// One timed pass of a subject over a body.
pub fn pass(subject: Subject, body: &'static [u8], chunk: usize, scratch: &mut Scratch) {
    match subject {
        Memchr => {
            for piece in body.chunks(chunk) {
                black_box(memchr::memchr_iter(b'\n', piece).fold(0, |sum: usize, at| sum.wrapping_add(at)));
            }
        }
        Memcpy => {
            let room = chunk.min(body.len());
            if scratch.copy.len() < room {
                scratch.copy.resize(room, 0);
            }
            for piece in body.chunks(chunk) {
                scratch.copy[..piece.len()].copy_from_slice(piece);
                black_box(&mut scratch.copy);
            }
        }
        Simdutf8 => {
            // A piece may be cut inside a character: all of it is read anyway, but for the last few bytes.
            for piece in body.chunks(chunk) {
                black_box(simdutf8::basic::from_utf8(piece).is_ok());
            }
        }
        // The syntax of each event's data, nothing kept.
        SerdeJson => {
            for data in scratch.data_of(body) {
                black_box(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
            }
        }
        _ => {
            let mut touch = Touch::default();
            decode(subject, body, chunk, &mut touch);
            black_box(touch.0);
        }
    }
}

/// What references need that is no part of their work.
#[derive(Debug, Default)]
pub struct Scratch {
    copy: Vec<u8>,
    data: Vec<Vec<u8>>,
    data_of: usize,
}

impl Scratch {
    /// Sets the events' data that `serde_json` reads, before the clock runs.
    pub fn prepare(&mut self, corpus: &Corpus) {
        struct Keep<'a>(&'a mut Vec<Vec<u8>>);
        impl Sink for Keep<'_> {
            fn event(&mut self, _: &[u8], data: &[u8], _: &[u8]) {
                self.0.push(data.to_vec());
            }
        }
        self.data.clear();
        self.data_of = corpus.body.len();
        decode(Ours, corpus.body, usize::MAX, &mut Keep(&mut self.data));
    }

    /// The data in a prefix of the body, by its share.
    fn data_of(&self, body: &[u8]) -> impl Iterator<Item = &Vec<u8>> {
        let share = self.data.len() as f64 * body.len() as f64 / self.data_of as f64;
        self.data.iter().take((share.round() as usize).max(1))
    }
}

/// Chunks of a body as a stream that is always ready.
struct Pieces<F> {
    body: &'static [u8],
    chunk: usize,
    wrap: F,
}

impl<F: Fn(&'static [u8]) -> T + Unpin, T> Stream for Pieces<F> {
    type Item = Result<T, Infallible>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.body.is_empty() {
            return Poll::Ready(None);
        }
        let (piece, rest) = self.body.split_at(self.chunk.min(self.body.len()));
        self.body = rest;
        Poll::Ready(Some(Ok((self.wrap)(piece))))
    }
}

/// Polls a stream to its end or first error.
#[inline]
fn drain<T, E>(stream: impl Stream<Item = Result<T, E>>, mut each: impl FnMut(T)) {
    let mut stream = pin!(stream);
    let mut cx = Context::from_waker(noop_waker_ref());
    while let Poll::Ready(Some(Ok(event))) = stream.as_mut().poll_next(&mut cx) {
        each(event);
    }
}

/// Runs a decoder over a body and hands its events to the sink.
pub fn decode<S: Sink>(subject: Subject, body: &'static [u8], chunk: usize, sink: &mut S) {
    match subject {
        Ours | OursText | OursOwned => {
            let mut decoder = chat_proto::sse::Decoder::new();
            for mut input in body.chunks(chunk) {
                while let Some(event) = decoder.next(&mut input) {
                    let Ok(event) = event else { return };
                    match subject {
                        OursText => {
                            sink.event(event.event_type().as_bytes(), event.data().as_bytes(), event.id().as_bytes());
                        }
                        OursOwned => sink.event(
                            event.event_type().into_owned().as_bytes(),
                            event.data().into_owned().as_bytes(),
                            event.id().into_owned().as_bytes(),
                        ),
                        _ => sink.event(event.event_type_bytes(), event.data_bytes(), event.id_bytes()),
                    }
                }
            }
        }
        // By hand over `Buf`, which a slice is: its own documentation's first example.
        SseCore => {
            let mut decoder = sse_core::SseDecoder::with_limit(NonZeroUsize::MAX);
            for mut input in body.chunks(chunk) {
                while let Some(event) = decoder.next(&mut input) {
                    if let Ok(sse_core::SseEvent::Message(event)) = event {
                        let id = event.last_event_id.as_deref().unwrap_or_default();
                        sink.event(event.event.as_bytes(), event.data.as_bytes(), id.as_bytes());
                    }
                }
            }
        }
        // It gives blocks as they are written: that a block has no data, that no type means `message` and that ids
        // last is its user's work.
        SseStream => {
            let mut id = String::new();
            drain(sse_stream::SseByteStream::new(Pieces { body, chunk, wrap: |piece| piece }), |event| {
                if let Some(newer) = event.id {
                    id = newer;
                }
                if let Some(data) = event.data {
                    let event_type = event.event.as_deref().filter(|name| !name.is_empty()).unwrap_or("message");
                    sink.event(event_type.as_bytes(), data.as_bytes(), id.as_bytes());
                }
            });
        }
        // The sans-IO half, fed by hand.
        SseParse => {
            let mut parser = sse_parse::SseParser::new();
            for piece in body.chunks(chunk) {
                parser.feed(piece);
                while let Some(event) = parser.next_event() {
                    sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
                }
            }
        }
        Sseer => {
            let pieces = Pieces { body, chunk, wrap: Bytes::from_static };
            drain(sseer::event_stream::EventStream::new(pieces), |event| {
                sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
            });
        }
        EventsourceStream => {
            let pieces = Pieces { body, chunk, wrap: |piece| piece };
            drain(eventsource_stream::EventStream::new(pieces), |event| {
                sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
            });
        }
        EventsourceStream2 => {
            let pieces = Pieces { body, chunk, wrap: |piece| piece };
            drain(eventsource_stream2::EventStream::new(pieces), |event| {
                sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
            });
        }
        Memchr | Memcpy | Simdutf8 | SerdeJson => {}
    }
}
