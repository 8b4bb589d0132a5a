//! Removes the API key from errors, in case the server sends it back.
//!
//! All text of the server passes through here before it is shortened for display, because a key that is cut in two cannot
//! be found.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::content::EXCERPT;
use crate::error::UnfinishedEvent;
use crate::{Answer, ApiKey, Error, ErrorKind, FinishReason, Head, Location, SessionId, ValidationError};

/// Replaces a key.
pub(crate) const HIDDEN: &str = "***";

/// Minimum length of a key that is hidden. A shorter one would be found in many words.
pub(crate) const SHORTEST: usize = 8;

/// Minimum part of a key that is hidden where text was cut.
const PART: usize = 4;

/// Minimum part of a key that is hidden at the end of a body, which may have been cut anywhere.
pub(crate) const PART_AT_END: usize = 8;

/// Marks where a text was shortened.
pub(crate) const ELLIPSIS: &str = "…";

impl Error {
    /// Replaces the key with `***` wherever the server's text has it. Drivers that send a key call this.
    ///
    /// It covers [`kind`](Self::kind), [`head`](Self::head), [`earlier`](Self::earlier), the sources, and the session id and
    /// finish reason of [`partial`](Self::partial). The partial answer itself stays unchanged. See [`ApiKey::redact`] for
    /// what is found.
    ///
    /// ```
    /// use chat_proto::{ApiKey, Error};
    ///
    /// let key = ApiKey::new("sk-0123456789")?;
    /// let error = Error::cancelled().with_source("the proxy says: no route for sk-0123456789").redact(&key);
    /// assert_eq!(format!("{error:#}"), "the call was cancelled: the proxy says: no route for ***");
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn redact(mut self, key: &ApiKey) -> Self {
        if key.as_str().len() < SHORTEST {
            return self;
        }
        let inner = self.inner_mut();
        kind(&mut inner.kind, key);
        inner.head.iter_mut().for_each(|head| head.redact(key));
        inner.partial.iter_mut().for_each(|partial| answer(partial, key));
        inner.unfinished.iter_mut().for_each(|UnfinishedEvent { data, .. }| body(data, key));
        inner.earlier = std::mem::take(&mut inner.earlier).into_iter().map(|error| error.redact(key)).collect();
        if let Some(source) = &inner.source
            && let Some(redacted) = Redacted::of(&**source, key)
        {
            inner.source = Some(Arc::new(redacted));
        }
        self
    }
}

impl ApiKey {
    /// Returns the text with `***` in place of the key: as it is, with JSON's escapes, percent-encoded, also repeatedly, or
    /// with HTML entities. Beside a `…`, where a text was shortened, a part of the key of 4 bytes or more is replaced too. A
    /// key of fewer than 8 bytes is not replaced, because it would be found in many words.
    ///
    /// ```
    /// use chat_proto::ApiKey;
    ///
    /// let key = ApiKey::new("sk/0123456789")?;
    /// assert_eq!(key.redact(r#"{"detail":"bad key sk\/0123456789"}"#), r#"{"detail":"bad key ***"}"#);
    /// # Ok::<(), chat_proto::Error>(())
    /// ```
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact_cut(text, usize::MAX)
    }

    /// The same for text that may be cut. At its end, a part of at least `part` bytes of the key is replaced too.
    fn redact_cut<'a>(&self, text: &'a str, part: usize) -> Cow<'a, str> {
        let key = self.as_str();
        if key.len() < SHORTEST {
            return Cow::Borrowed(text);
        }
        let plain = plain(self);
        let bytes = text.as_bytes();
        let (mut shown, mut copied, mut at) = (String::new(), 0, 0);
        while at < bytes.len() {
            match found(bytes, at, &plain, part) {
                Some(end) => {
                    shown += &text[copied..at];
                    shown += HIDDEN;
                    (copied, at) = (end, end);
                }
                None => at += 1,
            }
        }
        if shown.is_empty() { text.into() } else { (shown + &text[copied..]).into() }
    }
}

/// The key as [`found`] wants it: the number of backslashes in a row depends on the depth of escaping, so any number counts
/// as one.
pub(crate) fn plain(key: &ApiKey) -> Vec<u8> {
    let mut plain = key.as_str().as_bytes().to_vec();
    plain.dedup_by(|next, last| *next == b'\\' && *last == b'\\');
    plain
}

