//! What a run has received.

use chat_client::{Event, FinishReason};

/// Counts what a run has received, so that nothing is optimized away and the runs can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Number of texts that are not empty, or of events if they are not decoded.
    pub(crate) count: usize,
    /// Bytes of the texts.
    bytes: usize,
    /// Checksum of the texts' lengths and first bytes, in order.
    check: u32,
    /// Bytes of the session ids and finish reasons.
    rest: usize,
}

impl Sum {
    /// So many events that are not decoded.
    pub(crate) fn of_frames(count: usize) -> Self {
        Self { count, ..Self::default() }
    }

    /// The same without the borders of the events.
    pub(crate) fn of_text(self) -> Self {
        Self { bytes: self.bytes, ..Self::default() }
    }

    /// Adds text of any number of events.
    pub(crate) fn more_text(&mut self, text: &str) {
        self.bytes += text.len();
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        let Some(first) = text.bytes().next() else { return };
        self.count += 1;
        self.bytes += text.len();
        self.check = self.check.wrapping_mul(31).wrapping_add(text.len() as u32);
        self.check = self.check.wrapping_mul(31).wrapping_add(first.into());
    }

    /// Adds a session id or a finish reason.
    pub(crate) fn rest(&mut self, rest: Option<&str>) {
        self.rest += rest.map_or(0, str::len);
    }

    /// Adds an event of ours.
    pub(crate) fn event(&mut self, event: &Event) {
        if let Event::Text(delta) = event {
            self.text(&delta.text);
            self.rest(delta.session_id.as_deref());
            self.rest(delta.finish_reason.as_ref().map(FinishReason::as_str));
        }
    }
}
