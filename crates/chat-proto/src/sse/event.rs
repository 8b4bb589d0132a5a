//! What comes out of the decoder.

use std::borrow::Cow;
use std::fmt;

#[cfg(doc)]
use super::Decoder;

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
    pub(super) kind: Kind,
    pub(super) has_type: bool,
    /// Its bytes, if they lie inside the chunk.
    pub(super) bytes: Option<&'i [u8]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
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
    pub(super) event_type: &'d [u8],
    pub(super) data: &'d [u8],
    pub(super) id: &'d [u8],
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

/// The event that is under way. Returned by [`Decoder::unfinished`](super::Decoder::unfinished).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished<'d> {
    /// The value of its last whole `event` line, if there was one.
    pub event_type: Option<&'d [u8]>,
    /// Its data so far, if it has a `data` line.
    pub data: Option<&'d [u8]>,
    /// How much has come of its `data`, `event` and `id` lines, in bytes. A line that replaces an earlier one, as a second
    /// `event` line does, counts in its place, so endless repetition does not grow it. It says whether an event makes
    /// progress; it is not an exact count.
    pub len: usize,
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

/// The bytes as text. Valid UTF-8 is checked faster than it is searched for what to replace.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
