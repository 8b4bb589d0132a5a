//! Check of the decoder with bodies made of fields, line ends and special cases.

use crate::check::check_sse;

/// Fields, line ends and special cases, so that a fuzzer does not have to find them.
const PARTS: [&[u8]; 32] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"data",
    b"data:",
    b"data: ",
    b"event",
    b"event:",
    b"event: x",
    b"event: message_chunk\n",
    b"id",
    b"id:",
    b"id: 1",
    b"id: \0",
    b"retry",
    b"retry: ",
    b"retry: 10",
    b"retry: +5",
    b"99999999999999999999",
    b":",
    b": ping",
    b" ",
    b"\t",
    b"\xef\xbb\xbf",
    b"\xef\xbb",
    b"\xef",
    b"\xe2\x82",
    b"\xff",
    b"\0",
    b"datax",
    b"a",
    b"\xc3\xa9",
];

/// Builds a body from bytes: each byte is the index of a part, or itself if there is no such part.
pub(crate) fn body_of(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| PARTS.get(usize::from(*byte)).copied().unwrap_or(std::slice::from_ref(byte)))
        .copied()
        .collect()
}

/// Runs [`check_sse`] with a body in which each byte is the index of a part, or itself if there is no such part.
///
/// # Panics
///
/// As in [`check_sse`].
pub fn check_lines(bytes: &[u8]) {
    check_sse(&body_of(bytes));
}
