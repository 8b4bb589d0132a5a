//! Response bodies: their bytes, and the events that a client should read from them.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chat_client::{Citation, Citations, Event, FinishReason, OtherEvent, Record, RecordType, SessionId, TextDelta};

/// A response body.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// The events in the body, in order.
    pub items: Vec<BodyItem>,
    /// The end offset of each event, comment and line that was written.
    pub marks: Vec<usize>,
    /// The lines of a stream.
    pub lines: Vec<Line>,
    /// The end offset of each block with a field, including blocks that dispatch no event.
    pub blocks: Vec<usize>,
}

/// A line of an event stream.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its byte range, including the line end.
    pub bytes: Range<usize>,
    /// Its kind.
    pub kind: LineKind,
}

/// Kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A field of an event: `data`, `event`, `id`.
    Field,
    /// The `event` line of a ping.
    Ping,
    /// A field that is not part of an event: `retry`, an unknown field.
    Other,
    /// A comment.
    Comment,
    /// A blank line.
    Blank,
}

/// An event in a body, and what a client should do with it.
#[derive(Clone, Debug, Default)]
pub struct BodyItem {
    /// Number of bytes of the body after which it is complete.
    pub complete_at: usize,
    /// Its data.
    pub data: String,
    /// Length of its type and data.
    pub counted_len: usize,
    /// The events that the client returns for it.
    pub events: Vec<Event>,
    /// What follows these events.
    pub then: Then,
    /// Whether it has a finish reason, which makes a completion complete.
    pub completes: bool,
    /// What the client holds back after it.
    pub held: Arc<Held>,
}

/// What follows the events of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// The answer continues.
    #[default]
    More,
    /// The call ends: the server sent an error.
    Error,
    /// The call ends: the data is malformed.
    Garbage,
    /// The call ends: the object is an error.
    Failure,
    /// The call ends: the answer is complete.
    Done,
}

/// What a client holds back until the answer ends.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The events that come if the answer ends here.
    pub events: Vec<Event>,
    /// Number of bytes that are held in addition to the answer.
    pub bytes: usize,
}

/// Builder of a [`Body`].
#[derive(Clone, Debug)]
pub struct Writer {
    text: String,
    items: Vec<BodyItem>,
    marks: Vec<usize>,
    lines: Vec<Line>,
    blocks: Vec<usize>,
    line_end: &'static str,
    session: Option<SessionId>,
    last_id: String,
    /// Whether the current block has a field that the standard defines.
    in_block: bool,
    /// Whether the current block has an `id` line.
    has_id: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new("\n")
    }
}

impl Writer {
    /// Creates an event stream with this line end: LF, CR LF or CR.
    pub fn new(line_end: &'static str) -> Self {
        Self {
            text: String::new(),
            items: Vec::new(),
            marks: Vec::new(),
            lines: Vec::new(),
            blocks: Vec::new(),
            line_end,
            session: None,
            last_id: String::new(),
            in_block: false,
            has_id: false,
        }
    }

    /// Adds a byte order mark. It is only valid at the start.
    pub fn bom(mut self) -> Self {
        self.text.push('\u{feff}');
        self
    }

    /// Sets the session id of the following chunks.
    pub fn session(mut self, id: &str) -> Self {
        self.session = Some(SessionId::from(id));
        self
    }

    /// Adds a chunk of text.
    pub fn chunk(self, text: &str) -> Self {
        self.message(text, None)
    }

    /// Adds the last chunk of text, with a finish reason.
    pub fn last(self, text: &str, reason: &str) -> Self {
        self.message(text, Some(reason))
    }

