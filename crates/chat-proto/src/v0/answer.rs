//! How v0's answers are read: events of a stream, whole bodies, errors.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::model::{ChatResult, FinishReason, HttpValidationError, MessageChunk, RecordsCited};
use crate::content::{self, ContentType};
use crate::event::{Event, Head, OtherEvent};
use crate::sse;
use crate::wire::{Object, Text};
use crate::{ErrorKind, SessionId};

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    form: Option<Form>,
    /// The last id that came, to be shared where it comes again.
    session: Option<SessionId>,
}

impl Reader {
    pub(crate) fn read(&mut self, event: sse::Event<'_>) -> Result<Event, ErrorKind> {
        match event.event_type_bytes() {
            b"message_chunk" => self.read_chunk(event.data_bytes()).map(Event::MessageChunk),
            b"records_cited" => {
                let cited = parse::<RecordsCited>("records_cited", &content::text(event.data_bytes()))?;
                Ok(Event::RecordsCited(Arc::new(cited)))
            }
            b"error" => Err(ErrorKind::Stream { data: event.data().into_owned() }),
            _ => Ok(Event::Other(Box::new(OtherEvent::new(event.event_type(), event.data(), event.id())))),
        }
    }

    fn read_chunk(&mut self, data: &[u8]) -> Result<MessageChunk, ErrorKind> {
        if let Some(chunk) = self.form.as_ref().and_then(|form| form.read(data)) {
            return Ok(chunk);
        }
        let json = content::text(data);
        let read: ChunkRef<'_> = parse("message_chunk", &json)?;
        let chat_session_id = read.chat_session_id.map(|id| match &self.session {
            Some(known) if **known == *id.0 => known.clone(),
            _ => SessionId::from(&*id.0),
        });
        if chat_session_id.is_some() {
            self.session.clone_from(&chat_session_id);
        }
        let finish_reason = read.finish_reason.map(|reason| FinishReason::from(&*reason.0));
        if let (Cow::Borrowed(json), Cow::Borrowed(text)) = (&json, &read.content_chunk.0) {
            Form::keep(&mut self.form, json, text, &chat_session_id, &finish_reason);
        }
        let mut chunk = MessageChunk::new(read.content_chunk.0);
        chunk.chat_session_id = chat_session_id;
        chunk.finish_reason = finish_reason;
        Ok(chunk)
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
    fn keep(
        form: &mut Option<Self>,
        json: &str,
        text: &str,
        chat_session_id: &Option<SessionId>,
        finish_reason: &Option<FinishReason>,
    ) {
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
            chat_session_id: chat_session_id.clone(),
            finish_reason: finish_reason.clone(),
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

fn parse<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, ErrorKind> {
    serde_json::from_str(text).map_err(|error| ErrorKind::Decode {
        what,
        message: content::shorten(error.to_string()),
        body: content::excerpt(text.as_bytes()),
    })
}
