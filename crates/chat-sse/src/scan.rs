//! Searches for line ends and colons.

use super::LONGEST_NAME;

#[inline]
pub(super) fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Position of the first line end.
///
/// Most lines are short, and calling memchr costs more than searching them. So the first bytes are searched here, 16 at a
/// time: the compiler turns the closure into two vector comparisons. Inlining saves 5 % on small pieces.
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

/// Position of the colon, if the name before it is short enough to be a known field.
#[inline]
pub(super) fn find_colon(line: &[u8]) -> Option<usize> {
    line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':')
}

/// The bytes after the line end that they start with. `None` also for a CR at the end, because a LF may follow.
#[inline]
pub(super) fn after_line_end(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some(rest),
        [b'\r', rest @ ..] if !rest.is_empty() => Some(rest),
        _ => None,
    }
}

/// A value without the space that may precede it.
#[inline]
pub(super) fn strip_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn line_ends_are_found_wherever_they_are() {
        // From 128 bytes on, memchr searches.
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
            // The neighbours of LF and CR, and bytes that wrapping arithmetic would confuse with them.
            assert_eq!(find_line_end(&b"\x09\x0b\x0c\x0e\x8a\x8d\x00\xff".repeat(len)), None);
        }
    }
}
