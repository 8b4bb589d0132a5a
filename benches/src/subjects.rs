//! The subjects. Each is driven in the way that is cheapest for it.
//!
//! - Chunks cost nothing: a chunk is a `&'static [u8]`, or [`Bytes::from_static`] of it if a peer needs [`Bytes`], which
//!   neither counts references nor allocates.
//! - There is no executor: streams are always ready and are polled in a loop with a waker that does nothing.
//! - Limits of peers that the corpora exceed are raised.
//! - All read the same of each event: three lengths and the first byte of the data. Peers return Strings with checked UTF-8;
//!   ours lends bytes. Ours is also measured with checked text and with owned Strings.

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
#[allow(missing_docs, reason = "`description` documents them")]
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

/// All subjects, in the order of the table.
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
    /// The head of the column.
    pub fn label(self) -> &'static str {
        match self {
            Ours => "ours",
            OursText => "text",
            OursOwned => "owned",
            SseCore => "core",
            SseStream => "stream",
            SseParse => "parse",
            Sseer => "sseer",
            EventsourceStream => "es",
            EventsourceStream2 => "es2",
            Memchr => "memchr",
            Memcpy => "memcpy",
            Simdutf8 => "utf8",
            SerdeJson => "json",
        }
    }

    /// The line of the legend.
    pub fn description(self) -> &'static str {
        match self {
            Ours => "chat-sse, borrowed bytes",
            OursText => "chat-sse, text with checked UTF-8",
            OursOwned => "chat-sse, owned Strings",
            SseCore => "sse-core",
            SseStream => "sse-stream",
            SseParse => "sse-parse",
            Sseer => "sseer",
            EventsourceStream => "eventsource-stream",
            EventsourceStream2 => "eventsource-stream2",
            Memchr => "memchr finds the line ends",
            Memcpy => "the chunks are copied",
            Simdutf8 => "simdutf8 checks the UTF-8",
            SerdeJson => "serde_json checks the syntax of the data",
        }
    }

    /// Whether it is another crate's decoder.
    pub fn is_peer(self) -> bool {
        matches!(self, SseCore | SseStream | SseParse | Sseer | EventsourceStream | EventsourceStream2)
    }

    /// Whether it is not a decoder, but a basic operation on the same bytes.
    pub fn is_reference(self) -> bool {
        matches!(self, Memchr | Memcpy | Simdutf8 | SerdeJson)
    }
}

/// Receives the decoded events.
pub trait Sink {
    /// Receives one event.
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]);
}

/// Reads a minimum of each event. Used for timed runs.
#[derive(Debug, Default)]
pub struct TouchSink(usize);

impl Sink for TouchSink {
    #[inline]
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]) {
        let first = data.first().copied().unwrap_or_default();
        self.0 = self.0.wrapping_add(event_type.len() ^ data.len() ^ id.len() ^ usize::from(first));
    }
}

/// Counts and hashes the events. Used to compare subjects.
#[derive(Debug, Default)]
pub struct CheckSink {
    events: u64,
    hasher: DefaultHasher,
}

impl CheckSink {
    /// Number of events, and a hash of all.
    pub fn summary(&self) -> (u64, u64) {
        (self.events, self.hasher.finish())
    }
}

impl Sink for CheckSink {
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]) {
        self.events += 1;
        for part in [event_type, data, id] {
            self.hasher.write_usize(part.len());
            self.hasher.write(part);
        }
    }
}

/// Runs one timed pass of a subject over a body.
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
            // A chunk may end inside a character. Its last bytes are then not checked.
            for piece in body.chunks(chunk) {
                black_box(simdutf8::basic::from_utf8(piece).is_ok());
            }
        }
        SerdeJson => {
            for data in scratch.data_of(body) {
                black_box(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
            }
        }
        _ => {
            let mut touch = TouchSink::default();
            decode(subject, body.chunks(chunk), &mut touch);
            black_box(touch.0);
        }
    }
}

