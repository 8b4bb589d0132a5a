//! Surrogate escapes in JSON as real servers write them: pairs that are split over two strings, and lone halves.
//!
//! JSON can escape one half of a pair, `\ud83d`, which UTF-8 cannot represent. serde_json rejects such a string as text, but
//! returns it as bytes in WTF-8, a superset of UTF-8 that can. The code for that rare case runs only after serde_json has
//! rejected the text. [`unescape`] is for the usual case of the fast path.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Replaces each lone half in the JSON with U+FFFD. `None` if there are none. The length does not change, so that positions
/// in errors stay correct.
pub(crate) fn replace_lone(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    let mut replaced: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let escape = at + found;
        let Some(unit) = escaped_unit(bytes, escape) else {
            at = escape + 2;
            continue;
        };
        at = escape + ESCAPE;
        match unit {
            0xD800..=0xDBFF if matches!(escaped_unit(bytes, at), Some(0xDC00..=0xDFFF)) => at += ESCAPE,
            0xD800..=0xDFFF => {
                let copy = replaced.get_or_insert_with(|| bytes.to_vec());
                copy[escape..at].copy_from_slice(br"\ufffd");
            }
            _ => {}
        }
    }
    replaced.map(|bytes| String::from_utf8(bytes).expect("only ASCII was replaced, by ASCII"))
}

/// The length of `\ud83d`.
const ESCAPE: usize = 6;

/// The UTF-16 unit that is escaped at this position, if there is an escape.
fn escaped_unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(br"\u")?;
    // `from_str_radix` would accept a sign.
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Appends a JSON string, given between its quotes. `None` if it is not valid UTF-8, an escape is not valid, or half of a pair
/// is missing. A part may be appended then.
pub(crate) fn unescape(raw: &[u8], out: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.push_str(str::from_utf8(&rest[..at]).ok()?);
        let (c, len) = escaped_char(&rest[at..])?;
        out.push(c);
        rest = &rest[at + len..];
    }
    out.push_str(str::from_utf8(rest).ok()?);
    Some(())
}

/// The character that an escape at the start stands for, and the length of the escape.
fn escaped_char(escape: &[u8]) -> Option<(char, usize)> {
    let c = match escape.get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\x08',
        b'f' => '\x0c',
        &c @ (b'"' | b'\\' | b'/') => c.into(),
        b'u' => {
            let unit = escaped_unit(escape, 0)?;
            let is_high = matches!(unit, 0xD800..=0xDBFF);
            let low = if is_high { Some(escaped_unit(escape, ESCAPE)?) } else { None };
            let c = char::decode_utf16([unit].into_iter().chain(low)).next()?.ok()?;
            return Some((c, if is_high { 2 * ESCAPE } else { ESCAPE }));
        }
        _ => return None,
    };
    Some((c, 2))
}

/// A JSON string as WTF-8.
pub(crate) struct Wtf8(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Wtf8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Wtf8Visitor)
    }
}

struct Wtf8Visitor;

impl Visitor<'_> for Wtf8Visitor {
    type Value = Wtf8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Wtf8, E> {
        Ok(Wtf8(bytes.to_vec()))
    }
}

/// Joins surrogate pairs that are split over the pieces of one string.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    /// The first half of a pair, from the end of the previous piece.
    high: Option<u16>,
}

impl Joiner {
    /// Whether half of a character is held back for the next piece.
    pub(crate) fn is_waiting(&self) -> bool {
        self.high.is_some()
    }

