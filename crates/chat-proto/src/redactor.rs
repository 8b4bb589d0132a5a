//! Removes the API key from bytes that arrive in chunks.

use std::fmt;

use crate::ApiKey;
use crate::redact::{ELLIPSIS, HIDDEN, PART_AT_END, SHORTEST, found, matched, plain};

/// Removes an API key from bytes that arrive in chunks, in which the key may be cut anywhere.
///
/// It finds what [`ApiKey::redact`] finds. The end of a chunk that may be the start of the key is held back until the next
/// chunk, or until [`end`](Self::end). White space is never held back, because it is not part of a key.
///
/// ```
/// use chat_proto::{ApiKey, Redactor};
///
/// let mut redactor = Redactor::new(ApiKey::new("sk-0123456789")?);
/// assert_eq!(redactor.push(b"the key is sk-01"), b"the key is ");
/// assert_eq!(redactor.push(b"23456789, or s"), b"***, or ");
/// assert_eq!(redactor.end(), b"s");
/// # Ok::<(), chat_proto::Error>(())
/// ```
///
/// A key that is a JSON number is replaced by `1`, so that JSON stays valid.
pub struct Redactor {
    key: ApiKey,
    plain: Vec<u8>,
    hidden: &'static str,
    held: Vec<u8>,
}

impl Redactor {
    /// Creates a redactor for one text.
    pub fn new(key: ApiKey) -> Self {
        let is_numeric = key.as_str().bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let hidden = if is_numeric { "1" } else { HIDDEN };
        Self { plain: plain(&key), key, hidden, held: Vec::new() }
    }

    /// Returns the next bytes of the text without the key.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        if self.key.as_str().len() < SHORTEST {
            return chunk.to_vec();
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(chunk);
        let (shown, rest) = self.redact(&bytes, false);
        self.held = rest.to_vec();
        shown
    }

    /// Returns the bytes that were held back. A part of the key of 8 bytes or more is replaced, because the text may be cut.
    pub fn end(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.held);
        self.redact(&bytes, true).0
    }

    /// Returns the bytes without the key, and those that may be its start.
    fn redact<'a>(&self, bytes: &'a [u8], at_end: bool) -> (Vec<u8>, &'a [u8]) {
        let part = if at_end { PART_AT_END } else { usize::MAX };
        let (mut shown, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while let Some(&byte) = bytes.get(at) {
            if let Some(end) = found(bytes, at, &self.plain, part) {
                shown.extend_from_slice(self.hidden.as_bytes());
                at = end;
            } else if !at_end && self.may_begin(&bytes[at..]) {
                break;
            } else {
                shown.push(byte);
                at += 1;
            }
        }
        (shown, &bytes[at..])
    }

    /// Whether the rest of a chunk may be the start of the key, or of an escape that hides the key's first byte.
    fn may_begin(&self, rest: &[u8]) -> bool {
        let (count, len) = matched(rest, &self.plain);
        let behind = &rest[len..];
        if behind.is_empty() || ELLIPSIS.as_bytes().starts_with(behind) {
            return count > 0;
        }
        // The last byte may have matched as it is, but be the start of an encoding.
        is_cut_escape(behind) || count > 0 && is_cut_escape(&rest[len - 1..])
    }
}

impl fmt::Debug for Redactor {
    /// Omits the bytes: they may be a part of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Whether this may be the start of an escape of JSON, a percent-encoding or an HTML entity.
fn is_cut_escape(rest: &[u8]) -> bool {
    /// The longest is JSON in JSON in JSON: `\\\\\\\\u0041`.
    const LONGEST: usize = 16;
    let is_in_escape = |byte: &u8| byte.is_ascii_alphanumeric() || b"\\#%".contains(byte);
    rest.len() < LONGEST && matches!(rest.first(), Some(b'\\' | b'%' | b'&')) && rest[1..].iter().all(is_in_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(key: &str) -> Redactor {
        Redactor::new(ApiKey::new(key).unwrap())
    }

    /// Redacts the text cut into two at each place, and byte by byte.
    fn redacted(key: &str, text: &str) -> String {
        let whole = |chunks: &mut dyn Iterator<Item = &[u8]>| {
            let mut redactor = redactor(key);
            let mut shown: Vec<u8> = chunks.flat_map(|chunk| redactor.push(chunk)).collect();
            shown.extend(redactor.end());
            String::from_utf8(shown).unwrap()
        };
        let expected = whole(&mut [text.as_bytes()].into_iter());
        for cut in 0..text.len() {
            let (start, rest) = text.as_bytes().split_at(cut);
            assert_eq!(whole(&mut [start, rest].into_iter()), expected, "{text} cut at {cut}");
        }
        assert_eq!(whole(&mut text.as_bytes().chunks(1)), expected, "{text}");
        expected
    }

    #[test]
    fn a_key_is_found_wherever_it_is_cut() {
        let key = "sk/&01234567";
        for written in [
            "sk/&01234567",
            r"sk\/&01234567",
            r"\u0073k\/\u002601234567",
            r"\\u0073k\\\/&01234567",
            "sk%2F%2601234567",
            "sk%252F%252601234567",
            "sk/&amp;01234567",
            "sk&#x2f;&#38;01234567",
        ] {
            let text = format!("{{\"a\":\"é {written}.\",\"b\":\"s sk sk/&012345\"}}\n\n");
            assert_eq!(redacted(key, &text), "{\"a\":\"é ***.\",\"b\":\"s sk sk/&012345\"}\n\n", "{written}");
        }
    }

    #[test]
    fn text_without_the_key_is_not_changed() {
        for text in ["", "s", "sk-0123", r#"{"a":"b\"\\"}"#, "100 %", "a & b &", "%7", "sk-012345678 \\"] {
            assert_eq!(redacted("sk-0123456789", text), text);
        }
        assert_eq!(redactor("short").push(b"short"), b"short");
    }

    #[test]
    fn the_end_of_an_event_is_never_held_back() {
        let mut redactor = redactor("sk-0123456789");
        assert_eq!(redactor.push(b"data: sk-\n\n"), b"data: sk-\n\n");
        assert_eq!(redactor.push(&[0xff, b's']), [0xff]);
        assert_eq!(redactor.end(), b"s");
    }

    #[test]
    fn a_part_of_the_key_at_the_end_is_hidden() {
        assert_eq!(redacted("sk-0123456789", "key sk-01234"), "key ***");
        assert_eq!(format!("{:?}", redactor("sk-0123456789")), "Redactor { key: ApiKey(***), .. }");
    }

    #[test]
    fn json_with_a_numeric_key_stays_valid() {
        let text = r#"{"a":12345678,"b":0.12345678,"c":123456780,"d":"12345678"}"#;
        assert_eq!(redacted("12345678", text), r#"{"a":1,"b":0.1,"c":10,"d":"1"}"#);
    }
}
