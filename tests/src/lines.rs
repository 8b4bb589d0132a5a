//! The line and field layer, over bodies made of what decoders get wrong.

use crate::check::check_sse;

/// Fields, line ends and oddities, so that a fuzzer need not find them first.
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

/// Makes a body of bytes: each is a part; those past the last part stand for themselves.
pub(crate) fn body_of(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| PARTS.get(usize::from(*byte)).copied().unwrap_or(std::slice::from_ref(byte)))
        .copied()
        .collect()
}

/// Each byte is a part of the body; those past the last part stand for themselves.
///
/// # Panics
///
/// As [`check_sse`].
pub fn check_lines(bytes: &[u8]) {
    check_sse(&body_of(bytes));
}