    /// Returns the text of the next piece, which is UTF-8 or WTF-8. A half at its end is held back for the following piece. An
    /// empty piece changes nothing.
    pub(crate) fn join(&mut self, piece: &[u8]) -> String {
        let mut text = String::with_capacity(piece.len() + 1);
        let mut rest = piece;
        if !piece.is_empty()
            && let Some(high) = self.high.take()
        {
            match piece.split_first_chunk().and_then(|(first, after)| Some((half(first)?, after))) {
                Some((low @ 0xDC00.., after)) => {
                    text.extend(char::decode_utf16([high, low]).flatten());
                    rest = after;
                }
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        if let Some((before, last)) = rest.split_last_chunk()
            && let Some(high @ ..0xDC00) = half(last)
        {
            self.high = Some(high);
            rest = before;
        }
        for chunk in rest.utf8_chunks() {
            text.push_str(chunk.valid());
            // Each remaining half is three invalid bytes that start with this one.
            if chunk.invalid().first() == Some(&0xED) {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// No more pieces follow. Returns U+FFFD if a half is held back.
    pub(crate) fn finish(&mut self) -> Option<char> {
        self.high.take().map(|_| char::REPLACEMENT_CHARACTER)
    }
}

/// The half that three bytes of WTF-8 encode, if they do.
fn half(bytes: &[u8; 3]) -> Option<u16> {
    match *bytes {
        [0xED, b @ 0xA0..=0xBF, c @ 0x80..=0xBF] => Some(0xD000 | u16::from(b & 0x3F) << 6 | u16::from(c & 0x3F)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_halves_are_replaced() {
        for (json, replaced) in [
            (r#"a\ud83db"#, Some(r"a\ufffdb")),
            (r"\ud83d\ude00", None),
            (r"\uD83D\uDE00\ude00", Some(r"\uD83D\uDE00\ufffd")),
            (r"\ud83d\ud83d\ude00", Some(r"\ufffd\ud83d\ude00")),
            (r"\ude00\ud83d", Some(r"\ufffd\ufffd")),
            (r"\\ud83d", None),
            (r"\\\ud83d", Some(r"\\\ufffd")),
            (r"\ud83", None),
            (r"\u+d83", None),
            (r"\ud83é", None),
            (r"\ue000\ud7ff", None),
            ("é\\", None),
            ("", None),
        ] {
            assert_eq!(replace_lone(json).as_deref(), replaced, "{json}");
        }
    }

    #[test]
    fn strings_are_unescaped_as_by_serde_json() {
        const PARTS: [&str; 22] = [
            "a",
            "é",
            "\u{1f49a}",
            r"\n",
            r"\r",
            r"\t",
            r"\b",
            r"\f",
            "\\\"",
            r"\\",
            r"\/",
            r"\u0000",
            r"\u00e9",
            r"\uFFFF",
            r"\ud83d\ude00",
            r"\ud83d",
            r"\ude00",
            r"\uD83D\u0061",
            r"\u+123",
            r"\u12",
            r"\x",
            r"\u00é",
        ];
        for first in PARTS {
            for second in PARTS {
                let raw = format!("{first}{second}");
                let wanted = serde_json::from_str::<String>(&format!("\"{raw}\"")).ok();
                let mut text = String::from("before");
                let got = unescape(raw.as_bytes(), &mut text).map(|()| text["before".len()..].to_owned());
                assert_eq!(got, wanted, "{raw}");
            }
        }
        assert_eq!(unescape(b"a\\n\xff", &mut String::new()), None);
        assert_eq!(unescape(b"\\", &mut String::new()), None);
    }

    /// A string of UTF-16 units in WTF-8.
    fn wtf8(units: &[u16]) -> Vec<u8> {
        let json: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        serde_json::from_str::<Wtf8>(&format!("\"{json}\"")).expect("a string").0
    }

    #[test]
    fn joined_pieces_are_the_whole_text() {
        const UNITS: [u16; 5] = [0xD83D, 0xDE00, 0x61, 0xE9, 0xDBFF];
        // Every string of four units, cut at every two positions.
        for number in 0..5usize.pow(4) {
            let units: Vec<u16> = (0..4).map(|digit| UNITS[number / 5usize.pow(digit) % 5]).collect();
            let whole = String::from_utf16_lossy(&units);
            for first in 0..=4 {
                for second in first..=4 {
                    let mut joiner = Joiner::default();
                    let mut text = String::new();
                    for piece in [&units[..first], &units[first..second], &units[second..]] {
                        text += &joiner.join(&wtf8(piece));
                    }
                    text.extend(joiner.finish());
                    assert_eq!(text, whole, "{units:x?} cut at {first} and {second}");
                }
            }
        }
    }
}
