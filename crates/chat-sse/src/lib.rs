#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod block;
mod connection;
#[cfg(any(feature = "std", feature = "stream"))]
mod error;
mod event;
mod lines;
mod owned;
mod pieces;
#[cfg(feature = "std")]
pub mod read;
mod same_type;
mod scan;
#[cfg(feature = "stream")]
pub mod stream;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use event::Kind;
use lines::Start;
use scan::is_line_end;

pub use connection::InvalidId;
#[cfg(any(feature = "std", feature = "stream"))]
pub use error::Error;
use event::text;
pub use event::{Event, Item, LimitExceeded, Report, Token, Unfinished};
pub use owned::OwnedEvent;

/// Default limit of one event: 16 MiB.
pub const DEFAULT_EVENT_LIMIT: usize = 16 * 1024 * 1024;

/// Maximum capacity that a buffer keeps between events.
const RETAINED: usize = 64 * 1024;

/// Maximum capacity that the data buffer keeps after an event of at least [`LARGE`] bytes. The next event may be as large,
/// and new memory costs as much as filling it. Capacity beyond [`RETAINED`] is released after the first event that is
/// smaller or lies inside its chunk.
const RETAINED_IN_USE: usize = 2 * 1024 * 1024;
const LARGE: usize = 16 * 1024;

const BOM: [u8; 3] = *b"\xef\xbb\xbf";

/// Length of the longest field names: `event` and `retry`.
const LONGEST_NAME: usize = 5;

// Bits of `Decoder::seen`: what the current block has.

/// A `data` line. Its value is in `data`, or still in the chunk.
const DATA: u8 = 1;
/// An `event` line. The type is `type_line[type_start..]`.
const TYPE: u8 = 2;
/// An `id` line.
const ID: u8 = 4;
/// An `id` line that is not ignored. Its value is in `next_id`.
const NEXT_ID: u8 = 8;
/// A `retry` line.
const RETRY: u8 = 16;
/// Not a line: the data buffer is larger than [`RETAINED`]. The bit keeps the fast path for whole events from skipping its release.
const ROOMY: u8 = 32;

// Bits of `Decoder::lines`: what the stream has had so far. The fast paths do not set them, because a stream that has
// events does not need them.

/// A block with an `event` or `id` line but no data.
const KNOWN: u8 = 1;
/// A line with an unknown field name.
const UNKNOWN: u8 = 2;

/// An incremental decoder of one stream. The [crate page](crate) has an example.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The previous chunk ended with a CR. A LF at the start of the next chunk belongs to it. Only in [`State::Pause`].
    after_cr: bool,
    /// The last event left large buffers. Only in [`State::Pause`].
    has_large_buffers: bool,
    report: Report,
    seen: u8,
    lines: u8,
    /// Start of a field name, while its colon has not arrived.
    name: [u8; LONGEST_NAME],
    name_len: u8,
    /// Bytes so far of a line that is dropped: a comment or an unknown field.
    skipped: usize,
    /// Bytes that the block holds so far: data with its separators, type and id.
    size: usize,
    /// Number of `data` lines in the block.
    data_lines: u32,
    limit: usize,
    /// The block's data. Stale while the block has no `data` line.
    data: Vec<u8>,
    /// The last `event` line, complete. Streams repeat their types, so the next line is first compared with it.
    type_line: Vec<u8>,
    type_start: usize,
    /// The id that the next blank line commits to `last_id`.
    next_id: Vec<u8>,
    last_id: Vec<u8>,
    /// Value so far of an `id`, `retry` or reported comment line that spans chunks.
    value: Vec<u8>,
    retry: Option<u64>,
    #[cfg(test)]
    scanned: u64,
}