/// The end of the key that begins at `at`, or of the part of a key next to a cut.
pub(crate) fn found(text: &[u8], at: usize, key: &[u8], part: usize) -> Option<usize> {
    let behind_cut = text[..at].ends_with(ELLIPSIS.as_bytes());
    let rest = &text[at..];
    match matched(rest, key) {
        (count, len) if count == key.len() => return Some(at + len),
        (count, len) if count >= PART && rest[len..].starts_with(ELLIPSIS.as_bytes()) => return Some(at + len),
        (count, len) if count >= part && is_end(&rest[len..]) => return Some(text.len()),
        // A `&` or `%` that matched the key may be the start of an encoding that is cut.
        (count, len) if count > part && matches!(rest[len - 1], b'&' | b'%') && is_end(&rest[len - 1..]) => {
            return Some(text.len());
        }
        _ => {}
    }
    let tails = (1..key.len()).map(|start| &key[start..]).take_while(|tail| behind_cut && tail.len() >= PART);
    tails
        .map(|tail| (tail, matched(rest, tail)))
        .find_map(|(tail, (count, len))| (count == tail.len()).then_some(at + len))
}

/// The number of bytes of the key that the text begins with, and their length in the text. If a byte can be read in several
/// ways, the longest match counts.
pub(crate) fn matched(text: &[u8], key: &[u8]) -> (usize, usize) {
    let Some((&byte, rest)) = key.split_first() else { return (0, 0) };
    let ways = [escaped(text, byte), entity(text, byte)]
        .into_iter()
        .chain((0..PERCENT_DEPTH).map(|depth| percent(text, byte, depth)));
    let more = ways.flatten().map(|len| {
        let (count, more) = matched(&text[len..], rest);
        (count + 1, len + more)
    });
    more.max().unwrap_or((0, 0))
}

/// Maximum depth of nested percent-encoding.
const PERCENT_DEPTH: usize = 4;

/// The length of a byte that is written plainly or with JSON's escapes: after backslashes, or as `\u0041`.
fn escaped(text: &[u8], byte: u8) -> Option<usize> {
    /// JSON in JSON in JSON. Deeper nesting is not decoded.
    const DEPTH: usize = 8;
    let escapes = text.iter().take(DEPTH).take_while(|&&byte| byte == b'\\').count();
    let rest = &text[escapes..];
    let unicode = || {
        let digits = rest.strip_prefix(b"u00")?.get(..2)?;
        let digits = str::from_utf8(digits).ok()?;
        (u8::from_str_radix(digits, 16) == Ok(byte)).then_some(escapes + "u0041".len())
    };
    match escapes {
        0 => (rest.first() == Some(&byte)).then_some(1),
        _ if byte == b'\\' => unicode().or(Some(escapes)),
        _ if rest.first() == Some(&byte) => Some(escapes + 1),
        _ => unicode(),
    }
}

/// The length of a byte that is percent-encoded, and `again` times more: `%41`, `%2541`, `%252541`.
fn percent(text: &[u8], byte: u8, again: usize) -> Option<usize> {
    let mut rest = text.strip_prefix(b"%")?;
    for _ in 0..again {
        rest = rest.strip_prefix(b"25")?;
    }
    let digits = str::from_utf8(rest.get(..2)?).ok()?;
    (u8::from_str_radix(digits, 16) == Ok(byte)).then_some("%41".len() + again * "25".len())
}

/// The length of a byte that is an HTML entity: `&amp;`, `&#38;`, `&#x26;`.
fn entity(text: &[u8], byte: u8) -> Option<usize> {
    let end = text.iter().take(8).position(|&byte| byte == b';')?;
    let name = str::from_utf8(text.get(1..end)?).ok().filter(|_| text[0] == b'&')?;
    let is_byte = match name {
        "amp" => byte == b'&',
        "quot" => byte == b'"',
        "apos" => byte == b'\'',
        "lt" => byte == b'<',
        "gt" => byte == b'>',
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']).map(|hex| u8::from_str_radix(hex, 16));
            hex.unwrap_or_else(|| number.parse()) == Ok(byte)
        }
    };
    is_byte.then_some(end + 1)
}

