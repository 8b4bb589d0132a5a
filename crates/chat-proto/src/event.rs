//! What comes out of an answer: its head, its events, and all of it merged.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};

use crate::clocks::Weight;
use crate::{Citation, FinishReason, MessageChunk, RecordsCited, SessionId};

/// The status and headers of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
}

impl Head {
    /// A status with headers. Cookies are marked as sensitive, so that they do not print.
    pub fn new(status: StatusCode, mut headers: HeaderMap) -> Self {
        let cookies = headers.iter_mut().filter(|(name, _)| *name == header::SET_COOKIE);
        cookies.for_each(|(_, value)| value.set_sensitive(true));
        Self { status, headers }
    }

    /// The server's name for this request, if it gave one: the first of `x-request-id`, `request-id` and `cf-ray`.
    pub fn request_id(&self) -> Option<&str> {
        ["x-request-id", "request-id", "cf-ray"].iter().find_map(|name| self.text(name))
    }

    /// A header's value, if it is there and is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// One event of an answer. An answer in one JSON object gives the same events as a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A piece of the text.
    MessageChunk(MessageChunk),
    /// The records that the text cites. Shared with the [`Answer`], which keeps the last.
    RecordsCited(Arc<RecordsCited>),
    /// An event of a type that this crate does not know, as it came.
    Other(Box<OtherEvent>),
}

impl Event {
    /// The piece of the text that the event carries, if it carries one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::MessageChunk(chunk) => Some(&chunk.content_chunk),
            _ => None,
        }
    }

    /// What the event says, for the content timeout.
    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::MessageChunk(chunk) if chunk.content_chunk.is_empty() && chunk.finish_reason.is_none() => {
                Weight::Empty
            }
            Self::MessageChunk(_) | Self::RecordsCited(_) => Weight::Content,
            Self::Other(other) if is_keep_alive(other.event_type.as_bytes()) => Weight::KeepAlive,
            Self::Other(other) if matches!(other.data.trim(), "" | "{}" | "[]" | "null") => Weight::Empty,
            Self::Other(_) => Weight::Content,
        }
    }
}

/// Whether events of this type only show that the server is there, whatever their data.
pub(crate) fn is_keep_alive(event_type: &[u8]) -> bool {
    ["ping", "heartbeat", "keepalive", "keep-alive"].iter().any(|name| event_type.eq_ignore_ascii_case(name.as_bytes()))
}

/// An event of an unknown type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// Its type.
    pub event_type: String,
    /// Its data.
    pub data: String,
    /// The last event ID string at the time.
    pub id: String,
}

impl OtherEvent {
    /// An event of some type.
    pub fn new(event_type: impl Into<String>, data: impl Into<String>, id: impl Into<String>) -> Self {
        Self { event_type: event_type.into(), data: data.into(), id: id.into() }
    }
}

/// An answer merged from its events: whole at the end, so far at any moment before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The session that the answer belongs to: the last id that came.
    pub chat_session_id: Option<SessionId>,
    /// The text: all chunks, with nothing between them.
    pub content: String,
    /// The records that the text cites: the last that came.
    pub records_cited: Option<Arc<RecordsCited>>,
    /// Why the server ended its answer: the last reason that came.
    ///
    /// Without one a stream ended clean, yet nothing says that the answer is whole. A body that ends by the connection's
    /// close can't be told from one that was cut. An answer in one JSON object never has a reason.
    pub finish_reason: Option<FinishReason>,
    /// How many events came.
    pub events: u64,
    /// The status and headers it came with.
    pub head: Head,
}

impl Answer {
    /// An answer of which only the head has come.
    pub(crate) fn new(head: Head) -> Self {
        Self { head, ..Self::default() }
    }

    /// The citations, none if none came.
    pub fn citations(&self) -> &[Citation] {
        self.records_cited.as_ref().map_or(&[], |cited| &cited.citations)
    }

    /// What the text calls `[number]`.
    pub fn citation(&self, number: i64) -> Option<&Citation> {
        self.citations().iter().find(|citation| citation.number == Some(number))
    }

    /// Merges one more event.
    #[inline(always)]
    pub(crate) fn add(&mut self, event: &Event) {
        self.events += 1;
        match event {
            Event::MessageChunk(chunk) => {
                self.content.push_str(&chunk.content_chunk);
                if let Some(id) = &chunk.chat_session_id
                    && self.chat_session_id.as_ref() != Some(id)
                {
                    self.chat_session_id = Some(id.clone());
                }
                if chunk.finish_reason.is_some() {
                    self.finish_reason.clone_from(&chunk.finish_reason);
                }
            }
            Event::RecordsCited(cited) => self.records_cited = Some(Arc::clone(cited)),
            Event::Other(_) => {}
        }
    }
}
