//! What a server says, as bytes, beside what a client should make of it.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chat_client::{Citation, Citations, Event, FinishReason, OtherEvent, Record, RecordType, SessionId, TextDelta};

/// The body of an answer.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// What they say, in order.
    pub said: Vec<Said>,
    /// Where each thing ends that was written, comments too.
    pub marks: Vec<usize>,
    /// The lines of a stream.
    pub lines: Vec<Line>,
    /// How many bytes must have come until each block is finished that had a field, whether it was an event or not.
    pub blocks: Vec<usize>,
}

/// A line of a stream.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its bytes, line end included.
    pub bytes: Range<usize>,
    /// What it is.
    pub kind: LineKind,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Part of an event: `data`, `event`, `id`.
    Field,
    /// The `event` line of a ping.
    Ping,
    /// No part of an event: `retry`, an unknown field.
    Other,
    /// A comment.
    Comment,
    /// A blank line.
    Blank,
}

/// Something that a body says.
#[derive(Clone, Debug)]
pub struct Said {
    /// How many bytes must have come until it is whole.
    pub whole_at: usize,
    /// What it is.
    pub what: What,
    /// The length of its data.
    pub size: usize,
    /// The length of its type and data.
    pub carries: usize,
}

/// What a client should make of something said.
#[derive(Clone, Debug)]
pub enum What {
    /// It hands out this event.
    Event(Event),
    /// It ends: the server sent an `error` event.
    Error,
    /// It ends: this can't be read.
    Garbage,
}

impl What {
    /// The event, if it is one.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Error | Self::Garbage => None,
        }
    }
}

/// Writes a body.
#[derive(Clone, Debug)]
pub struct Writer {
    text: String,
    said: Vec<Said>,
    marks: Vec<usize>,
    lines: Vec<Line>,
    blocks: Vec<usize>,
    line_end: &'static str,
    session: Option<SessionId>,
    last_id: String,
    /// The block that is being written has a field that the standard knows.
    in_block: bool,
    /// And an `id` line.
    has_id: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new("\n")
    }
}

impl Writer {
    /// A stream of events whose lines end so: LF, CR LF or CR.
    pub fn new(line_end: &'static str) -> Self {
        Self {
            text: String::new(),
            said: Vec::new(),
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

    /// A byte order mark, which means something at the very start only.
    pub fn bom(mut self) -> Self {
        self.text.push('\u{feff}');
        self
    }

    /// From here on chunks bear this session's id.
    pub fn session(mut self, id: &str) -> Self {
        self.session = Some(SessionId::from(id));
        self
    }

    /// A piece of the text.
    pub fn chunk(self, text: &str) -> Self {
        self.message(text, None)
    }

    /// The piece that ends the text.
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
        self.event("message_chunk", &data, What::Event(Event::Text(chunk)))
    }

    /// So many citations.
    pub fn cited(self, count: usize) -> Self {
        let (data, cited) = citations(count);
        self.event("records_cited", &data, What::Event(Event::Citations(Arc::new(cited))))
    }

    /// An event of a type that no client knows.
    pub fn other(self, event_type: &str, data: &str) -> Self {
        let event = OtherEvent::new(event_type, data, &*self.last_id);
        self.event(event_type, data, What::Event(Event::Other(Box::new(event))))
    }

    /// An `error` event.
    pub fn error(self, data: &str) -> Self {
        self.event("error", data, What::Error)
    }

    /// A chunk that is none.
    pub fn garbage(self, data: &str) -> Self {
        self.event("message_chunk", data, What::Garbage)
    }

    /// A comment with the blank line that many servers send with it.
    pub fn comment(mut self, text: &str) -> Self {
        self.push(&format!(":{text}"), LineKind::Comment);
        self.blank().mark()
    }

    /// A blank line.
    pub fn blank(mut self) -> Self {
        self.push("", LineKind::Blank);
        if std::mem::take(&mut self.in_block) {
            // The first byte of a blank line's end is enough.
            self.blocks.push(self.text.len() - self.line_end.len() + 1);
        }
        self.has_id = false;
        self
    }

    /// A line of its own, in the block of what is written next. A block gets one id.
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

    fn event(mut self, event_type: &str, data: &str, what: What) -> Self {
        let kind = if is_ping(event_type) { LineKind::Ping } else { LineKind::Field };
        self.push(&format!("event: {event_type}"), kind);
        self.push(&format!("data: {data}"), LineKind::Field);
        self.said.push(Said {
            whole_at: self.text.len() + 1,
            what,
            size: data.len(),
            carries: event_type.len() + data.len(),
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

    /// Marks the end of something.
    pub fn mark(mut self) -> Self {
        self.marks.push(self.text.len());
        self
    }

    /// How many bytes are written.
    pub fn written(&self) -> usize {
        self.text.len()
    }

    /// The body.
    pub fn body(self) -> Body {
        Body { bytes: self.text.into(), said: self.said, marks: self.marks, lines: self.lines, blocks: self.blocks }
    }
}

impl Body {
    /// An answer in one JSON object.
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
        let whole_at = json.len();
        let said =
            events.into_iter().map(|event| Said { whole_at, what: What::Event(event), size: 0, carries: 0 }).collect();
        Self { bytes: json.into(), said, ..Self::default() }
    }

    /// An answer in one JSON object that does not fit.
    pub fn bad_json() -> Self {
        let json = r#"{"chat_session_id":"s","message":{"role":"assistant"}}"#;
        let said = vec![Said { whole_at: json.len(), what: What::Garbage, size: 0, carries: 0 }];
        Self { bytes: Bytes::from_static(json.as_bytes()), said, ..Self::default() }
    }

    /// The same behind white space.
    #[must_use]
    pub fn behind(mut self, white_space: &str) -> Self {
        self.bytes = [white_space.as_bytes(), &self.bytes].concat().into();
        self.said.iter_mut().for_each(|said| said.whole_at += white_space.len());
        self
    }

    /// How many bytes of an event are under way when so many have come.
    pub fn unfinished(&self, came: usize) -> usize {
        let start = self.blocks.iter().copied().filter(|end| *end <= came).max().unwrap_or(0);
        let mut size = 0;
        for line in self.lines.iter().filter(|line| line.bytes.end > start && line.bytes.start < came) {
            let bytes = line.bytes.end.min(came) - line.bytes.start;
            let text = &self.bytes[line.bytes.clone()];
            let name_end = text.iter().take_while(|byte| !byte.is_ascii_control()).count();
            match line.kind {
                // Known as soon as its line end begins.
                LineKind::Ping if bytes > name_end => return 0,
                LineKind::Field | LineKind::Ping => size += bytes,
                LineKind::Other | LineKind::Comment | LineKind::Blank => {}
            }
        }
        size
    }

    /// The body of a failure, which says nothing to go on with.
    pub fn text(text: &str) -> Self {
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()), ..Self::default() }
    }
}

/// Whether events of this type only show that the server is there.
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

/// Text between the quotes of a JSON string.
struct Escaped<'a>(&'a str);

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
