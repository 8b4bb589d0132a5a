//! How v0's answers are read: events of a stream, whole bodies, errors.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use http::StatusCode;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::model::{ChatResult, FinishReason, HttpValidationError, MessageChunk, RecordsCited};
use crate::content::{self, ContentType};
use crate::event::{Event, Head, OtherEvent};
use crate::serde_ext::{Object, Text};
use crate::sse;
use crate::surrogates::{self, Joiner, Wtf8};
use crate::{ErrorKind, SessionId};

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// None while half of a character waits, so that the short way needs no look at `halves`.
    form: Option<Form>,
    /// The last id that came, to be shared where it comes again.
    session: Option<SessionId>,
    halves: Joiner,
}

impl Reader {
    pub(crate) fn read(&mut self, event: sse::Event<'_>) -> Result<Event, ErrorKind> {
        match event.event_type_bytes() {
            b"message_chunk" => self.read_chunk(event.data_bytes()).map(Event::MessageChunk),
            b"records_cited" => {
                let cited = parse::<RecordsCited>("records_cited", &content::text(event.data_bytes()))?;
                Ok(Event::RecordsCited(Arc::new(cited)))
            }
            _ => read_other(event),
        }
    }

    /// No more of the text comes: the last of it, if half of a character was held back.
    pub(crate) fn finish(&mut self) -> Option<Event> {
        self.halves.finish().map(|c| Event::MessageChunk(MessageChunk::new(c)))
    }

    fn read_chunk(&mut self, data: &[u8]) -> Result<MessageChunk, ErrorKind> {
        if let Some(chunk) = self.form.as_ref().and_then(|form| form.read(data)) {
            return Ok(chunk);
        }
        let json = content::text(data);
        let read: ChunkRef<'_> = match serde_json::from_str(&json) {
            Ok(read) => read,
            Err(error) => return self.read_halves(&json, &error),
        };
        if self.halves.is_waiting() {
            let text = self.halves.join(read.content_chunk.0.as_bytes());
            return Ok(self.chunk(text, read.chat_session_id, read.finish_reason));
        }
        let borrowed = match (&json, &read.content_chunk.0) {
            (Cow::Borrowed(json), Cow::Borrowed(text)) => Some((*json, *text)),
            _ => None,
        };
        let chunk = self.chunk(read.content_chunk.0, read.chat_session_id, read.finish_reason);
        if let Some((json, text)) = borrowed {
            Form::keep(&mut self.form, json, text, &chunk);
        }
        Ok(chunk)
    }

    /// Reads a chunk that was refused, maybe for a surrogate that stands alone in it: its other half may stand in the next.
    #[cold]
    fn read_halves(&mut self, json: &str, refused: &serde_json::Error) -> Result<MessageChunk, ErrorKind> {
        let Some(replaced) = surrogates::replace_lone(json) else {
            return Err(undecodable("message_chunk", json, refused));
        };
        let read: ChunkRef<'_> =
            serde_json::from_str(&replaced).map_err(|error| undecodable("message_chunk", json, &error))?;
        let RawText(Wtf8(text)) =
            serde_json::from_str(json).map_err(|error| undecodable("message_chunk", json, &error))?;
        let text = self.halves.join(&text);
        self.form = None;
        Ok(self.chunk(text, read.chat_session_id, read.finish_reason))
    }

    #[inline(always)]
    fn chunk(&mut self, text: impl Into<String>, id: Option<Text<'_>>, reason: Option<Text<'_>>) -> MessageChunk {
        let chat_session_id = id.map(|id| match &self.session {
            Some(known) if **known == *id.0 => known.clone(),
            _ => SessionId::from(&*id.0),
        });
        if chat_session_id.is_some() {
            self.session.clone_from(&chat_session_id);
        }
        let mut chunk = MessageChunk::new(text);
        chunk.chat_session_id = chat_session_id;
        chunk.finish_reason = reason.map(|reason| FinishReason::from(&*reason.0));
        chunk
    }
}

#[cold]
fn read_other(event: sse::Event<'_>) -> Result<Event, ErrorKind> {
    if is_error(event.event_type_bytes(), event.data_bytes()) {
        return Err(ErrorKind::Stream { data: event.data().into_owned() });
    }
    Ok(Event::Other(Box::new(OtherEvent::new(event.event_type(), event.data(), event.id()))))
}

/// Whether an event ends the stream: one named `error`, or one without a name whose object says that there is an error.
pub(crate) fn is_error(event_type: &[u8], data: &[u8]) -> bool {
    let may_be_object = || data.trim_ascii_start().first() == Some(&b'{');
    match event_type {
        b"error" => true,
        b"message" if may_be_object() => {
            parse::<ErrorMember>("message", &content::text(data)).is_ok_and(|member| member.0)
        }
        _ => false,
    }
}

/// A chunk that was read, to hold the next one against.
///
/// The chunks of a stream differ in their text and in hardly anything else. Where the bytes before and after the text are
/// those of a chunk that the JSON layer has read, everything but the text is known.
#[derive(Debug)]
struct Form {
    json: Vec<u8>,
    /// Where the text stands in `json`.
    text: Range<usize>,
    chat_session_id: Option<SessionId>,
    finish_reason: Option<FinishReason>,
}

