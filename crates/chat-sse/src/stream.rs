//! An adapter from a stream of chunks to a stream of events.
//!
//! It takes the place of the crate `eventsource-stream` with one changed line:
//!
//! ```
//! # use futures_util::{Stream, StreamExt, stream};
//! # struct Response;
//! # impl Response {
//! #     fn bytes_stream(self) -> impl Stream<Item = Result<&'static [u8], std::io::Error>> {
//! #         stream::iter([Ok(&b"event: greeting\nda"[..]), Ok(b"ta: Hello\n\n")])
//! #     }
//! # }
//! # futures_util::FutureExt::now_or_never(async {
//! # let response = Response;
//! use chat_sse::stream::Eventsource; // before: use eventsource_stream::Eventsource;
//!
//! let mut events = response.bytes_stream().eventsource();
//! while let Some(event) = events.next().await {
//!     let event = event?;
//!     println!("{}: {}", event.event, event.data);
//! #   assert_eq!((&*event.event, &*event.data), ("greeting", "Hello"));
//! }
//! // Also what the standard drops is known: an event without a blank line after it.
//! assert!(!events.decoder().is_incomplete());
//! # Ok::<(), chat_sse::Error<std::io::Error>>(())
//! # }).expect("the stream is ready")?;
//! # Ok::<(), chat_sse::Error<std::io::Error>>(())
//! ```
//!
//! [`Event`], [`EventStream`] and [`EventStreamError`] have the names of that crate. Three things differ. Invalid UTF-8 is
//! replaced and is not an error. An event has a limit of 16 MiB. The fields `id` and `retry` keep their values until the stream sets
//! others.

use alloc::borrow::Cow;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::stream::{FusedStream, Stream, TryStream};
use pin_project_lite::pin_project;

pub use super::Error as EventStreamError;
pub use super::OwnedEvent as Event;
use super::{Decoder, Error};

/// Number of chunks without an event after which the adapter lets other tasks run.
const CHUNKS_PER_POLL: usize = 64;

/// Makes a stream of events from a stream of chunks. The [module page](self) has an example.
pub trait Eventsource: TryStream + Sized {
    /// Decodes the chunks, with the [default limit](crate::DEFAULT_EVENT_LIMIT).
    fn eventsource(self) -> EventStream<Self>;
}

impl<S: TryStream> Eventsource for S
where
    S::Ok: AsRef<[u8]>,
{
    fn eventsource(self) -> EventStream<Self> {
        EventStream::new(self)
    }
}

pin_project! {
    /// The events of a stream of chunks. The [module page](self) has an example.
    ///
    /// It ends with the inner stream and after an exceeded limit. After a [transport error](EventStreamError::Transport) the
    /// inner stream is polled again, and says itself whether it continues. The inner stream is not polled while an event is
    /// ready. After 64 chunks without an event, other tasks get their turn.
    ///
    /// It is [`Unpin`] if the inner stream is.
    pub struct EventStream<S: TryStream> {
        #[pin]
        inner: S,
        decoder: Decoder,
        chunk: Option<S::Ok>,
        // Bytes of the chunk that are decoded.
        decoded: usize,
        ended: bool,
    }
}

impl<S: TryStream> EventStream<S> {
    /// Decodes a new stream, with the [default limit](crate::DEFAULT_EVENT_LIMIT).
    pub fn new(stream: S) -> Self {
        Self::with_decoder(stream, Decoder::new())
    }

    /// Decodes a stream with this decoder. After a reconnect, [reset](Decoder::reset) it first.
    pub fn with_decoder(stream: S, decoder: Decoder) -> Self {
        Self { inner: stream, decoder, chunk: None, decoded: 0, ended: false }
    }

    /// The last event ID string, for a `Last-Event-ID` header.
    pub fn last_event_id(&self) -> Cow<'_, str> {
        self.decoder.last_event_id()
    }

    /// The decoder. It has the last event ID, the reconnection time, and at the end what the stream left unfinished.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Returns the decoder, for the next connection. Bytes that are not decoded yet are dropped.
    pub fn into_decoder(self) -> Decoder {
        self.decoder
    }
}

impl<S: TryStream> Stream for EventStream<S>
where
    S::Ok: AsRef<[u8]>,
{
    type Item = Result<Event, EventStreamError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        for _ in 0..CHUNKS_PER_POLL {
            if *this.ended {
                return Poll::Ready(None);
            }
            if let Some(chunk) = this.chunk {
                let chunk = chunk.as_ref();
                let mut input = chunk.get(*this.decoded..).unwrap_or_default();
                let event = this.decoder.next_owned(&mut input);
                *this.decoded = chunk.len() - input.len();
                if let Some(event) = event {
                    *this.ended = event.is_err();
                    return Poll::Ready(Some(event.map_err(Error::Limit)));
                }
            }
            *this.chunk = None;
            match ready!(this.inner.as_mut().try_poll_next(cx)) {
                Some(Ok(chunk)) => (*this.chunk, *this.decoded) = (Some(chunk), 0),
                Some(Err(error)) => return Poll::Ready(Some(Err(Error::Transport(error)))),
                None => *this.ended = true,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: TryStream> FusedStream for EventStream<S>
where
    S::Ok: AsRef<[u8]>,
{
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<S: TryStream> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("decoder", &self.decoder)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
