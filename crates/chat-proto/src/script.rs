//! A dialect for tests. It does what no event of v0 does: give several events or none, and finish the stream.

use std::collections::VecDeque;

use crate::progress::Flow;
use crate::{ErrorKind, Event, TextDelta, Truncation, sse};

/// Each byte of an event's data is a command: a letter is a text event, `.` finishes the stream, `!` is an error.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    has_text: bool,
}

impl Reader {
    pub(crate) fn read(&mut self, event: sse::Event<'_>, out: &mut VecDeque<Event>) -> Result<Flow, ErrorKind> {
        for c in event.data().chars() {
            match c {
                '.' => return Ok(Flow::Finished),
                '!' => return Err(ErrorKind::Stream { data: "!".to_owned() }),
                c => out.push_back(Event::Text(TextDelta::new(c))),
            }
            self.has_text = true;
        }
        Ok(Flow::More)
    }

    /// An answer with text is complete, even if the body was cut.
    pub(crate) fn end(&self, cut: Option<Truncation>) -> Result<(), Truncation> {
        if self.has_text { Ok(()) } else { Err(cut.unwrap_or(Truncation::InsideEvent)) }
    }
}