impl Form {
    /// The longest chunk that is kept: what is larger costs enough otherwise.
    const MAX: usize = 512;

    /// Keeps a chunk as the form of the next ones. `text` is the part of `json` between the quotes, free of escapes.
    fn keep(form: &mut Option<Self>, json: &str, text: &str, chunk: &MessageChunk) {
        if json.len() > Self::MAX {
            return;
        }
        let mut buffer = form.take().map(|form| form.json).unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(json.as_bytes());
        let start = text.as_ptr().addr() - json.as_ptr().addr();
        *form = Some(Self {
            json: buffer,
            text: start..start + text.len(),
            chat_session_id: chunk.chat_session_id.clone(),
            finish_reason: chunk.finish_reason.clone(),
        });
    }

    /// Reads a chunk of this form; `None` for any other, and for a text that is not itself between its quotes.
    fn read(&self, data: &[u8]) -> Option<MessageChunk> {
        let text = data.strip_prefix(&self.json[..self.text.start])?.strip_suffix(&self.json[self.text.end..])?;
        let itself = |&byte: &u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if !text.iter().all(itself) {
            return None;
        }
        let mut chunk = MessageChunk::new(str::from_utf8(text).ok()?);
        chunk.chat_session_id.clone_from(&self.chat_session_id);
        chunk.finish_reason.clone_from(&self.finish_reason);
        Some(chunk)
    }
}

pub(crate) fn read_body(body: &[u8]) -> Result<Vec<Event>, ErrorKind> {
    let result: ChatResult = parse("ChatResult", &content::text(content::strip_bom(body)))?;
    let mut chunk = MessageChunk::new(result.message.content);
    chunk.chat_session_id = Some(result.chat_session_id);
    let cited = result.message.records_cited.map(|cited| Event::RecordsCited(Arc::new(cited)));
    Ok([Event::MessageChunk(chunk)].into_iter().chain(cited).collect())
}

pub(crate) fn read_failure(head: &Head, body: &[u8]) -> ErrorKind {
    let text = String::from_utf8_lossy(body).into_owned();
    if head.status == StatusCode::UNPROCESSABLE_ENTITY
        && ContentType::of(head) == Some(ContentType::Json)
        && let Ok(error) = parse::<HttpValidationError>("HTTPValidationError", &content::text(content::strip_bom(body)))
    {
        return ErrorKind::Validation { detail: error.detail.unwrap_or_default(), body: text };
    }
    ErrorKind::Api { body: text }
}

/// A [`MessageChunk`] that borrows from the event, so that an id that came before costs nothing.
#[derive(Deserialize)]
#[serde(remote = "Self", expecting = "a MessageChunk")]
struct ChunkRef<'a> {
    #[serde(borrow)]
    content_chunk: Text<'a>,
    #[serde(borrow, default)]
    chat_session_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ChunkRef<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(Object(deserializer))
    }
}

/// The text of a chunk, with the halves of characters that stand in it.
struct RawText(Wtf8);

impl<'de> Deserialize<'de> for RawText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawTextVisitor)
    }
}

struct RawTextVisitor;

impl<'de> Visitor<'de> for RawTextVisitor {
    type Value = RawText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MessageChunk")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawText, A::Error> {
        let mut text = None;
        while let Some(Wtf8(name)) = map.next_key()? {
            if name == b"content_chunk" {
                text = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        text.map(RawText).ok_or_else(|| A::Error::missing_field("content_chunk"))
    }
}

/// Whether a JSON object has an `error` member that says something: not null, false, 0 or `""`. The last one counts.
struct ErrorMember(bool);

impl<'de> Deserialize<'de> for ErrorMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ErrorMemberVisitor)
    }
}

struct ErrorMemberVisitor;

impl<'de> Visitor<'de> for ErrorMemberVisitor {
    type Value = ErrorMember;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ErrorMember, A::Error> {
        let mut is_error = false;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if name.0 == "error" {
                is_error = map.next_value::<Truth>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(ErrorMember(is_error))
    }
}

/// Whether a JSON value says something: it is not null, false, 0 or `""`.
struct Truth(bool);

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TruthVisitor)
    }
}

struct TruthVisitor;

impl<'de> Visitor<'de> for TruthVisitor {
    type Value = Truth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Truth, E> {
        Ok(Truth(false))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Truth, E> {
        Ok(Truth(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Truth, E> {
        Ok(Truth(number != 0))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Truth, E> {
        Ok(Truth(number != 0))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Truth, E> {
        Ok(Truth(number != 0.0))
    }

    fn visit_str<E>(self, text: &str) -> Result<Truth, E> {
        Ok(Truth(!text.is_empty()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Truth, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Truth(true))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Truth, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Truth(true))
    }
}

/// Reads JSON, in which a surrogate that stands alone counts as U+FFFD.
fn parse<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T, ErrorKind> {
    serde_json::from_str(json)
        .or_else(|refused| match surrogates::replace_lone(json) {
            Some(replaced) => serde_json::from_str(&replaced),
            None => Err(refused),
        })
        .map_err(|error| undecodable(what, json, &error))
}

fn undecodable(what: &'static str, json: &str, error: &serde_json::Error) -> ErrorKind {
    ErrorKind::Decode { what, message: content::shorten(error.to_string()), body: content::excerpt(json.as_bytes()) }
}
