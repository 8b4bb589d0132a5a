//! An incremental decoder of server-sent events, byte-exact to the WHATWG standard (HTML, 9.2.5 and 9.2.6) however the
//! stream is cut, usable alone.
//!
//! Give it the bytes as they come; it lends out the events, their data as a slice of your own chunk wherever an event
//! lies inside one.
//!
//! ```
//! use chat_proto::sse::Decoder;
//!
//! let mut decoder = Decoder::new();
//! let mut said = String::new();
//! for chunk in [&b"data: Hel"[..], b"lo\n\nid: 7\nevent: more\ndata: wor", b"ld\r", b"\n\r\n"] {
//!     let mut input = chunk;
//!     while let Some(event) = decoder.next(&mut input) {
//!         let event = event?;
//!         said += &format!("{}: {} ({})\n", event.event_type(), event.data(), event.id());
//!     }
//! }
//! assert_eq!(said, "message: Hello ()\nmore: world (7)\n");
//! assert!(!decoder.is_incomplete());
//! # Ok::<(), chat_proto::sse::LimitExceeded>(())
//! ```
//!
//! The whole input is looked at once for line ends; nothing is searched again when a line goes on in the next chunk.
//! Values that do go on are gathered where they belong, with no line buffer between. UTF-8 is checked only when text is
//! asked for, and then repaired as the standard says (U+FFFD for each maximal subpart): line ends and colons are ASCII,
//! so it does not matter whether text is decoded before or after lines are told apart.

mod block;
mod event;
mod lines;
mod pieces;
mod scan;

use std::borrow::Cow;

use event::Kind;
use lines::Start;
use scan::is_line_end;

pub(crate) use event::text;
pub use event::{Event, Item, LimitExceeded, Report, Token, Unfinished};

/// What one event may hold by default: 16 MiB. Citations of megabytes are legal, a line without end is not.
pub const DEFAULT_EVENT_LIMIT: usize = 16 * 1024 * 1024;

/// The most that a buffer keeps from one event to the next.
const RETAINED: usize = 64 * 1024;

/// The most that the data's buffer keeps after an event of [`LARGE`] data: the next one may be such another, and fresh
/// memory costs as much as filling it. What is more than [`RETAINED`] goes with the first event that is smaller or lies
/// in its chunk.
const RETAINED_IN_USE: usize = 2 * 1024 * 1024;
const LARGE: usize = 16 * 1024;

const BOM: [u8; 3] = *b"\xef\xbb\xbf";

/// The longest name of a field that means something: `event`, `retry`.
const LONGEST_NAME: usize = 5;

// What a block has had so far, as bits of `Decoder::seen`.

/// A `data` line, whether its value is in `data` or held in the chunk.
const DATA: u8 = 1;
/// An `event` line: the type is `type_line[type_start..]`.
const TYPE: u8 = 2;
/// An `id` line.
const ID: u8 = 4;
/// An `id` line that is not ignored: its value is in `next_id`.
const NEXT_ID: u8 = 8;
/// A `retry` line.
const RETRY: u8 = 16;
/// No line: the data's buffer is larger than [`RETAINED`]. The short way for whole events would pass it by.
const ROOMY: u8 = 32;

// What a stream has had so far, as bits of `Decoder::lines`. The short ways for events need not set them: an event is
// known by itself.

/// A block with an `event` or `id` line and without data.
const OURS: u8 = 1;
/// A line of an unknown field.
const FOREIGN: u8 = 2;

/// The decoder. See the [module](self) for what it does.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The chunk before ended with a CR: a LF at the start of the next belongs to it. Only in [`State::Pause`].
    after_cr: bool,
    /// The event that was handed out has left buffers that are large. Only in [`State::Pause`].
    spent: bool,
    report: Report,
    seen: u8,
    lines: u8,
    /// The start of a name whose colon has not come yet.
    name: [u8; LONGEST_NAME],
    name_len: u8,
    /// Bytes of a line that nobody wants: a comment, an unknown field.
    skipped: usize,
    /// Bytes the block holds so far: data with its separators, type, id.
    size: usize,
    /// How many `data` lines the block has.
    data_lines: u32,
    limit: usize,
    /// The block's data, or what is left of an older one's while it has none.
    data: Vec<u8>,
    /// The last `event` line as a whole. Streams repeat their types, so the next one is first compared with it.
    type_line: Vec<u8>,
    type_start: usize,
    /// The id that the next blank line commits.
    next_id: Vec<u8>,
    last_id: Vec<u8>,
    /// The value, so far, of an `id`, `retry` or reported comment line that is cut.
    value: Vec<u8>,
    retry: Option<u64>,
    #[cfg(test)]
    scanned: u64,
}