/// Whether the text ends here, or inside an escape or an HTML entity.
fn is_end(rest: &[u8]) -> bool {
    let in_escape = |prefix: &[u8]| {
        let rest = rest.strip_prefix(prefix).filter(|_| rest.len() < r"\u0041".len());
        rest.is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'\\' | b'u')))
    };
    let in_entity = || {
        let name = rest.strip_prefix(b"&").filter(|_| rest.len() < "&#0038;".len());
        name.is_some_and(|name| name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#'))
    };
    rest.is_empty() || in_escape(b"\\") || in_escape(b"%") || in_entity()
}

fn text(text: &mut String, key: &ApiKey) {
    if let Cow::Owned(redacted) = key.redact(text) {
        *text = redacted;
    }
}

/// Redacts a body or data that may be cut. It surely is if it has the maximum length of an excerpt.
fn body(body: &mut String, key: &ApiKey) {
    let part = if body.len() >= EXCERPT { PART } else { PART_AT_END };
    if let Cow::Owned(redacted) = key.redact_cut(body, part) {
        *body = redacted;
    }
}

fn cow(text: &mut Cow<'static, str>, key: &ApiKey) {
    if let Cow::Owned(redacted) = key.redact(text) {
        *text = redacted.into();
    }
}

fn kind(kind: &mut ErrorKind, key: &ApiKey) {
    match kind {
        ErrorKind::InvalidRequest { field, reason } => {
            cow(field, key);
            cow(reason, key);
        }
        ErrorKind::Api { body: text }
        | ErrorKind::UnexpectedResponse { body: text, .. }
        | ErrorKind::Stream { data: text } => {
            body(text, key);
        }
        ErrorKind::Validation { detail, body: whole } => {
            body(whole, key);
            for ValidationError { loc, msg, error_type } in detail {
                text(msg, key);
                text(error_type, key);
                for location in loc {
                    if let Location::Field(name) = location {
                        text(name, key);
                    }
                }
            }
        }
        ErrorKind::Decode { message, body: start, .. } => {
            body(message, key);
            body(start, key);
        }
        ErrorKind::Connect
        | ErrorKind::Timeout { .. }
        | ErrorKind::Transport
        | ErrorKind::Truncated(_)
        | ErrorKind::Limit { .. }
        | ErrorKind::Cancelled => {}
    }
}

fn answer(answer: &mut Answer, key: &ApiKey) {
    answer.head.redact(key);
    if let Some(id) = &mut answer.session_id
        && let Cow::Owned(redacted) = key.redact(id)
    {
        *id = SessionId::from(redacted);
    }
    if let Some(FinishReason::Other(reason)) = &mut answer.finish_reason
        && let Cow::Owned(redacted) = key.redact(reason)
    {
        *reason = redacted.into();
    }
}

impl Head {
    fn redact(&mut self, key: &ApiKey) {
        self.headers.values_mut().for_each(|value| {
            if let Cow::Owned(redacted) = key.redact(&String::from_utf8_lossy(value.as_bytes())) {
                let is_sensitive = value.is_sensitive();
                *value = HeaderValue::from_bytes(redacted.as_bytes()).unwrap_or(HeaderValue::from_static(HIDDEN));
                value.set_sensitive(is_sensitive);
            }
        });
    }
}

impl ApiKey {
    /// Marks response headers that contain the key as sensitive, so that they are not printed.
    pub fn mark(&self, headers: &mut HeaderMap) {
        let has_key =
            |value: &HeaderValue| matches!(self.redact(&String::from_utf8_lossy(value.as_bytes())), Cow::Owned(_));
        headers.values_mut().filter(|value| has_key(value)).for_each(|value| value.set_sensitive(true));
    }
}

/// The text of a source that contained the key.
#[derive(Debug)]
struct Redacted {
    text: String,
    source: Option<Box<Self>>,
}

