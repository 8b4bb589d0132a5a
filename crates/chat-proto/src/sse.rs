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

use std::borrow::Cow;
use std::fmt;

/// What one event may hold by default: 16 MiB. Citations of megabytes are legal, a line without end is not.
pub const DEFAULT_EVENT_LIMIT: usize = 16 * 1024 * 1024;

/// The most that a buffer keeps from one event to the next.
const RETAINED: usize = 64 * 1024;

/// The most that the data's buffer keeps after an event of [`LARGE`] data: the next one may be such another, and fresh
/// memory costs as much as filling it. What is more than [`RETAINED`] goes with the first event that is smaller.
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
    /// The start of a name whose colon has not come yet.
    name: [u8; LONGEST_NAME],
    name_len: u8,
    /// Bytes of a line that nobody wants: a comment, an unknown field.
    skipped: usize,
    /// Bytes the block holds so far: data with its separators, type, id.
    size: usize,
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

/// What is reported beside events. Nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Report comments, as [`Item::Comment`].
    pub comments: bool,
    /// Report blocks that dispatch nothing because they have no `data` line, as [`Item::Block`]: they may still have set
    /// the last event ID or the reconnection time.
    pub blocks: bool,
}

impl Report {
    /// Comments and blocks without data.
    pub const ALL: Self = Self { comments: true, blocks: true };
}

/// Something whole that came out of the input, still to be looked at by [`Decoder::lend`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Token<'i> {
    kind: Kind,
    has_type: bool,
    /// Its bytes, if they lie inside the chunk.
    bytes: Option<&'i [u8]>,
}

/// What one step comes to.
type Step<'i> = Result<Option<Token<'i>>, Exceeded>;

/// A [`LimitExceeded`] that is still inside.
struct Exceeded;

/// What has been searched of a block that turned out to be unusual: the start of its `data` line, behind the `event`
/// line if it `has_type`.
#[derive(Clone, Copy)]
struct Start<'i> {
    has_type: bool,
    after_colon: &'i [u8],
    /// Where the line ends, if it does.
    end: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Event,
    Comment,
    Block,
}

/// What a [`Token`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'d> {
    /// An event.
    Event(Event<'d>),
    /// A comment: what stands behind the colon. Only if [asked for](Decoder::reporting).
    Comment(&'d [u8]),
    /// A block without data. Only if [asked for](Decoder::reporting).
    Block,
}

/// An event, lent until the next bytes are fed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'d> {
    event_type: &'d [u8],
    data: &'d [u8],
    id: &'d [u8],
}

impl<'d> Event<'d> {
    /// The type: the value of the last `event` line, `message` if there was none or it was empty.
    pub fn event_type(&self) -> Cow<'d, str> {
        text(self.event_type)
    }

    /// The type's bytes, as they came.
    #[inline]
    pub fn event_type_bytes(&self) -> &'d [u8] {
        self.event_type
    }

    /// The data: the values of all `data` lines, joined by LF.
    pub fn data(&self) -> Cow<'d, str> {
        text(self.data)
    }

    /// The data's bytes, as they came. Whoever parses them checks UTF-8 on the way and saves a pass.
    #[inline]
    pub fn data_bytes(&self) -> &'d [u8] {
        self.data
    }

    /// The last event ID string at the time of the event.
    pub fn id(&self) -> Cow<'d, str> {
        text(self.id)
    }

    /// The last event ID's bytes, as they came.
    #[inline]
    pub fn id_bytes(&self) -> &'d [u8] {
        self.id
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_type", &self.event_type())
            .field("data", &self.data())
            .field("id", &self.id())
            .finish()
    }
}

/// An event, or a line on its way to be none, was larger than the decoder may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitExceeded {
    /// The limit, in bytes.
    pub limit: usize,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event is larger than the limit of {} bytes", self.limit)
    }
}