/// Position of the decoder between two calls.
#[derive(Clone, Copy, Debug)]
enum State {
    /// At the start of the stream, after this many bytes of a byte order mark.
    Bom(usize),
    /// Between two lines.
    Line,
    /// Between two lines, with work to do first: see `after_cr` and `has_large_buffers`.
    Pause,
    /// In the first line of a block, whose bytes so far, this many, are the first ones of `type_line`. At least one.
    SameType(usize),
    /// In a field name that fits in `name`.
    Name,
    /// After the colon, where one space may follow.
    Colon(Field),
    /// In a value.
    Value(Field),
    /// A limit was exceeded. Nothing more is decoded.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Data,
    Event,
    Id,
    Retry,
    Comment,
    Unknown,
}

impl Field {
    fn of(name: &[u8]) -> Self {
        match name {
            b"data" => Self::Data,
            b"event" => Self::Event,
            b"id" => Self::Id,
            b"retry" => Self::Retry,
            b"" => Self::Comment,
            _ => Self::Unknown,
        }
    }
}

/// Result of one step.
type Step<'i> = Result<Option<Token<'i>>, Exceeded>;

/// A [`LimitExceeded`] without the limit, for internal use.
struct Exceeded;

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Creates a decoder for a new stream, with the [default limit](DEFAULT_EVENT_LIMIT).
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_EVENT_LIMIT)
    }

    /// Creates a decoder that holds at most `limit` bytes for one event.
    ///
    /// The limit counts the data with one byte per line break in it, the type, the id, and the line that is being read,
    /// which may also be a comment or an unknown field. An event of exactly `limit` bytes is accepted.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            state: State::Bom(0),
            after_cr: false,
            has_large_buffers: false,
            report: Report::default(),
            seen: 0,
            lines: 0,
            name: [0; LONGEST_NAME],
            name_len: 0,
            skipped: 0,
            size: 0,
            data_lines: 0,
            limit,
            data: Vec::new(),
            type_line: Vec::new(),
            type_start: 0,
            next_id: Vec::new(),
            last_id: Vec::new(),
            value: Vec::new(),
            retry: None,
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// Sets what [`lend`](Self::lend) reports besides events.
    #[must_use]
    pub fn reporting(self, report: Report) -> Self {
        Self { report, ..self }
    }

    /// Returns the next event. Removes the bytes that it read from the front of `input`, and returns `None` when `input` is
    /// empty and the next event is not complete.
    ///
    /// The event borrows from the decoder and from the chunk.
    ///
    /// # Errors
    ///
    /// Returns [`LimitExceeded`] if an event is larger than the limit. Decoding stops there: every later chunk is dropped and
    /// returns the same error.
    #[inline]
    pub fn next<'d, 'i: 'd>(&'d mut self, input: &mut &'i [u8]) -> Option<Result<Event<'d>, LimitExceeded>> {
        let token = loop {
            match self.advance(input)? {
                Ok(token) if matches!(token.kind, Kind::Event) => break token,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        };
        Some(Ok(self.lend_event(token)))
    }

    /// The first half of [`next`](Self::next): reads until an event, or another reported item, is complete. The token does not
    /// borrow from the decoder, so a loop can skip tokens. Pass it to [`lend`](Self::lend).
    ///
    /// # Errors
    ///
    /// The same as [`next`](Self::next).
    #[inline]
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<Result<Token<'i>, LimitExceeded>> {
        // Fast paths: an event that lies inside its chunk, and more bytes of a `data` line.
        let state = self.state;
        match state {
            State::Line if self.seen == 0 => match self.whole_event(input) {
                Ok(token) => Some(Ok(token)),
                Err(start) => self.step(input, start),
            },
            State::Value(Field::Data) if input.len() == 1 && !is_line_end(input[0]) && self.size < self.limit => {
                #[cfg(test)]
                {
                    self.scanned += 1;
                }
                self.size += 1;
                self.data.push(input[0]);
                *input = &[];
                None
            }
            State::Value(Field::Data) if self.data_piece(input) => None,
            _ => self.step(input, None),
        }
    }

    /// The second half of [`next`](Self::next): lends the item that the newest token stands for. An older token is harmless,
    /// but may give stale or missing data.
    #[inline]
    pub fn lend<'d, 'i: 'd>(&'d self, token: Token<'i>) -> Item<'d> {
        match token.kind {
            Kind::Event => Item::Event(self.lend_event(token)),
            Kind::Comment => Item::Comment(token.bytes.unwrap_or(&self.value)),
            Kind::Block => Item::Block,
        }
    }

    #[inline]
    fn lend_event<'d, 'i: 'd>(&'d self, token: Token<'i>) -> Event<'d> {
        let event_type = if token.has_type { self.type_line.get(self.type_start..).unwrap_or_default() } else { b"" };
        Event {
            event_type: if event_type.is_empty() { b"message" } else { event_type },
            data: token.bytes.unwrap_or(&self.data),
            id: &self.last_id,
        }
    }

    /// Whether the decoder is between two blocks, with nothing left to do before the next one.
    ///
    /// A caller that knows the bytes of the next event may then remove them from the front of the input without decoding
    /// them. The event must consist of at most one `event` line, one `data` line and a blank line that ends in LF, and it must be
    /// within the limit. Such an event changes no later one: the decoder keeps the last `event` line only to find the same
    /// line faster.
    ///
    /// Returns `false` where that would be wrong: at the start of the stream, where a byte order mark may come; inside a block
    /// or a comment; after a CR at the end of a chunk, because a LF may follow; after an event that left large buffers to
    /// release; and after an error.
    #[inline]
    pub fn is_between_events(&self) -> bool {
        matches!(self.state, State::Line) && self.seen == 0
    }

    /// The last event ID string, for a `Last-Event-ID` header. A blank line commits the value of an `id` line.
    pub fn last_event_id(&self) -> Cow<'_, str> {
        text(&self.last_id)
    }

    /// The reconnection time in milliseconds, if the stream set one. A number above 64 bits becomes [`u64::MAX`].
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry
    }

    /// Whether a stream without events has lines of unknown fields only, so that it probably is not an event stream but, for
    /// example, JSON or HTML. Meaningless once there was an event. Comments, blank lines and `retry` lines do not count.
    pub fn has_only_unknown_fields(&self) -> bool {
        self.lines == UNKNOWN
    }

    /// Whether the stream would be cut if it ended here. The standard discards the unfinished event.
    ///
    /// Returns `true` inside a line that is not a comment, after a `data`, `event` or `id` line without a blank line, and
    /// after an error.
    pub fn is_incomplete(&self) -> bool {
        let in_line = match self.state {
            State::Line | State::Pause => false,
            State::Bom(matched) => matched > 0,
            State::SameType(_) | State::Name | State::Failed => true,
            State::Colon(field) | State::Value(field) => field != Field::Comment,
        };
        in_line || self.seen & (DATA | TYPE | ID) != 0
    }

    /// The event that has begun but is not complete. Comments, unknown fields and `retry` lines are not part of an event.
    #[inline]
    pub fn unfinished(&self) -> Option<Unfinished<'_>> {
        // Fast path: between two blocks, as after most chunks.
        if matches!(self.state, State::Line) && self.seen & (DATA | TYPE | ID) == 0 {
            None
        } else {
            self.any_unfinished()
        }
    }

    fn any_unfinished(&self) -> Option<Unfinished<'_>> {
        // A line adds its name, a colon, a space and a line end of up to two bytes to its value. `missing` is the part of the
        // current line that has not arrived, so that each byte counts when it arrives.
        let line = |field: u8, name: &str| if self.seen & field != 0 { name.len() + 4 } else { 0 };
        let lines = self.data_lines as usize * ("data".len() + 4) + line(TYPE, "event") + line(ID, "id");
        let (in_line, missing) = match self.state {
            State::Name => {
                let name = &self.name[..self.name_len.into()];
                let may_be_field = ["data", "event", "id"].iter().any(|field| field.as_bytes().starts_with(name));
                (if may_be_field { name.len() } else { 0 }, 0)
            }
            State::SameType(len) => (len, 0),
            State::Colon(Field::Id) => ("id:".len(), 0),
            State::Value(Field::Id) => ("id: ".len() + self.value.len(), 0),
            State::Colon(Field::Data | Field::Event) => (0, 3),
            State::Value(Field::Data | Field::Event) => (0, 2),
            State::Pause if self.after_cr => (0, 1),
            _ => (0, 0),
        };
        let len = (self.size + lines + in_line).saturating_sub(missing);
        let in_type = matches!(self.state, State::Colon(Field::Event) | State::Value(Field::Event));
        let has_type = self.seen & TYPE != 0 && !in_type;
        let event_type = has_type.then(|| &self.type_line[self.type_start..]);
        let data = (self.seen & DATA != 0).then_some(&self.data[..]);
        (len > 0).then_some(Unfinished { event_type, data, len })
    }

    /// The slow path. Not inlined, so that the fast paths stay small.
    #[inline(never)]
    fn step<'i>(&mut self, input: &mut &'i [u8], start: Option<Start<'i>>) -> Option<Result<Token<'i>, LimitExceeded>> {
        match self.any_step(input, start) {
            Ok(token) => token.map(Ok),
            Err(Exceeded) => {
                self.state = State::Failed;
                *input = &[];
                Some(Err(LimitExceeded { limit: self.limit }))
            }
        }
    }

    #[inline]
    fn any_step<'i>(&mut self, input: &mut &'i [u8], start: Option<Start<'i>>) -> Step<'i> {
        if start.is_none() {
            if !matches!(self.state, State::Line) {
                let token = self.resume(input)?;
                if token.is_some() || input.is_empty() {
                    return Ok(token);
                }
            } else if self.seen == 0 && self.begin_same_type(input) {
                return Ok(None);
            }
        }
        self.lines(input, start)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    /// Feeds a body in chunks. Returns the number of events and the number of bytes scanned.
    fn scan(body: &[u8], chunk: usize) -> (usize, u64) {
        let mut decoder = Decoder::new();
        let mut events = 0;
        for mut input in body.chunks(chunk) {
            while let Some(event) = decoder.next(&mut input) {
                event.expect("within the limit");
                events += 1;
            }
        }
        (events, decoder.scanned)
    }

    #[test]
    fn one_long_line_is_scanned_at_most_twice() {
        let long = "x".repeat(512 * 1024);
        for start in ["data: ", "event: ", "id:", ":", "", "data: a\ndata:"] {
            let body = format!("{start}{long}\n\n");
            for chunk in [1, 16, 256, 1400, body.len()] {
                let (_, scanned) = scan(body.as_bytes(), chunk);
                assert!(scanned <= 2 * body.len() as u64, "{start:?} in chunks of {chunk}: {scanned} bytes");
            }
        }
    }

    #[test]
    fn many_small_events_are_scanned_at_most_twice() {
        for event in [
            "event: message_chunk\ndata: {\"content_chunk\":\"and\"}\n\n",
            "event: a\r\ndata: x\r\n\r\nevent: b\r\ndata: y\r\ndata: z\r\n\r\n",
            "id: 1\nevent: a\n\ndata\n:\n\n",
            "data:\n\n",
        ] {
            let body = event.repeat(256 * 1024 / event.len());
            for chunk in [1, 2, 3, 7, 16, 256, 1400, body.len()] {
                let (events, scanned) = scan(body.as_bytes(), chunk);
                assert!(events >= body.len() / event.len());
                assert!(scanned <= 2 * body.len() as u64, "{event:?} in chunks of {chunk}: {scanned} bytes");
            }
        }
    }

    #[test]
    fn an_old_token_is_harmless() {
        let mut decoder = Decoder::new();
        let body = format!("event: {}\ndata: a\n\n", "x".repeat(2 * RETAINED));
        let mut input = body.as_bytes();
        let token = decoder.advance(&mut input).expect("an event").expect("within the limit");
        assert!(decoder.advance(&mut input).is_none());
        let Item::Event(event) = decoder.lend(token) else { panic!("an event") };
        assert_eq!((event.event_type(), event.data()), ("message".into(), "a".into()));
    }
}
