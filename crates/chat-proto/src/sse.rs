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

/// The most that buffers keep from one event to the next.
const RETAINED: usize = 64 * 1024;

const BOM: [u8; 3] = *b"\xef\xbb\xbf";

/// The longest name of a field that means something: `event`, `retry`.
const LONGEST_NAME: usize = 5;

/// The decoder. See the [module](self) for what it does.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The chunk before ended with a CR: a LF at the start of the next belongs to it.
    skip_lf: bool,
    /// A limit was passed: nothing more is decoded.
    failed: bool,
    /// The data in `data` was handed out: it goes before the next byte is taken.
    spent: bool,
    /// A whole `data`, `event` or `id` line came since the last blank line.
    pending: bool,
    report: Report,
    /// The start of a name whose colon has not come yet.
    name: [u8; LONGEST_NAME],
    name_len: u8,
    /// The block has a `data` line, whether its value is in `data` or held in the chunk.
    has_data: bool,
    /// The block has an `event` line: its type is `type_line[type_start..]`.
    has_type: bool,
    has_id: bool,
    /// Bytes of a line that nobody wants: a comment, an unknown field.
    skipped: usize,
    /// Bytes the block holds so far: data with its separators, type, id.
    size: usize,
    limit: usize,
    data: Vec<u8>,
    /// The last `event` line as a whole. Streams repeat their types, so the next one is first compared with it.
    type_line: Vec<u8>,
    type_start: usize,
    /// The id that the next blank line commits.
    next_id: Vec<u8>,
    last_id: Vec<u8>,
    /// The value, so far, of an `event`, `id`, `retry` or reported comment line that is cut.
    value: Vec<u8>,
    retry: Option<u64>,
    #[cfg(test)]
    scanned: u64,
}

