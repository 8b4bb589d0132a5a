//! What a decoder keeps from one connection to the next.

use alloc::vec::Vec;
use core::fmt;

use super::Decoder;

impl Decoder {
    /// Sets the last event ID, which an earlier program may have saved. It is the ID of every event until the stream sets
    /// another one.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidId`] if the ID contains NUL, LF or CR. No stream can set such an ID, and no `Last-Event-ID` header can
    /// carry it.
    pub fn with_last_event_id(self, id: impl Into<Vec<u8>>) -> Result<Self, InvalidId> {
        let last_id = id.into();
        if last_id.iter().any(|byte| matches!(byte, b'\0' | b'\n' | b'\r')) {
            return Err(InvalidId);
        }
        Ok(Self { last_id, ..self })
    }

    /// Prepares the decoder for the stream of the next connection.
    ///
    /// What belongs to one stream is dropped: the unfinished event with an ID that no blank line has committed, the unfinished
    /// line, and an exceeded limit. A byte order mark may come again. What belongs to the event source stays (HTML, 9.2.3 and
    /// 9.2.6): the last event ID, which is also the ID of the next events until the stream sets another one, and the
    /// reconnection time. The limit and the reports stay too.
    ///
    /// To see what is dropped, call [`unfinished`](Self::unfinished) first.
    pub fn reset(&mut self) {
        *self = Self {
            last_id: core::mem::take(&mut self.last_id),
            retry: self.retry,
            ..Self::with_limit(self.limit).reporting(self.report)
        };
    }
}

/// A last event ID contains NUL, LF or CR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a last event ID contains NUL, LF or CR")
    }
}

impl core::error::Error for InvalidId {}
