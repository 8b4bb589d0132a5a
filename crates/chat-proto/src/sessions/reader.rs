//! Reads v0's answers: events of a stream, JSON bodies, errors.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error_member::ErrorMember;
use super::model::{ChatResult, HttpValidationError, RecordsCited};
use crate::content::{self, ContentType};
use crate::progress::Flow;
use crate::serde_ext::{Object, Text};
use crate::surrogates::{self, Joiner, Wtf8};
use crate::template::{Holes, position};
use crate::{Citations, ErrorKind, Event, FinishReason, Head, OtherEvent, SessionId, TextDelta, sse};

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The last id, which is shared if it comes again.
    session: Option<SessionId>,
    halves: Joiner,
}

impl Reader {
    #[inline]
    pub(crate) fn read(&mut self, event: sse::Event<'_>, out: &mut VecDeque<Event>) -> Result<Flow, ErrorKind> {
        let (event, flow) = match event.event_type_bytes() {
            b"message_chunk" => {
                let (delta, holes) = self.read_chunk(event.data_bytes())?;
                (Event::Text(delta), holes.map_or(Flow::More, Flow::Repeatable))
            }
            b"records_cited" => (read_cited(event.data_bytes())?, Flow::More),
            _ => (read_other(event)?, Flow::More),
        };
        out.push_back(event);
        Ok(flow)
    }

    /// No more text follows. Adds U+FFFD if half of a character is held back.
    pub(crate) fn flush(&mut self, out: &mut VecDeque<Event>) {
        out.extend(self.halves.finish().map(|c| Event::Text(TextDelta::new(c))));
    }

    #[inline]
    fn read_chunk(&mut self, data: &[u8]) -> Result<(TextDelta, Option<Holes>), ErrorKind> {
        let json = content::text(data);
        let chunk: ChunkRef<'_> = match serde_json::from_str(&json) {
            Ok(chunk) => chunk,
            Err(error) => return Ok((self.read_halves(&json, &error)?, None)),
        };
        if self.halves.is_waiting() {
            let text = self.halves.join(chunk.content_chunk.0.as_bytes());
            return Ok((self.delta(text, chunk.chat_session_id, chunk.finish_reason), None));
        }
        let holes = match (&json, &chunk.content_chunk.0, &chunk.finish_reason) {
            (Cow::Borrowed(json), Cow::Borrowed(text), None) => {
                position(text.as_bytes(), json.as_bytes()).map(|text| Holes { text, may_be_empty: true, padding: None })
            }
            _ => None,
        };
        Ok((self.delta(chunk.content_chunk.0, chunk.chat_session_id, chunk.finish_reason), holes))
    }

    /// Reads a chunk that serde_json rejected. It may have a lone surrogate, whose other half may be in the next chunk.
    #[cold]
    fn read_halves(&mut self, json: &str, rejected: &serde_json::Error) -> Result<TextDelta, ErrorKind> {
        let Some(replaced) = surrogates::replace_lone(json) else {
            return Err(ErrorKind::undecodable("message_chunk", json, rejected));
        };
        let chunk: ChunkRef<'_> =
            serde_json::from_str(&replaced).map_err(|error| ErrorKind::undecodable("message_chunk", json, &error))?;
        let RawText(Wtf8(text)) =
            serde_json::from_str(json).map_err(|error| ErrorKind::undecodable("message_chunk", json, &error))?;
        let text = self.halves.join(&text);
        Ok(self.delta(text, chunk.chat_session_id, chunk.finish_reason))
    }

    #[inline(always)]
    fn delta(&mut self, text: impl Into<String>, id: Option<Text<'_>>, reason: Option<Text<'_>>) -> TextDelta {
        let session_id = id.map(|id| match &self.session {
            Some(known) if **known == *id.0 => known.clone(),
            _ => SessionId::from(&*id.0),
        });
        if session_id.is_some() {
            self.session.clone_from(&session_id);
        }
        let mut delta = TextDelta::new(text);
        delta.session_id = session_id;
        delta.finish_reason = reason.map(|reason| FinishReason::from(&*reason.0));
        delta
    }
}

#[cold]
fn read_cited(data: &[u8]) -> Result<Event, ErrorKind> {
    let cited = parse::<RecordsCited>("records_cited", &content::text(data))?;
    Ok(citations(cited))
}

fn citations(cited: RecordsCited) -> Event {
    Event::Citations(Arc::new(Citations::new(cited.citations)))
}

#[cold]
fn read_other(event: sse::Event<'_>) -> Result<Event, ErrorKind> {
    if is_error(event.event_type_bytes(), event.data_bytes()) {
        return Err(ErrorKind::Stream { data: event.data().into_owned() });
    }
    Ok(Event::Other(Box::new(OtherEvent::new(event.event_type(), event.data(), event.id()))))
}

/// Whether an event ends the stream as an error: an event named `error`, or one without a name whose JSON object has an
/// `error` member.
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

pub(crate) fn read_body(body: &[u8], out: &mut VecDeque<Event>) -> Result<(), ErrorKind> {
    let result: ChatResult = parse("ChatResult", &content::text(content::strip_bom(body)))?;
    let mut delta = TextDelta::new(result.message.content);
    delta.session_id = Some(result.chat_session_id);
    out.push_back(Event::Text(delta));
    out.extend(result.message.records_cited.map(citations));
    Ok(())
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

/// A [`MessageChunk`](super::MessageChunk) that borrows from the event, so that an id that repeats costs no allocation.
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

/// The text of a chunk, lone surrogates included.
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

/// Parses JSON. A lone surrogate is read as U+FFFD.
fn parse<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T, ErrorKind> {
    serde_json::from_str(json)
        .or_else(|rejected| match surrogates::replace_lone(json) {
            Some(replaced) => serde_json::from_str(&replaced),
            None => Err(rejected),
        })
        .map_err(|error| ErrorKind::undecodable(what, json, &error))
}
