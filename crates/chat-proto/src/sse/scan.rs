//! Looking for what ends a line or a name.

use super::LONGEST_NAME;

#[inline]
pub(super) fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Where the first line end is.
///
/// Lines of text mostly end before a search made for long ones has been called and set up, so the first bytes are
/// looked at here, 16 at once: the compiler makes two comparisons of vectors of the closure. Always inlined, which is a
/// twentieth of the time on small pieces.
#[inline(always)]
pub(super) fn find_line_end(bytes: &[u8]) -> Option<usize> {
    const SHORT: usize = 128;
    let mut at = 0;
    while let Some(lane) = bytes[at..].first_chunk::<16>() {
        let hits = u128::from_le_bytes(lane.map(|byte| if is_line_end(byte) { 0xff } else { 0 }));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 16;
        if at == SHORT {
            return memchr::memchr2(b'\n', b'\r', &bytes[at..]).map(|found| at + found);
        }
    }
    bytes[at..].iter().position(|&byte| is_line_end(byte)).map(|found| at + found)
}

/// Where the colon is, if it comes so early that the name before it can mean something.
#[inline]
pub(super) fn find_colon(line: &[u8]) -> Option<usize> {
    line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':')
}

/// What follows the line end that these bytes start with. A CR that is the last byte may not be all of it.
#[inline]
pub(super) fn after_line_end(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some(rest),
        [b'\r', rest @ ..] if !rest.is_empty() => Some(rest),
        _ => None,
    }
}

/// A value without the one space that may stand before it.
#[inline]
pub(super) fn strip_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_found_wherever_they_are() {
        // Past 128 it is another search.
        for len in (0..80).chain(120..140) {
            for at in 0..len {
                for end in [b'\n', b'\r'] {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = end;
                    assert_eq!(find_line_end(&bytes), Some(at));
                    bytes[len - 1] = b'\n';
                    assert_eq!(find_line_end(&bytes), Some(at));
                }
            }
            // The neighbours of LF and CR, and what wrapping arithmetic takes for them.
            assert_eq!(find_line_end(&b"\x09\x0b\x0c\x0e\x8a\x8d\x00\xff".repeat(len)), None);
        }
    }
}
