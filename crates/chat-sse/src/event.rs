//! The decoder's output.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

#[cfg(doc)]
use super::Decoder;

/// Selects what the decoder reports besides events. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Report comments, as [`Item::Comment`].
    pub comments: bool,
    /// Report blocks without a `data` line, as [`Item::Block`]. They are not events, but may set the last event ID or the
    /// reconnection time.
    pub blocks: bool,
}

impl Report {
    /// Reports comments only.
    pub const COMMENTS: Self = Self { comments: true, blocks: false };

    /// Reports blocks without data only.
    pub const BLOCKS: Self = Self { comments: false, blocks: true };

    /// Reports comments and blocks without data.
    pub const ALL: Self = Self { comments: true, blocks: true };
}

/// A complete item of the input. Pass it to [`Decoder::lend`] to look at it.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Token<'i> {
    pub(super) kind: Kind,
    pub(super) has_type: bool,
    /// The item's bytes, if they lie inside the chunk.
    pub(super) bytes: Option<&'i [u8]>,
}

impl<'i> Token<'i> {
    /// The data of an event, if it lies inside the chunk. `None` for data that spans chunks or has several lines, and for
    /// items that are not events. [`Decoder::lend`] gives the data of every event.
    #[inline]
    pub fn data(&self) -> Option<&'i [u8]> {
        if matches!(self.kind, Kind::Event) { self.bytes } else { None }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Event,
    Comment,
    Block,
}

/// The item that a [`Token`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'d> {
    /// An event.
    Event(Event<'d>),
    /// The text of a comment, after its colon. Only if [enabled](Decoder::reporting).
    Comment(&'d [u8]),
    /// A block without data. Only if [enabled](Decoder::reporting).
    Block,
}

/// An event. It borrows from the decoder and from the chunk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'d> {
    pub(super) event_type: &'d [u8],
    pub(super) data: &'d [u8],
    pub(super) id: &'d [u8],
}

impl<'d> Event<'d> {
    /// The type: the value of the last `event` line, or `message` without such a line or if it is empty.
    pub fn event_type(&self) -> Cow<'d, str> {
        text(self.event_type)
    }

    /// The type as received.
    #[inline]
    pub fn event_type_bytes(&self) -> &'d [u8] {
        self.event_type
    }

    /// The data: the values of all `data` lines, joined by LF.
    pub fn data(&self) -> Cow<'d, str> {
        text(self.data)
    }

    /// The data as received. Use this if your parser checks UTF-8 itself.
    #[inline]
    pub fn data_bytes(&self) -> &'d [u8] {
        self.data
    }

    /// The last event ID string at the time of the event.
    pub fn id(&self) -> Cow<'d, str> {
        text(self.id)
    }

    /// The last event ID as received.
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

/// The event that has begun but is not complete. Returned by [`Decoder::unfinished`](super::Decoder::unfinished).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished<'d> {
    /// The value of its last complete `event` line, if there is one.
    pub event_type: Option<&'d [u8]>,
    /// Its data so far, if it has a `data` line.
    pub data: Option<&'d [u8]>,
    /// Bytes of its `data`, `event` and `id` lines so far. A line that replaces an earlier one, e.g. a second `event` line,
    /// counts instead of it, so endless repetition does not increase the number. Use it to see whether an event makes
    /// progress; it is not an exact count.
    pub len: usize,
}

/// An event, or a line outside of an event, is larger than the decoder's limit.
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

impl core::error::Error for LimitExceeded {}

/// The bytes as text. The plain check is faster than `from_utf8_lossy` where the UTF-8 is valid.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    core::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