/// Where in a line the last chunk ended.
#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes of a byte order mark, at the very start.
    Bom(usize),
    /// Between two lines.
    Line,
    /// In a name that fits in `name`.
    Name,
    /// Behind the colon, where one space may still come.
    Colon(Field),
    /// In a value.
    Value(Field),
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
        String::from_utf8_lossy(self.event_type)
    }

    /// The type's bytes, as they came.
    pub fn event_type_bytes(&self) -> &'d [u8] {
        self.event_type
    }

    /// The data: the values of all `data` lines, joined by LF.
    pub fn data(&self) -> Cow<'d, str> {
        String::from_utf8_lossy(self.data)
    }

    /// The data's bytes, as they came. Whoever parses them checks UTF-8 on the way and saves a pass.
    pub fn data_bytes(&self) -> &'d [u8] {
        self.data
    }

    /// The last event ID string at the time of the event.
    pub fn id(&self) -> Cow<'d, str> {
        String::from_utf8_lossy(self.id)
    }

    /// The last event ID's bytes, as they came.
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
            skip_lf: false,
            failed: false,
            spent: false,
            pending: false,
            report: Report::default(),
            name: [0; LONGEST_NAME],
            name_len: 0,
            has_data: false,
            has_type: false,
            has_id: false,
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
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<Result<Token<'i>, LimitExceeded>> {
        if self.spent {
            self.release();
        }
        if self.failed && !input.is_empty() {
            *input = &[];
            return Some(Err(LimitExceeded { limit: self.limit }));
        }
        let mut held = None;
        let token = self.run(input, &mut held);
        self.keep(&mut held);
        if token.is_err() {
            self.failed = true;
            *input = &[];
        }
        token.transpose()
    }

    /// The half of [`next`](Self::next) that lends: what the newest token stands for.
    pub fn lend<'d, 'i: 'd>(&'d self, token: Token<'i>) -> Item<'d> {
        match token.kind {
            Kind::Event => Item::Event(self.lend_event(token)),
            Kind::Comment => Item::Comment(token.bytes.unwrap_or(&self.value)),
            Kind::Block => Item::Block,
        }
    }

    fn lend_event<'d, 'i: 'd>(&'d self, token: Token<'i>) -> Event<'d> {
        let event_type = if token.has_type { &self.type_line[self.type_start..] } else { b"" };
        Event {
            event_type: if event_type.is_empty() { b"message" } else { event_type },
            data: token.bytes.unwrap_or(&self.data),
            id: &self.last_id,
        }
    }

    /// The last event ID string: what a `Last-Event-ID` header would carry. Blank lines commit it.
    pub fn last_event_id(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.last_id)
    }

    /// The reconnection time in milliseconds, if the stream set one. A number past 64 bits is the largest of them.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry
    }

    /// Whether the stream, if it ended here, would end inside an event, which is then discarded.
    ///
    /// That is so where a line has begun that is no comment, or a `data`, `event` or `id` line has come since the last
    /// blank line.
    pub fn is_incomplete(&self) -> bool {
        let in_line = match self.state {
            State::Line => false,
            State::Bom(matched) => matched > 0,
            State::Name => true,
            State::Colon(field) | State::Value(field) => field != Field::Comment,
        };
        self.failed || self.pending || in_line
    }

    /// Reads lines until a token is whole or the input is used up. `held` is the value of the block's first `data` line
    /// for as long as it can be lent from the chunk.
    #[inline]
    fn run<'i>(
        &mut self,
        input: &mut &'i [u8],
        held: &mut Option<&'i [u8]>,
    ) -> Result<Option<Token<'i>>, LimitExceeded> {
        if self.skip_lf && !input.is_empty() {
            self.skip_lf = false;
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        while let Some(&first) = input.first() {
            let token = match first {
                _ if !matches!(self.state, State::Line) => self.resume(input)?,
                b'\n' | b'\r' => {
                    self.skip_line(input, 0);
                    self.end_block(held.take())
                }
                b'd' if input.starts_with(b"data:") => {
                    let start = if input.get(5) == Some(&b' ') { 6 } else { 5 };
                    match self.find_line_end(&input[start..]) {
                        Some(len) => {
                            let value = &input[start..start + len];
                            self.skip_line(input, start + len);
                            self.data_line(held, value)?;
                            None
                        }
                        None => self.cut_line(input, held)?,
                    }
                }
                b'e' if self.repeats_type(input) => {
                    self.skip_line(input, self.type_line.len());
                    self.type_again()?;
                    None
                }
                _ => match self.find_line_end(input) {
                    Some(len) => {
                        let line = &input[..len];
                        self.skip_line(input, len);
                        self.whole_line(held, line)?
                    }
                    None => self.cut_line(input, held)?,
                },
            };
            if token.is_some() {
                return Ok(token);
            }
        }
        Ok(None)
    }

    /// Drops a line of `len` bytes and its end off the front of the input.
    #[inline]
    fn skip_line(&mut self, input: &mut &[u8], len: usize) {
        let ended_by_cr = input[len] == b'\r';
        *input = &input[len + 1..];
        if ended_by_cr {
            match input.first() {
                Some(b'\n') => *input = &input[1..],
                Some(_) => {}
                None => self.skip_lf = true,
            }
        }
    }

    #[inline]
    fn find_line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = match bytes {
            // Below this, the search's set-up costs more than the search.
            [] => None,
            [b'\n' | b'\r', ..] => Some(0),
            [_] => None,
            _ => memchr::memchr2(b'\n', b'\r', bytes),
        };
        #[cfg(test)]
        {
            self.scanned += found.unwrap_or(bytes.len()) as u64;
        }
        found
    }

    // Whole lines.

    fn whole_line<'i>(
        &mut self,
        held: &mut Option<&'i [u8]>,
        line: &'i [u8],
    ) -> Result<Option<Token<'i>>, LimitExceeded> {
        let colon = line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let field = Field::of(name);
        match field {
            Field::Data => self.data_line(held, strip_space(value))?,
            Field::Event | Field::Id | Field::Retry => {
                let value = strip_space(value);
                self.admit(value.len())?;
                self.set(field, value);
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

    /// Takes a whole `data` line. The first of a block is held for lending, a second one makes both go to `data`.
    #[inline]
    fn data_line<'i>(&mut self, held: &mut Option<&'i [u8]>, value: &'i [u8]) -> Result<(), LimitExceeded> {
        self.pending = true;
        if self.has_data {
            self.keep(held);
            self.break_data()?;
            self.grow(value.len())?;
            self.data.extend_from_slice(value);
        } else {
            self.grow(value.len())?;
            self.has_data = true;
            *held = Some(value);
        }
        Ok(())
    }

    /// Whether the input starts with the same `event` line that came last.
    #[inline]
    fn repeats_type(&self, input: &[u8]) -> bool {
        let len = self.type_line.len();
        len > 0 && input.len() > len && matches!(input[len], b'\n' | b'\r') && input[..len] == self.type_line[..]
    }

    /// Takes the `event` line that stands in `type_line` already.
    #[inline]
    fn type_again(&mut self) -> Result<(), LimitExceeded> {
        let len = self.type_line.len() - self.type_start;
        self.admit(len)?;
        if !self.has_type {
            self.has_type = true;
            self.size += len;
        }
        self.pending = true;
        Ok(())
    }

    /// Sets what a whole `event`, `id` or `retry` line sets.
    fn set(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Event => {
                if self.has_type {
                    self.size -= self.type_line.len() - self.type_start;
                }
                self.type_line.clear();
                self.type_line.extend_from_slice(b"event: ");
                self.type_start = self.type_line.len();
                self.type_line.extend_from_slice(value);
                self.has_type = true;
                self.size += value.len();
                self.pending = true;
            }
            Field::Id => {
                self.pending = true;
                if memchr::memchr(0, value).is_none() {
                    if self.has_id {
                        self.size -= self.next_id.len();
                    }
                    self.next_id.clear();
                    self.next_id.extend_from_slice(value);
                    self.has_id = true;
                    self.size += value.len();
                }
            }
            Field::Retry => {
                if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
                    let digits = value.iter().map(|digit| u64::from(digit - b'0'));
                    self.retry = Some(digits.fold(0, |ms: u64, digit| ms.saturating_mul(10).saturating_add(digit)));
                }
            }
            Field::Data | Field::Comment | Field::Unknown => {}
        }
    }

    /// A blank line: commits the id, dispatches the event if the block has data.
    #[inline]
    fn end_block<'i>(&mut self, held: Option<&'i [u8]>) -> Option<Token<'i>> {
        if self.has_id {
            self.has_id = false;
            std::mem::swap(&mut self.last_id, &mut self.next_id);
        }
        let token = if self.has_data {
            self.spent = held.is_none() || self.size > RETAINED;
            Some(Token { kind: Kind::Event, has_type: self.has_type, bytes: held })
        } else {
            if self.size > RETAINED {
                self.release();
            }
            let reported = self.report.blocks && self.pending;
            reported.then_some(Token { kind: Kind::Block, has_type: false, bytes: None })
        };
        self.has_data = false;
        self.has_type = false;
        self.pending = false;
        self.size = 0;
        token
    }

    // Lines that are cut.

    /// The whole input is the start of a line.
    fn cut_line<'i>(
        &mut self,
        input: &mut &'i [u8],
        held: &mut Option<&'i [u8]>,
    ) -> Result<Option<Token<'i>>, LimitExceeded> {
        self.keep(held);
        self.state = State::Name;
        self.name_len = 0;
        self.name_piece(std::mem::take(input))?;
        Ok(None)
    }

    /// Goes on where the chunk before ended, up to the end of the line or of the input.
    fn resume<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Token<'i>>, LimitExceeded> {
        if let State::Bom(matched) = self.state {
            self.skip_bom(matched, input)?;
            return Ok(None);
        }
        let end = self.find_line_end(input);
        let piece = &input[..end.unwrap_or(input.len())];
        match self.state {
            State::Name => self.name_piece(piece)?,
            State::Colon(field) => self.after_colon(field, piece)?,
            State::Value(field) => self.value_piece(field, piece)?,
            State::Bom(_) | State::Line => {}
        }
        match end {
            Some(len) => {
                self.skip_line(input, len);
                self.close_line()
            }
            None => {
                *input = &[];
                Ok(None)
            }
        }
    }

    fn skip_bom(&mut self, matched: usize, input: &mut &[u8]) -> Result<(), LimitExceeded> {
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
            // The bytes that looked like a mark begin a name that nobody knows.
            self.open_value(Field::Unknown, matched)?;
        }
        Ok(())
    }

    fn name_piece(&mut self, piece: &[u8]) -> Result<(), LimitExceeded> {
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

    fn after_colon(&mut self, field: Field, piece: &[u8]) -> Result<(), LimitExceeded> {
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
    fn open_value(&mut self, field: Field, before: usize) -> Result<(), LimitExceeded> {
        self.state = State::Value(field);
        self.value.clear();
        match field {
            Field::Data if self.has_data => self.break_data(),
            Field::Data => {
                self.has_data = true;
                Ok(())
            }
            Field::Comment | Field::Unknown => {
                self.skipped = before;
                self.admit(self.skipped)
            }
            Field::Event | Field::Id | Field::Retry => Ok(()),
        }
    }

    fn value_piece(&mut self, field: Field, piece: &[u8]) -> Result<(), LimitExceeded> {
        match field {
            Field::Data => {
                self.grow(piece.len())?;
                self.data.extend_from_slice(piece);
            }
            Field::Event | Field::Id | Field::Retry => {
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
    fn close_line<'i>(&mut self) -> Result<Option<Token<'i>>, LimitExceeded> {
        let field = match self.state {
            State::Name => {
                let field = Field::of(&self.name[..usize::from(self.name_len)]);
                self.open_value(field, self.name_len.into())?;
                field
            }
            State::Colon(field) | State::Value(field) => field,
            State::Bom(_) | State::Line => Field::Unknown,
        };
        self.state = State::Line;
        match field {
            Field::Data => self.pending = true,
            Field::Event | Field::Id | Field::Retry => {
                let value = std::mem::take(&mut self.value);
                self.set(field, &value);
                self.value = value;
            }
            Field::Comment if self.report.comments => {
                return Ok(Some(Token { kind: Kind::Comment, has_type: false, bytes: None }));
            }
            Field::Comment | Field::Unknown => {}
        }
        Ok(None)
    }

    // The memory of a block.

    /// Counts `len` bytes towards the block's size.
    #[inline]
    fn grow(&mut self, len: usize) -> Result<(), LimitExceeded> {
        self.admit(len)?;
        self.size += len;
        Ok(())
    }

    /// Whether `len` bytes more than the block's size would still be within the limit.
    #[inline]
    fn admit(&self, len: usize) -> Result<(), LimitExceeded> {
        if len > self.limit - self.size { Err(LimitExceeded { limit: self.limit }) } else { Ok(()) }
    }

    fn break_data(&mut self) -> Result<(), LimitExceeded> {
        self.grow(1)?;
        self.data.push(b'\n');
        Ok(())
    }

    /// Copies the held value to `data`: it can't be lent any longer.
    #[inline]
    fn keep(&mut self, held: &mut Option<&[u8]>) {
        if let Some(value) = held.take() {
            self.data.extend_from_slice(value);
        }
    }

    /// Forgets the event that was lent, and gives back what is too large to keep.
    fn release(&mut self) {
        self.spent = false;
        self.data.clear();
        for scratch in [&mut self.data, &mut self.next_id, &mut self.value] {
            if scratch.capacity() > RETAINED {
                *scratch = Vec::new();
            }
        }
        if self.type_line.capacity() > RETAINED {
            self.type_line = Vec::new();
            self.type_start = 0;
        }
    }
}

/// A value without the one space that may stand before it.
fn strip_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}