/// Buffers of the references, prepared before they are timed.
#[derive(Debug, Default)]
pub struct Scratch {
    copy: Vec<u8>,
    data: Vec<Vec<u8>>,
    data_of: usize,
}

impl Scratch {
    /// Extracts the events' data for `serde_json`.
    pub fn prepare(&mut self, corpus: &Corpus) {
        struct DataSink<'a>(&'a mut Vec<Vec<u8>>);
        impl Sink for DataSink<'_> {
            fn event(&mut self, _: &[u8], data: &[u8], _: &[u8]) {
                self.0.push(data.to_vec());
            }
        }
        self.data.clear();
        self.data_of = corpus.body.len();
        decode(Ours, std::iter::once(corpus.body), &mut DataSink(&mut self.data));
    }

    /// The events' data of about this prefix of the body.
    fn data_of(&self, body: &[u8]) -> impl Iterator<Item = &Vec<u8>> {
        let share = self.data.len() as f64 * body.len() as f64 / self.data_of as f64;
        self.data.iter().take((share.round() as usize).max(1))
    }
}

/// Chunks of a body as a stream that is always ready.
struct Chunks<I, F> {
    chunks: I,
    wrap: F,
}

impl<I, F, T> Stream for Chunks<I, F>
where
    I: Iterator<Item = &'static [u8]> + Unpin,
    F: Fn(&'static [u8]) -> T + Unpin,
{
    type Item = Result<T, Infallible>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = self.chunks.next();
        Poll::Ready(chunk.map(|chunk| Ok((self.wrap)(chunk))))
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

/// Runs a decoder over the chunks of a body and hands its events to the sink.
pub fn decode<S: Sink>(subject: Subject, chunks: impl Iterator<Item = &'static [u8]> + Unpin, sink: &mut S) {
    match subject {
        Ours | OursText | OursOwned => {
            let mut decoder = chat_proto::sse::Decoder::new();
            for mut input in chunks {
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
        // Over `Buf`, as in the first example of its documentation.
        SseCore => {
            let mut decoder = sse_core::SseDecoder::with_limit(NonZeroUsize::MAX);
            for mut input in chunks {
                while let Some(event) = decoder.next(&mut input) {
                    if let Ok(sse_core::SseEvent::Message(event)) = event {
                        let id = event.last_event_id.as_deref().unwrap_or_default();
                        sink.event(event.event.as_bytes(), event.data.as_bytes(), id.as_bytes());
                    }
                }
            }
        }
        // It returns blocks as written. Its user must skip blocks without data, default the type to `message` and keep
        // the last id.
        SseStream => {
            let mut id = String::new();
            drain(sse_stream::SseByteStream::new(Chunks { chunks, wrap: |piece| piece }), |event| {
                if let Some(newer) = event.id {
                    id = newer;
                }
                if let Some(data) = event.data {
                    let event_type = event.event.as_deref().filter(|name| !name.is_empty()).unwrap_or("message");
                    sink.event(event_type.as_bytes(), data.as_bytes(), id.as_bytes());
                }
            });
        }
        // Its sans-IO parser.
        SseParse => {
            let mut parser = sse_parse::SseParser::new();
            for piece in chunks {
                parser.feed(piece);
                while let Some(event) = parser.next_event() {
                    sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
                }
            }
        }
        Sseer => {
            let pieces = Chunks { chunks, wrap: Bytes::from_static };
            drain(sseer::event_stream::EventStream::new(pieces), |event| {
                sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
            });
        }
        EventsourceStream => {
            let pieces = Chunks { chunks, wrap: |piece| piece };
            drain(eventsource_stream::EventStream::new(pieces), |event| {
                sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
            });
        }
        EventsourceStream2 => {
            let pieces = Chunks { chunks, wrap: |piece| piece };
            drain(eventsource_stream2::EventStream::new(pieces), |event| {
                sink.event(event.event.as_bytes(), event.data.as_bytes(), event.id.as_bytes());
            });
        }
        Memchr | Memcpy | Simdutf8 | SerdeJson => {}
    }
}