/// Where the decoder stands between two calls.
#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes of a byte order mark, at the very start.
    Bom(usize),
    /// Between two lines.
    Line,
    /// Between two lines too, with something to do first: see `after_cr` and `spent`.
    Pause,
    /// In a name that fits in `name`.
    Name,
    /// Behind the colon, where one space may still come.
    Colon(Field),
    /// In a value.
    Value(Field),
    /// A limit was passed: nothing more is decoded.
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

/// What one step comes to.
type Step<'i> = Result<Option<Token<'i>>, Exceeded>;

/// A [`LimitExceeded`] that is still inside.
struct Exceeded;

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the start of a stream, with the [default limit](DEFAULT_EVENT_LIMIT).
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_EVENT_LIMIT)
    }

    /// A decoder that holds at most `limit` bytes for one event.
    ///
    /// Counted are the data with a byte for each line break in it, the type, the id, and the line that is being read,
    /// comments and unknown fields too. An event of exactly `limit` bytes passes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            state: State::Bom(0),
            after_cr: false,
            spent: false,
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

    /// The same decoder, reporting more than events from [`lend`](Self::lend).
    #[must_use]
    pub fn reporting(self, report: Report) -> Self {
        Self { report, ..self }
    }

    /// Takes bytes off the front of `input` until an event is whole, and lends it; `None` when the chunk is used up.
    ///
    /// # Errors
    ///
    /// When an event passes the limit. Nothing is decoded after that: each further chunk is swallowed for the same error.
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

    /// The half of [`next`](Self::next) that moves: takes bytes off the front of `input` until something is whole. The
    /// token borrows nothing of the decoder, so that loops may pass one over.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline]
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<Result<Token<'i>, LimitExceeded>> {
        // Two ways are made short: an event that lies whole in its chunk, and a single byte of some data.
        let state = self.state;
        match state {
            State::Line if self.seen == 0 => match self.usual_event(input) {
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

    /// The half of [`next`](Self::next) that lends: what the newest token stands for. An older one may find less than
    /// there was, or something else.
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

    /// The last event ID string: what a `Last-Event-ID` header would carry. Blank lines commit it.
    pub fn last_event_id(&self) -> Cow<'_, str> {
        text(&self.last_id)
    }

    /// The reconnection time in milliseconds, if the stream set one. A number past 64 bits is the largest of them.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry
    }

    /// Whether a stream that has had no event is none: it has lines of unknown fields, and none that is part of an event.
    pub(crate) fn is_foreign(&self) -> bool {
        self.lines == FOREIGN
    }

    /// Whether the stream, if it ended here, would end inside an event, which is then discarded.
    ///
    /// That is so where a line has begun that is no comment, or a `data`, `event` or `id` line has come since the last
    /// blank line. After an error it is so for good.
    pub fn is_incomplete(&self) -> bool {
        let in_line = match self.state {
            State::Line | State::Pause => false,
            State::Bom(matched) => matched > 0,
            State::Name | State::Failed => true,
            State::Colon(field) | State::Value(field) => field != Field::Comment,
        };
        in_line || self.seen & (DATA | TYPE | ID) != 0
    }

    /// The event that has begun and is not finished. Comments, unknown fields and `retry` lines are not part of an event.
    #[inline]
    pub fn unfinished(&self) -> Option<Unfinished<'_>> {
        // Between two blocks, as after most chunks.
        if matches!(self.state, State::Line) && self.seen & (DATA | TYPE | ID) == 0 {
            None
        } else {
            self.any_unfinished()
        }
    }

    fn any_unfinished(&self) -> Option<Unfinished<'_>> {
        // What a line adds beside its value: its name, a colon, a space and a line end of up to two bytes. What has not come
        // of the line that is cut is taken off again, so that each byte counts when it comes.
        let line = |field: u8, name: &str| if self.seen & field != 0 { name.len() + 4 } else { 0 };
        let lines = self.data_lines as usize * ("data".len() + 4) + line(TYPE, "event") + line(ID, "id");
        let (in_line, missing) = match self.state {
            State::Name => {
                let name = &self.name[..self.name_len.into()];
                let may_be_field = ["data", "event", "id"].iter().any(|field| field.as_bytes().starts_with(name));
                (if may_be_field { name.len() } else { 0 }, 0)
            }
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

    /// Everything else. Out of line, so that the short ways stay short.
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
        if start.is_none() && !matches!(self.state, State::Line) {
            let token = self.resume(input)?;
            if token.is_some() || input.is_empty() {
                return Ok(token);
            }
        }
        self.lines(input, start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a body in chunks; gives the number of events and of bytes scanned.
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
