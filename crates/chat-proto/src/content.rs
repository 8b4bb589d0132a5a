//! What the headers say about the body.

use std::borrow::Cow;

use http::header::{self, HeaderName};

use crate::Head;

/// The two forms of an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    Json,
    EventStream,
}

impl ContentType {
    /// Reads the media type. Case and parameters do not matter.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let value = head.headers.get(header::CONTENT_TYPE)?.as_bytes();
        let essence = value.split(|&byte| byte == b';').next()?.trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") {
            Some(Self::Json)
        } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
            Some(Self::EventStream)
        } else {
            None
        }
    }
}

/// Whether the body has a `Content-Encoding` other than `identity`. The request allows none, and none is decoded here.
pub(crate) fn is_encoded(head: &Head) -> bool {
    list(head, header::CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case(b"identity"))
}

/// Whether the body has a transfer coding other than a single `chunked`. Transports decode that one only. HTTP stacks differ
/// on `gzip, chunked`, on `chunked, chunked` and on `identity`, which RFC 9112 removed.
pub(crate) fn is_transfer_coded(head: &Head) -> bool {
    let mut codings = list(head, header::TRANSFER_ENCODING);
    codings.next().is_some_and(|first| !first.eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// The elements of a list header, over all its lines.
fn list(head: &Head, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = head.headers.get_all(name).into_iter();
    let elements = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// The `Content-Length`, unless there is a transfer coding, which overrides it.
pub(crate) fn length(head: &Head) -> Option<u64> {
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let digits = head.text("content-length")?.trim();
    // `parse` would accept a sign.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The body without the byte order mark that may precede its JSON.
pub(crate) fn strip_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Bytes as text. Invalid UTF-8 is replaced, as the standard says. Checking the whole text once is faster than checking each
/// JSON string.
pub(crate) fn text(data: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(data).map_or_else(|_| String::from_utf8_lossy(data), Cow::Borrowed)
}

/// The valid UTF-8 at the start.
pub(crate) fn valid_start(data: &[u8]) -> &str {
    str::from_utf8(data).or_else(|error| str::from_utf8(&data[..error.valid_up_to()])).unwrap_or_default()
}

/// The length of [`text`].
pub(crate) fn text_len(data: &[u8]) -> usize {
    const REPLACEMENT: usize = char::REPLACEMENT_CHARACTER.len_utf8();
    let length =
        |chunk: std::str::Utf8Chunk<'_>| chunk.valid().len() + if chunk.invalid().is_empty() { 0 } else { REPLACEMENT };
    data.utf8_chunks().map(length).sum()
}

/// Maximum length of an [`excerpt`].
pub(crate) const EXCERPT: usize = 1024;

/// The start of unexpected data, for an error.
pub(crate) fn excerpt(data: &[u8]) -> String {
    String::from_utf8_lossy(&data[..data.len().min(EXCERPT)]).into_owned()
}

/// A message without its middle if it is long, because it may quote the input.
pub(crate) fn shorten(message: String) -> String {
    const KEPT: usize = 128;
    if message.len() <= 2 * KEPT {
        return message;
    }
    let boundary = |at: &usize| message.is_char_boundary(*at);
    let front = (0..=KEPT).rev().find(boundary).unwrap_or_default();
    let back = (message.len() - KEPT..message.len()).find(boundary).unwrap_or(message.len());
    format!("{}…{}", &message[..front], &message[back..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_message_is_shortened() {
        let whole = "a".repeat(256);
        assert_eq!(shorten(whole.clone()), whole);
        assert_eq!(shorten(format!("{whole}b")), format!("{}…{}b", "a".repeat(128), "a".repeat(127)));
        // Not within a character.
        assert_eq!(shorten("é".repeat(200) + "x"), format!("{}…{}x", "é".repeat(64), "é".repeat(63)));
    }
}