impl Redacted {
    /// `None` if neither the error nor its sources print the key.
    fn of(error: &(dyn StdError + 'static), key: &ApiKey) -> Option<Self> {
        prints_key(error, key).then(|| Self::copy(error, key))
    }

    fn copy(error: &(dyn StdError + 'static), key: &ApiKey) -> Self {
        let text = key.redact(&error.to_string()).into_owned();
        Self { text, source: error.source().map(|source| Box::new(Self::copy(source, key))) }
    }
}

fn prints_key(error: &(dyn StdError + 'static), key: &ApiKey) -> bool {
    let printed = format!("{error} {error:?}");
    matches!(key.redact(&printed), Cow::Owned(_)) || error.source().is_some_and(|source| prints_key(source, key))
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Redacted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_encoding() {
        let key = ApiKey::new(r#"sk-"a\b/c+d"#).unwrap();
        let odd = ApiKey::new("sk-%e&1<%25'").unwrap();
        for text in [
            "sk-%e&1<%25'",
            "sk-%25e%261%3C%2525%27",
            "sk-%2525e%25261%253C%252525%2527",
            "sk-%e&amp;1&lt;%25&#39;",
            "sk-%e&#38;1&#x3c;%25&apos;",
        ] {
            assert_eq!(odd.redact(&format!("/x?next={text}&y")), "/x?next=***&y", "{text}");
        }
        for (text, shown) in [
            (r#"bad key sk-"a\b/c+d, sorry"#, "bad key ***, sorry"),
            (r#"sk-"a\b/c+dsk-"a\b/c+d"#, "******"),
            (r#"{"m":"sk-\"a\\b\/c+d"}"#, r#"{"m":"***"}"#),
            (r#"{"m":"{\"n\":\"sk-\\\"a\\\\b\\/c+d\"}"}"#, r#"{"m":"{\"n\":\"***\"}"}"#),
            (r#"\u0073\u006b\u002D\u0022a\u005cb/c\u002bd!"#, "***!"),
            ("/x?k=sk-%22a%5Cb%2Fc%2bd&y", "/x?k=***&y"),
            ("sk-\"a\\b/c+", "***"),
            ("so: sk-\"a", "so: ***"),
            ("so: sk-\"", "so: ***"),
            ("so: sk-", "so: sk-"),
            ("sk-\"a and more", "sk-\"a and more"),
            ("say sk-\"a\\b… and …c+d", "say ***… and …c+d"),
            ("say … /c+d", "say … /c+d"),
            ("say …/c+d", "say …***"),
            ("é…sk-\"a…", "é…***…"),
            (r"cut sk-\u0022\u00", "cut ***"),
        ] {
            assert_eq!(key.redact_cut(text, PART), shown, "{text}");
        }
    }

    #[test]
    fn a_key_that_is_cut_within_an_entity_is_hidden() {
        let key = ApiKey::new("sk-a&b<c-0123456789").unwrap();
        for text in ["bad sk-a&", "bad sk-a&am", "bad sk-a&#3", "bad sk-a&amp;b&l", "bad sk-a&amp;b&#x3"] {
            assert_eq!(key.redact_cut(text, PART), "bad ***", "{text}");
        }
        assert_eq!(key.redact_cut("bad sk-a&am and more", PART), "bad sk-a&am and more");
    }

    #[test]
    fn a_word_that_the_key_begins_with_is_not_hidden() {
        let key = ApiKey::new("inkeep-12345").unwrap();
        for text in ["conv-inkeep", "https://api.example/inkeep", "inkeep-1234"] {
            assert_eq!(key.redact(text), text);
        }
        let mut bodies = ["No such account on inkeep".to_owned(), "bad key inkeep-1".to_owned()];
        bodies.iter_mut().for_each(|text| body(text, &key));
        assert_eq!(bodies, ["No such account on inkeep", "bad key ***"]);
    }

    #[test]
    fn short_keys_are_not_hidden_and_odd_keys_are() {
        assert_eq!(ApiKey::new("sesame7").unwrap().redact("open sesame7"), "open sesame7");
        assert_eq!(ApiKey::new("sesame78").unwrap().redact("open sesame78"), "open ***");
        assert_eq!(ApiKey::new(r"\\\\\\\\a").unwrap().redact(r"x\\\\\\\\a"), "x***");
        // In time that is linear in the length.
        let long = "\\".repeat(200_000);
        assert_eq!(ApiKey::new("sk-01234").unwrap().redact(&long), long);
    }
}