impl std::error::Error for LimitExceeded {}

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
            name: [0; LONGEST_NAME],
            name_len: 0,
            skipped: 0,
            size: 0,
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

    /// The half of [`next`](Self::next) that lends: what the newest token stands for.
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
        // An old token may find less than there was.
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
        let mut held = None;
        if let Some(Start { has_type, after_colon, end }) = start {
            if has_type {
                self.same_type()?;
            }
            self.take_data(input, &mut held, after_colon, end)?;
        } else if !matches!(self.state, State::Line) {
            let token = self.resume(input)?;
            if token.is_some() || input.is_empty() {
                return Ok(token);
            }
        }
        self.lines(input, held)
    }

    // Whole lines.

    /// Takes an event of the usual shape at once, where a block starts: the `event` line that came last or none, one
    /// `data` line, the blank line. That leaves no trace in the decoder, hence its speed. Of another shape, what has
    /// been searched is given back.
    #[inline]
    fn usual_event<'i>(&mut self, input: &mut &'i [u8]) -> Result<Token<'i>, Option<Start<'i>>> {
        // Two calls rather than one of a choice: the processor then goes on before the comparison is through.
        match self.after_same_type(input) {
            Some(rest) => self.usual_data(input, rest, true),
            None => self.usual_data(input, input, false),
        }
    }

    /// The rest of it, once it is known whether there is an `event` line.
    #[inline(always)]
    fn usual_data<'i>(
        &mut self,
        input: &mut &'i [u8],
        rest: &'i [u8],
        has_type: bool,
    ) -> Result<Token<'i>, Option<Start<'i>>> {
        let after_colon = rest.strip_prefix(b"data:").ok_or(None)?;
        let end = self.find_line_end(after_colon);
        if let Some(len) = end
            && let Some(rest) = after_line_end(&after_colon[len..])
            && let Some(rest) = after_line_end(rest)
        {
            let value = strip_space(&after_colon[..len]);
            let type_len = if has_type { self.type_line.len() - self.type_start } else { 0 };
            if type_len + value.len() <= self.limit {
                *input = rest;
                return Ok(Token { kind: Kind::Event, has_type, bytes: Some(value) });
            }
        }
        Err(Some(Start { has_type, after_colon, end }))
    }

    /// Reads lines until a token is whole or the input is used up. `held` is the value of the block's first `data` line
    /// for as long as it can be lent from the chunk.
    fn lines<'i>(&mut self, input: &mut &'i [u8], mut held: Option<&'i [u8]>) -> Step<'i> {
        while let Some(&first) = input.first() {
            if matches!(first, b'\n' | b'\r') {
                self.take_line_end(input);
                let token = self.end_block(held.take());
                if token.is_some() {
                    return Ok(token);
                }
            } else if let Some(after_colon) = input.strip_prefix(b"data:") {
                let end = self.find_line_end(after_colon);
                self.take_data(input, &mut held, after_colon, end)?;
            } else if let Some(rest) = self.after_same_type(input) {
                *input = rest;
                self.same_type()?;
            } else if let Some(len) = self.find_line_end(input) {
                let (line, rest) = input.split_at(len);
                *input = rest;
                self.take_line_end(input);
                let token = self.whole_line(&mut held, line)?;
                if token.is_some() {
                    self.keep(&mut held);
                    return Ok(token);
                }
            } else {
                self.keep(&mut held);
                let piece = std::mem::take(input);
                if let Some(colon) = find_colon(piece) {
                    let field = Field::of(&piece[..colon]);
                    self.open_value(field, colon + 1)?;
                    self.after_colon(field, &piece[colon + 1..])?;
                } else {
                    self.state = State::Name;
                    self.name_len = 0;
                    self.name_piece(piece)?;
                }
            }
        }
        self.keep(&mut held);
        Ok(None)
    }

    #[inline]
    fn find_line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = find_line_end(bytes);
        #[cfg(test)]
        {
            self.scanned += found.unwrap_or(bytes.len()) as u64;
        }
        found
    }

    /// Drops the line end that the input starts with.
    #[inline]
    fn take_line_end(&mut self, input: &mut &[u8]) {
        *input = after_line_end(input).unwrap_or_else(|| {
            self.after_cr = true;
            self.state = State::Pause;
            &[]
        });
    }

    /// Takes a `data` line, whose end, if it is there, is so many bytes behind the colon.
    #[inline(always)]
    fn take_data<'i>(
        &mut self,
        input: &mut &'i [u8],
        held: &mut Option<&'i [u8]>,
        after_colon: &'i [u8],
        end: Option<usize>,
    ) -> Result<(), Exceeded> {
        match end {
            Some(len) => {
                let (value, rest) = after_colon.split_at(len);
                *input = rest;
                self.take_line_end(input);
                self.data_line(held, strip_space(value))
            }
            None => {
                *input = &[];
                self.keep(held);
                self.open_value(Field::Data, b"data:".len())?;
                self.after_colon(Field::Data, after_colon)
            }
        }
    }

    /// Takes the value of a whole `data` line. The first of a block is held for lending, a second one makes both go to
    /// `data`.
    #[inline(always)]
    fn data_line<'i>(&mut self, held: &mut Option<&'i [u8]>, value: &'i [u8]) -> Result<(), Exceeded> {
        if self.seen & DATA == 0 {
            self.seen |= DATA;
            *held = Some(value);
            self.grow(value.len())
        } else {
            self.keep(held);
            self.grow(1 + value.len())?;
            self.data.push(b'\n');
            self.data.extend_from_slice(value);
            Ok(())
        }
    }

    fn whole_line<'i>(&mut self, held: &mut Option<&'i [u8]>, line: &'i [u8]) -> Step<'i> {
        let (name, value) = match find_colon(line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let field = Field::of(name);
        match field {
            Field::Data => self.data_line(held, strip_space(value))?,
            Field::Event => {
                self.open_type();
                self.type_piece(strip_space(value))?;
            }
            Field::Id | Field::Retry => {
                let value = strip_space(value);
                self.admit(value.len())?;
                if field == Field::Retry {
                    self.set_retry(value);
                } else if self.accepts_id(value) {
                    self.next_id.clear();
                    self.next_id.extend_from_slice(value);
                }
            }
            Field::Comment | Field::Unknown => {
                self.admit(line.len())?;
                if field == Field::Comment && self.report.comments {
                    return Ok(Some(Token { kind: Kind::Comment, has_type: false, bytes: Some(value) }));
                }
            }
        }
        Ok(None)
    }

    /// What follows the `event` line, if the input starts with the one that came last and all of its line end.
    #[inline]
    fn after_same_type<'i>(&self, input: &'i [u8]) -> Option<&'i [u8]> {
        let (line, rest) = input.split_at_checked(self.type_line.len())?;
        if line.is_empty() || line != self.type_line {
            return None;
        }
        after_line_end(rest)
    }

    /// Takes the `event` line that stands in `type_line` already.
    #[inline]
    fn same_type(&mut self) -> Result<(), Exceeded> {
        if self.seen & TYPE == 0 {
            self.seen |= TYPE;
            self.grow(self.type_line.len() - self.type_start)?;
        }
        Ok(())
    }

    /// A blank line: commits the id, dispatches the event if the block has data.
    #[inline]
    fn end_block<'i>(&mut self, held: Option<&'i [u8]>) -> Option<Token<'i>> {
        let seen = std::mem::take(&mut self.seen);
        let size = std::mem::take(&mut self.size);
        if seen & NEXT_ID != 0 {
            std::mem::swap(&mut self.last_id, &mut self.next_id);
            cap(&mut self.next_id);
            if self.last_id.capacity() > RETAINED {
                self.last_id.shrink_to_fit();
            }
        }
        if seen & DATA != 0 {
            if size > RETAINED || self.data.capacity() > RETAINED {
                self.spent = true;
                self.state = State::Pause;
            }
            return Some(Token { kind: Kind::Event, has_type: seen & TYPE != 0, bytes: held });
        }
        cap(&mut self.type_line);
        let reported = self.report.blocks && seen != 0;
        reported.then_some(Token { kind: Kind::Block, has_type: false, bytes: None })
    }

    // Lines that are cut.

    /// Goes on in the value of a `data` line. Whether that used the chunk up; a limit passed is left to
    /// [`step`](Self::step).
    fn data_piece(&mut self, input: &mut &[u8]) -> bool {
        let end = self.find_line_end(input);
        let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
        if self.grow(piece.len()).is_err() {
            return false;
        }
        self.data.extend_from_slice(piece);
        *input = rest;
        if end.is_some() {
            self.state = State::Line;
            self.take_line_end(input);
        }
        end.is_none()
    }

    /// Goes on where the chunk before ended, up to the next start of a line or the end of the input.
    fn resume<'i>(&mut self, input: &mut &'i [u8]) -> Step<'i> {
        match self.state {
            State::Line => return Ok(None),
            State::Pause => {
                self.go_on(input);
                return Ok(None);
            }
            State::Bom(matched) => {
                self.skip_bom(matched, input);
                if matches!(self.state, State::Line) || input.is_empty() {
                    return Ok(None);
                }
            }
            State::Failed if input.is_empty() => return Ok(None),
            State::Failed => return Err(Exceeded),
            State::Name | State::Colon(_) | State::Value(_) => {}
        }
        let end = self.find_line_end(input);
        let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
        *input = rest;
        match self.state {
            State::Value(field) => self.value_piece(field, piece)?,
            State::Colon(field) => self.after_colon(field, piece)?,
            _ => self.name_piece(piece)?,
        }
        if end.is_none() {
            return Ok(None);
        }
        let token = self.close_line();
        self.take_line_end(input);
        token
    }

    /// Does what is due before the next line.
    fn go_on(&mut self, input: &mut &[u8]) {
        if std::mem::take(&mut self.spent) {
            if self.data.len() < LARGE || self.data.capacity() > RETAINED_IN_USE {
                cap(&mut self.data);
            }
            cap(&mut self.type_line);
        }
        cap(&mut self.value);
        if self.after_cr && input.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_cr) {
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        self.state = State::Line;
    }

    fn skip_bom(&mut self, matched: usize, input: &mut &[u8]) {
        let wanted = &BOM[matched..];
        let same = wanted.iter().zip(*input).take_while(|(wanted, byte)| wanted == byte).count();
        if same == wanted.len() {
            *input = &input[same..];
            self.state = State::Line;
        } else if same == input.len() {
            *input = &[];
            self.state = State::Bom(matched + same);
        } else if matched == 0 {
            self.state = State::Line;
        } else {
            // What looked like a mark begins a name.
            self.state = State::Name;
            self.name[..matched].copy_from_slice(&BOM[..matched]);
            self.name_len = matched as u8;
        }
    }

    fn name_piece(&mut self, piece: &[u8]) -> Result<(), Exceeded> {
        for (n, &byte) in piece.iter().enumerate() {
            let len = usize::from(self.name_len);
            if byte == b':' {
                let field = Field::of(&self.name[..len]);
                self.open_value(field, len + 1)?;
                return self.after_colon(field, &piece[n + 1..]);
            }
            let Some(place) = self.name.get_mut(len) else {
                self.open_value(Field::Unknown, len)?;
                return self.value_piece(Field::Unknown, &piece[n..]);
            };
            *place = byte;
            self.name_len += 1;
        }
        Ok(())
    }

    fn after_colon(&mut self, field: Field, piece: &[u8]) -> Result<(), Exceeded> {
        if piece.is_empty() {
            self.state = State::Colon(field);
            return Ok(());
        }
        self.state = State::Value(field);
        match field {
            Field::Comment | Field::Unknown => self.value_piece(field, piece),
            _ => self.value_piece(field, strip_space(piece)),
        }
    }

    /// The field of a cut line is known, its value begins; `before` bytes of the line have passed.
    fn open_value(&mut self, field: Field, before: usize) -> Result<(), Exceeded> {
        self.state = State::Value(field);
        match field {
            Field::Data if self.seen & DATA != 0 => {
                self.grow(1)?;
                self.data.push(b'\n');
            }
            Field::Data => {
                self.seen |= DATA;
                self.data.clear();
            }
            Field::Event => self.open_type(),
            Field::Id | Field::Retry => self.value.clear(),
            Field::Comment | Field::Unknown => {
                self.value.clear();
                self.skipped = before;
                self.admit(self.skipped)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn value_piece(&mut self, field: Field, piece: &[u8]) -> Result<(), Exceeded> {
        match field {
            Field::Data => {
                self.grow(piece.len())?;
                append(&mut self.data, piece);
            }
            Field::Event => self.type_piece(piece)?,
            Field::Id | Field::Retry => {
                self.admit(self.value.len() + piece.len())?;
                self.value.extend_from_slice(piece);
            }
            Field::Comment | Field::Unknown => {
                self.skipped += piece.len();
                self.admit(self.skipped)?;
                if field == Field::Comment && self.report.comments {
                    self.value.extend_from_slice(piece);
                }
            }
        }
        Ok(())
    }

    /// The end of a line that was cut.
    fn close_line<'i>(&mut self) -> Step<'i> {
        let field = match self.state {
            State::Colon(field) | State::Value(field) => field,
            _ => {
                let field = Field::of(&self.name[..usize::from(self.name_len)]);
                self.open_value(field, self.name_len.into())?;
                field
            }
        };
        self.state = State::Line;
        match field {
            Field::Data | Field::Event | Field::Unknown => {}
            Field::Id => {
                let value = std::mem::take(&mut self.value);
                let accepted = self.accepts_id(&value);
                self.value = value;
                if accepted {
                    std::mem::swap(&mut self.value, &mut self.next_id);
                }
                cap(&mut self.value);
            }
            Field::Retry => {
                let value = std::mem::take(&mut self.value);
                self.set_retry(&value);
                self.value = value;
                cap(&mut self.value);
            }
            Field::Comment if self.report.comments => {
                // It is lent from `value`, which may have to be capped after that.
                self.state = State::Pause;
                return Ok(Some(Token { kind: Kind::Comment, has_type: false, bytes: None }));
            }
            Field::Comment => {}
        }
        Ok(None)
    }

    // Fields.

    /// Begins an `event` line: its value replaces the type that the block has.
    fn open_type(&mut self) {
        const NAME: &[u8] = b"event: ";
        if self.seen & TYPE != 0 {
            self.size -= self.type_line.len() - self.type_start;
        }
        self.seen |= TYPE;
        self.type_line.clear();
        cap(&mut self.type_line);
        self.type_line.extend_from_slice(NAME);
        self.type_start = NAME.len();
    }

    fn type_piece(&mut self, piece: &[u8]) -> Result<(), Exceeded> {
        self.grow(piece.len())?;
        append(&mut self.type_line, piece);
        Ok(())
    }

    /// Notes an `id` line. Whether its value is to become `next_id`.
    fn accepts_id(&mut self, value: &[u8]) -> bool {
        self.seen |= ID;
        if memchr::memchr(0, value).is_some() {
            return false;
        }
        if self.seen & NEXT_ID != 0 {
            self.size -= self.next_id.len();
        }
        self.seen |= NEXT_ID;
        self.size += value.len();
        true
    }

    fn set_retry(&mut self, value: &[u8]) {
        self.seen |= RETRY;
        if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
            let digits = value.iter().map(|digit| u64::from(digit - b'0'));
            self.retry = Some(digits.fold(0, |ms: u64, digit| ms.saturating_mul(10).saturating_add(digit)));
        }
    }

    // The memory of a block.

    /// Counts `len` bytes towards the block's size.
    #[inline]
    fn grow(&mut self, len: usize) -> Result<(), Exceeded> {
        self.admit(len)?;
        self.size += len;
        Ok(())
    }

    /// Whether `len` bytes more than the block's size would still be within the limit.
    #[inline]
    fn admit(&self, len: usize) -> Result<(), Exceeded> {
        if len > self.limit - self.size { Err(Exceeded) } else { Ok(()) }
    }

    /// Copies the held value to `data`: it can't be lent any longer.
    #[inline]
    fn keep(&mut self, held: &mut Option<&[u8]>) {
        if let Some(value) = held.take() {
            self.data.clear();
            self.data.extend_from_slice(value);
        }
    }
}

/// Gives back what is too large to keep.
#[inline]
fn cap(scratch: &mut Vec<u8>) {
    if scratch.capacity() > RETAINED {
        *scratch = Vec::new();
    }
}

/// Appends a piece, which often is a single byte when it is not large.
#[inline]
fn append(buffer: &mut Vec<u8>, piece: &[u8]) {
    match piece {
        [byte] => buffer.push(*byte),
        _ => buffer.extend_from_slice(piece),
    }
}

#[inline]
fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Where the first line end is.
///
/// Lines of text mostly end before a search made for long ones has been called and set up, so the first bytes are
/// looked at here, 16 at once: the compiler makes two comparisons of vectors of the closure. Always inlined, which is a
/// twentieth of the time on small pieces.
#[inline(always)]
fn find_line_end(bytes: &[u8]) -> Option<usize> {
    const SHORT: usize = 128;
    let mut at = 0;
    while let Some(lane) = bytes[at..].first_chunk::<16>() {
        let hits = u128::from_le_bytes(lane.map(|byte| if is_line_end(byte) { 0xff } else { 0 }));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 16;
        if at == SHORT {
            return memchr::memchr2(b'\n', b'\r', &bytes[at..]).map(|found| at + found);
        }
    }
    bytes[at..].iter().position(|&byte| is_line_end(byte)).map(|found| at + found)
}

/// Where the colon is, if it comes so early that the name before it can mean something.
#[inline]
fn find_colon(line: &[u8]) -> Option<usize> {
    line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':')
}

/// What follows the line end that these bytes start with. A CR that is the last byte may not be all of it.
#[inline]
fn after_line_end(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some(rest),
        [b'\r', rest @ ..] if !rest.is_empty() => Some(rest),
        _ => None,
    }
}

/// A value without the one space that may stand before it.
#[inline]
fn strip_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// The bytes as text. Valid UTF-8 is checked faster than it is searched for what to replace.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
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
        let long = "x".repeat(4 * 1024 * 1024);
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
            let body = event.repeat(2 * 1024 * 1024 / event.len());
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

    #[test]
    fn line_ends_are_found_wherever_they_are() {
        for len in 0..80 {
            for at in 0..len {
                for end in [b'\n', b'\r'] {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = end;
                    assert_eq!(find_line_end(&bytes), Some(at));
                    bytes[len - 1] = b'\n';
                    assert_eq!(find_line_end(&bytes), Some(at));
                }
            }
            // The neighbours of LF and CR, and what wrapping arithmetic takes for them.
            assert_eq!(find_line_end(&b"\x09\x0b\x0c\x0e\x8a\x8d\x00\xff".repeat(len)), None);
        }
    }
}
