//! The fast path for the chunks of a stream.

use std::ops::Range;

use crate::{FinishReason, SessionId, TextDelta};

/// A chunk that was read as JSON, to compare the next ones with.
///
/// The chunks of a stream usually differ in their text only. If the bytes before and after the text are the same as in a
/// chunk that was read as JSON, everything but the text is known.
#[derive(Debug)]
pub(super) struct Template {
    json: Vec<u8>,
    /// Position of the text in `json`.
    text: Range<usize>,
    session_id: Option<SessionId>,
    finish_reason: Option<FinishReason>,
}

impl Template {
    /// Maximum length of a chunk that is kept. Parsing larger ones costs little in comparison.
    const MAX: usize = 512;

    /// Makes a chunk the template of the next ones. `text` is the part of `json` between the quotes, without escapes.
    pub(super) fn keep(template: &mut Option<Self>, json: &str, text: &str, delta: &TextDelta) {
        if json.len() > Self::MAX {
            return;
        }
        let mut buffer = template.take().map(|template| template.json).unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(json.as_bytes());
        let start = text.as_ptr().addr() - json.as_ptr().addr();
        *template = Some(Self {
            json: buffer,
            text: start..start + text.len(),
            session_id: delta.session_id.clone(),
            finish_reason: delta.finish_reason.clone(),
        });
    }

    /// Reads a chunk that matches the template. `None` if it does not, or if its text has escapes.
    pub(super) fn read(&self, data: &[u8]) -> Option<TextDelta> {
        let text = data.strip_prefix(&self.json[..self.text.start])?.strip_suffix(&self.json[self.text.end..])?;
        let is_plain = |&byte: &u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if !text.iter().all(is_plain) {
            return None;
        }
        let mut delta = TextDelta::new(str::from_utf8(text).ok()?);
        delta.session_id.clone_from(&self.session_id);
        delta.finish_reason.clone_from(&self.finish_reason);
        Some(delta)
    }
}