    fn message(self, text: &str, reason: Option<&str>) -> Self {
        let mut data = format!(r#"{{"content_chunk":"{}""#, Escaped(text));
        if let Some(id) = &self.session {
            write!(data, r#","chat_session_id":"{}""#, &**id).expect("memory");
        }
        if let Some(reason) = reason {
            write!(data, r#","finish_reason":"{reason}""#).expect("memory");
        }
        data.push('}');
        let mut chunk = TextDelta::new(text);
        chunk.session_id.clone_from(&self.session);
        chunk.finish_reason = reason.map(FinishReason::from);
        self.event("message_chunk", &data, BodyItem::of(Event::Text(chunk)))
    }

    /// Adds an event with `count` citations.
    pub fn cited(self, count: usize) -> Self {
        let (data, cited) = citations(count);
        self.event("records_cited", &data, BodyItem::of(Event::Citations(Arc::new(cited))))
    }

    /// Adds an event of an unknown type.
    pub fn other(self, event_type: &str, data: &str) -> Self {
        let event = OtherEvent::new(event_type, data, &*self.last_id);
        self.event(event_type, data, BodyItem::of(Event::Other(Box::new(event))))
    }

    /// Adds an `error` event.
    pub fn error(self, data: &str) -> Self {
        self.event("error", data, BodyItem::ending(Then::Error))
    }

    /// Adds a malformed chunk.
    pub fn garbage(self, data: &str) -> Self {
        self.event("message_chunk", data, BodyItem::ending(Then::Garbage))
    }

    /// Adds a comment, followed by a blank line as many servers send it.
    pub fn comment(mut self, text: &str) -> Self {
        self.push(&format!(":{text}"), LineKind::Comment);
        self.blank().mark()
    }

    /// Adds a blank line.
    pub fn blank(mut self) -> Self {
        self.push("", LineKind::Blank);
        if std::mem::take(&mut self.in_block) {
            // A blank line is complete at the first byte of its line end.
            self.blocks.push(self.text.len() - self.line_end.len() + 1);
        }
        self.has_id = false;
        self
    }

    /// Adds a line to the block that is written next. A second id in a block is ignored.
    pub fn line(mut self, line: &str) -> Self {
        let kind = match line.split_once(": ") {
            Some(("id", _)) if self.has_id => return self,
            Some(("id", id)) => {
                id.clone_into(&mut self.last_id);
                self.has_id = true;
                LineKind::Field
            }
            _ => LineKind::Other,
        };
        self.in_block |= kind == LineKind::Field || line.starts_with("retry:");
        self.push(line, kind);
        self.mark()
    }

    /// Adds an event. Without a type, it has no `event` line. Each line of the data becomes a line.
    pub(super) fn event(mut self, event_type: &str, data: &str, item: BodyItem) -> Self {
        let kind = if is_ping(event_type) { LineKind::Ping } else { LineKind::Field };
        if !event_type.is_empty() {
            self.push(&format!("event: {event_type}"), kind);
        }
        data.split('\n').for_each(|line| self.push(&format!("data: {line}"), LineKind::Field));
        self.items.push(BodyItem {
            complete_at: self.text.len() + 1,
            data: data.to_owned(),
            counted_len: event_type.len() + data.len(),
            ..item
        });
        self.in_block = true;
        self.blank().mark()
    }

    fn push(&mut self, line: &str, kind: LineKind) {
        let start = self.text.len();
        self.text += line;
        self.text += self.line_end;
        self.lines.push(Line { bytes: start..self.text.len(), kind });
    }

    /// Marks the current offset as a boundary.
    pub fn mark(mut self) -> Self {
        self.marks.push(self.text.len());
        self
    }

    /// Returns the last event ID string.
    pub(super) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Returns the number of bytes written so far.
    pub fn written(&self) -> usize {
        self.text.len()
    }

    /// Returns the body.
    pub fn body(self) -> Body {
        Body { bytes: self.text.into(), items: self.items, marks: self.marks, lines: self.lines, blocks: self.blocks }
    }
}

impl BodyItem {
    /// Creates an item with one event.
    pub(super) fn of(event: Event) -> Self {
        Self { events: vec![event], ..Self::default() }
    }

    /// Creates an item that ends the call.
    pub(super) fn ending(then: Then) -> Self {
        Self { then, ..Self::default() }
    }
}

impl Body {
    /// Creates a JSON answer.
    pub fn json(text: &str, session: &str, cited: Option<usize>) -> Self {
        let mut json =
            format!(r#"{{"chat_session_id":"{session}","message":{{"role":"assistant","content":"{}""#, Escaped(text));
        let mut chunk = TextDelta::new(text);
        chunk.session_id = Some(SessionId::from(session));
        let mut events = vec![Event::Text(chunk)];
        if let Some(count) = cited {
            let (data, cited) = citations(count);
            write!(json, r#","records_cited":{data}"#).expect("memory");
            events.push(Event::Citations(Arc::new(cited)));
        }
        json += "}}";
        let complete_at = json.len();
        let items = vec![BodyItem { complete_at, events, ..BodyItem::default() }];
        Self { bytes: json.into(), items, ..Self::default() }
    }

    /// Creates a JSON answer that does not match the schema.
    pub fn bad_json() -> Self {
        let json = r#"{"chat_session_id":"s","message":{"role":"assistant"}}"#;
        let items = vec![BodyItem { complete_at: json.len(), ..BodyItem::ending(Then::Garbage) }];
        Self { bytes: Bytes::from_static(json.as_bytes()), items, ..Self::default() }
    }

    /// Creates a completion in one JSON object.
    pub(super) fn object(json: &str, item: BodyItem) -> Self {
        let items = vec![BodyItem { complete_at: json.len(), data: json.to_owned(), ..item }];
        Self { bytes: Bytes::copy_from_slice(json.as_bytes()), items, ..Self::default() }
    }

    /// Puts white space before the body.
    #[must_use]
    pub fn behind(mut self, white_space: &str) -> Self {
        self.bytes = [white_space.as_bytes(), &self.bytes].concat().into();
        for item in &mut self.items {
            item.complete_at += white_space.len();
            item.data.insert_str(0, white_space);
            // The raw chunk is the whole body.
            if let Some(Event::Chunk(json)) = item.events.first_mut() {
                *json = format!("{white_space}{json}").into();
            }
        }
        self
    }

    /// Returns the size of the unfinished event after the first `received` bytes.
    pub fn unfinished(&self, received: usize) -> usize {
        let start = self.blocks.iter().copied().filter(|end| *end <= received).max().unwrap_or(0);
        let mut size = 0;
        for line in self.lines.iter().filter(|line| line.bytes.end > start && line.bytes.start < received) {
            let bytes = line.bytes.end.min(received) - line.bytes.start;
            let text = &self.bytes[line.bytes.clone()];
            let name_end = text.iter().take_while(|byte| !byte.is_ascii_control()).count();
            match line.kind {
                // The type is known at the first byte of the line end.
                LineKind::Ping if bytes > name_end => return 0,
                LineKind::Field | LineKind::Ping => size += bytes,
                LineKind::Other | LineKind::Comment | LineKind::Blank => {}
            }
        }
        size
    }

    /// Creates the body of an error response.
    pub fn text(text: &str) -> Self {
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()), ..Self::default() }
    }
}

/// Returns whether events of this type are keep-alives.
pub(super) fn is_ping(event_type: &str) -> bool {
    ["ping", "heartbeat", "keepalive", "keep-alive"].contains(&event_type.to_ascii_lowercase().as_str())
}

fn citations(count: usize) -> (String, Citations) {
    let mut json = String::from(r#"{"citations":["#);
    let mut all = Vec::new();
    for number in 1..=count {
        let comma = if number > 1 { "," } else { "" };
        let one = format!(r#"{comma}{{"number":{number},"record":{{"type":"site","url":"u{number}"}}}}"#);
        json += &one;
        let mut record = Record::new(RecordType::Site);
        record.url = Some(format!("u{number}"));
        all.push(Citation::new(number as i64, record));
    }
    json += "]}";
    (json, Citations::new(all))
}

/// Formats text as the content of a JSON string.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}
