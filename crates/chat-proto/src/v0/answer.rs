//! How v0's answers are read: events of a stream, whole bodies, errors.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::model::{ChatResult, FinishReason, HttpValidationError, MessageChunk, RecordsCited};
use crate::content::{self, ContentType};
use crate::event::{Event, Head, OtherEvent};
use crate::sse;
use crate::wire::{Object, Text};
use crate::{ErrorKind, SessionId};

pub(crate) fn read_event(event: sse::Event<'_>, session: Option<&SessionId>) -> Result<Event, ErrorKind> {
    match event.event_type_bytes() {
        b"message_chunk" => read_chunk(event.data_bytes(), session).map(Event::MessageChunk),
        b"records_cited" => {
            parse::<RecordsCited>("records_cited", event.data_bytes()).map(|cited| Event::RecordsCited(Arc::new(cited)))
        }
        b"error" => Err(ErrorKind::Stream { data: event.data().into_owned() }),
        _ => Ok(Event::Other(Box::new(OtherEvent::new(event.event_type(), event.data(), event.id())))),
    }
}

pub(crate) fn read_body(body: &[u8]) -> Result<Vec<Event>, ErrorKind> {
    let result: ChatResult = parse("ChatResult", content::strip_bom(body))?;
    let mut chunk = MessageChunk::new(result.message.content);
    chunk.chat_session_id = Some(result.chat_session_id);
    let cited = result.message.records_cited.map(|cited| Event::RecordsCited(Arc::new(cited)));
    Ok([Event::MessageChunk(chunk)].into_iter().chain(cited).collect())
}

pub(crate) fn read_failure(head: &Head, body: &[u8]) -> ErrorKind {
    let text = String::from_utf8_lossy(body).into_owned();
    if head.status == StatusCode::UNPROCESSABLE_ENTITY
        && ContentType::of(head) == Some(ContentType::Json)
        && let Ok(error) = parse::<HttpValidationError>("HTTPValidationError", content::strip_bom(body))
    {
        return ErrorKind::Validation { detail: error.detail.unwrap_or_default(), body: text };
    }
    ErrorKind::Api { body: text }
}

/// A [`MessageChunk`] that borrows from the event, so that an id that came before costs nothing.
#[derive(Deserialize)]
struct ChunkRef<'a> {
    #[serde(borrow)]
    content_chunk: Text<'a>,
    #[serde(borrow, default)]
    chat_session_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Text<'a>>,
}

fn read_chunk(data: &[u8], session: Option<&SessionId>) -> Result<MessageChunk, ErrorKind> {
    with_text("message_chunk", data, |data| {
        let mut deserializer = serde_json::Deserializer::from_slice(data);
        let chunk = ChunkRef::deserialize(Object(&mut deserializer))?;
        deserializer.end()?;
        let mut owned = MessageChunk::new(chunk.content_chunk.0);
        owned.chat_session_id = chunk.chat_session_id.map(|id| match session {
            Some(known) if **known == *id.0 => known.clone(),
            _ => SessionId::from(&*id.0),
        });
        owned.finish_reason = chunk.finish_reason.map(|reason| FinishReason::from(&*reason.0));
        Ok(owned)
    })
}

fn parse<T: DeserializeOwned>(what: &'static str, data: &[u8]) -> Result<T, ErrorKind> {
    with_text(what, data, |data| serde_json::from_slice(data))
}

/// Reads JSON whose text may hold broken UTF-8, which the standard replaces: the JSON layer checks UTF-8 by itself, so only
/// where it fails is the text repaired and read again.
fn with_text<T>(
    what: &'static str,
    data: &[u8],
    read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<T, ErrorKind> {
    let error = match read(data) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let error = match String::from_utf8_lossy(data) {
        std::borrow::Cow::Owned(repaired) => match read(repaired.as_bytes()) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        },
        std::borrow::Cow::Borrowed(_) => error,
    };
    Err(ErrorKind::Decode { what, message: error.to_string(), body: content::excerpt(data) })
}
