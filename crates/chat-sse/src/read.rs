//! A blocking iterator over the events of a reader.
//!
//! ```
//! use chat_sse::read::Events;
//!
//! let mut events = Events::new(&b"data: Hello\n\nid: 7\ndata: wor"[..]);
//! for event in &mut events {
//!     assert_eq!(event?.data, "Hello");
//! }
//! // The standard drops an event without a blank line after it. The decoder says what was dropped.
//! let unfinished = events.decoder().unfinished().expect("the stream ends inside an event");
//! assert_eq!(unfinished.data, Some(&b"wor"[..]));
//! # Ok::<(), chat_sse::Error<std::io::Error>>(())
//! ```

use alloc::boxed::Box;
use core::fmt;
use core::iter::FusedIterator;
use std::io::{self, ErrorKind, Read};

use super::{Decoder, Error, OwnedEvent};

/// Bytes per read.
const BUFFER: usize = 8 * 1024;

/// The events of a reader, as an iterator that blocks. The [module page](self) has an example.
///
/// It ends at the end of the input and after an exceeded limit. After an I/O error the next call reads again, so that a
/// reader with a timeout can continue. A read that was interrupted is repeated at once. The reader needs no buffer of its
/// own.
pub struct Events<R> {
    reader: R,
    decoder: Decoder,
    buffer: Box<[u8]>,
    /// The part of the buffer that is not decoded yet.
    start: usize,
    end: usize,
    ended: bool,
}

impl<R: Read> Events<R> {
    /// Reads a new stream, with the [default limit](crate::DEFAULT_EVENT_LIMIT).
    pub fn new(reader: R) -> Self {
        Self::with_decoder(reader, Decoder::new())
    }

    /// Reads a stream with this decoder. After a reconnect, [reset](Decoder::reset) it first.
    pub fn with_decoder(reader: R, decoder: Decoder) -> Self {
        Self { reader, decoder, buffer: Box::new([0; BUFFER]), start: 0, end: 0, ended: false }
    }

    /// Reads until the buffer has bytes. Returns whether it has.
    fn fill(&mut self) -> io::Result<bool> {
        let len = loop {
            match self.reader.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        (self.start, self.end) = (0, len.min(BUFFER));
        Ok(len > 0)
    }
}

impl<R> Events<R> {
    /// The decoder. It has the last event ID, the reconnection time, and at the end what the stream left unfinished.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Returns the decoder, for the next connection. Bytes that are not decoded yet are dropped.
    pub fn into_decoder(self) -> Decoder {
        self.decoder
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = Result<OwnedEvent, Error<io::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let mut input = &self.buffer[self.start..self.end];
            let event = self.decoder.next_owned(&mut input);
            self.start = self.end - input.len();
            if let Some(event) = event {
                self.ended = event.is_err();
                return Some(event.map_err(Error::Limit));
            }
            match self.fill() {
                Ok(more) => self.ended = !more,
                Err(error) => return Some(Err(Error::Transport(error))),
            }
        }
        None
    }
}

impl<R: Read> FusedIterator for Events<R> {}

impl<R> fmt::Debug for Events<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("decoder", &self.decoder).field("ended", &self.ended).finish_non_exhaustive()
    }
}
