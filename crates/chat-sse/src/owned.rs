//! Events that borrow nothing.

use alloc::string::String;
use core::time::Duration;

use super::{Decoder, LimitExceeded};

/// An event that borrows nothing. Invalid UTF-8 is replaced by U+FFFD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedEvent {
    /// The type: the value of the last `event` line, or `message` without such a line or if it is empty.
    pub event: String,
    /// The data: the values of all `data` lines, joined by LF.
    pub data: String,
    /// The last event ID string at the time of the event. It is empty until the stream sets one.
    pub id: String,
    /// The reconnection time at the time of the event, if the stream has set one. Like the ID, it stays until the stream sets
    /// another one.
    pub retry: Option<Duration>,
}

impl Decoder {
    /// The same as [`next`](Self::next), with an owned event.
    ///
    /// # Errors
    ///
    /// The same as [`next`](Self::next).
    pub fn next_owned(&mut self, input: &mut &[u8]) -> Option<Result<OwnedEvent, LimitExceeded>> {
        let event = self.next(input)?.map(|event| OwnedEvent {
            event: event.event_type().into_owned(),
            data: event.data().into_owned(),
            id: event.id().into_owned(),
            retry: None,
        });
        Some(event.map(|event| OwnedEvent { retry: self.retry_ms().map(Duration::from_millis), ..event }))
    }
}
