//! Bytes as lines of printable text.

use std::fmt::Write as _;

/// Writes bytes as text: printable characters as they are, everything else with a backslash.
///
/// `\n`, `\r`, `\t` and `\\` are short, other bytes are like `\x1b`. A space at the end is escaped too, because editors
/// remove it.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| escape_char(&mut text, c));
        chunk.invalid().iter().for_each(|&byte| escape_byte(&mut text, byte));
    }
    if text.ends_with(' ') {
        text.truncate(text.len() - 1);
        escape_byte(&mut text, b' ');
    }
    text
}

/// Splits bytes behind each line feed and escapes the lines.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(escape)
}

fn escape_char(text: &mut String, c: char) {
    match c {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '"' | '\'' => text.push(c),
        // What the standard library does not print as it is: control and format characters, unassigned ones, marks.
        _ if c.escape_debug().len() == 1 => text.push(c),
        _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape_byte(text, byte)),
    }
}

fn escape_byte(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}");
}

/// Reads what [`escape`] writes. The error says what is wrong.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, len) = match escaped.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (u8::from_str_radix(&escaped[1..3], 16).unwrap_or_default(), 3)
            }
            _ => {
                let start: String = escaped.chars().take(3).collect();
                return Err(format!("`\\{start}` is not an escape; write `\\\\` for a backslash"));
            }
        };
        bytes.push(byte);
        rest = &escaped[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_can_be_written_and_read() {
        let all: Vec<u8> = (0..=255).collect();
        let text = "data: \"é\u{202e}\u{feff}\u{e000}日本🦀\" \\ \t\r\n ";
        for bytes in [&all[..], text.as_bytes(), b"", b" ", b"\xf0\x9f\xa6"] {
            let escaped = escape(bytes);
            assert!(escaped.chars().all(|c| c == ' ' || !c.is_control() && !c.is_whitespace()), "{escaped}");
            assert_eq!(escaped.trim_end(), escaped);
            assert_eq!(unescape(&escaped).as_deref(), Ok(bytes), "{escaped}");
            let joined: Vec<u8> = lines(bytes).flat_map(|line| unescape(&line).unwrap()).collect();
            assert_eq!(joined, bytes);
        }
        assert_eq!(
            escape(text.as_bytes()),
            "data: \"é\\xe2\\x80\\xae\\xef\\xbb\\xbf\\xee\\x80\\x80日本🦀\" \\\\ \\t\\r\\n\\x20"
        );
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_can_be_written_and_read(bytes: Vec<u8>) {
            let joined: Vec<u8> = lines(&bytes).flat_map(|line| unescape(&line).unwrap()).collect();
            assert_eq!(joined, bytes);
        }
    }

    #[test]
    fn an_unknown_escape_is_an_error() {
        for (text, start) in [("a\\q", "\\q"), ("\\", "\\"), ("\\x4", "\\x4"), ("\\xé1", "\\xé1"), ("\\u0041", "\\u00")]
        {
            assert!(unescape(text).unwrap_err().starts_with(&format!("`{start}`")), "{text}");
        }
    }
}
