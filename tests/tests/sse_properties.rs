//! Property tests of the decoder: any body, any chunk split, any limit.

mod support;

use chat_proto::sse::Report;
use chat_tests::naive::{self, Item};
use chat_tests::{check_sse, cut_at, cut_every, decode, decode_with_limit};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Parts of bodies that are difficult for decoders.
const PARTS: &[&[u8]] = &[
    b"data",
    b"data:",
    b"data: ",
    b"datab",
    b"dat",
    b"event",
    b"event:",
    b"event: a\n",
    b"event: a\r\n",
    b"event:a\n",
    b"events",
    b"id",
    b"id:",
    b"id: 1",
    b"retry",
    b"retry:",
    b"retry: 30",
    b"retry:+5",
    b":",
    b": ",
    b" ",
    b"\r",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r\r",
    b"\n\r",
    b"\xef",
    b"\xbb",
    b"\xbf",
    b"\xef\xbb",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x92",
    b"\xed\xa0\x80",
    "é".as_bytes(),
    "💚".as_bytes(),
    b"x",
    b"7",
    b"\x0b",
    b"18446744073709551616",
    b"data: {\"content_chunk\":\"and so on\"}\n\n",
    b"event: message_chunk\n",
];

fn difficult_body() -> impl Strategy<Value = Vec<u8>> {
    vec(select(PARTS), 0..24).prop_map(|pieces| pieces.concat())
}

/// Text that fits in one line of a field.
fn line(max: usize) -> impl Strategy<Value = String> {
    vec(prop_oneof![4 => any::<char>(), 4 => prop::char::range(' ', '~'), 1 => Just(':'), 1 => Just(' ')], 0..max)
        .prop_map(|chars| chars.into_iter().filter(|char| !matches!(char, '\r' | '\n' | '\0')).collect())
}

fn event() -> impl Strategy<Value = (String, String, Option<String>)> {
    let data = vec(line(40), 1..4).prop_map(|lines| lines.join("\n"));
    (line(12), data, prop::option::of(line(8)))
}

proptest! {
    #![proptest_config(support::config(512))]

    #[test]
    fn difficult_bytes_agree_with_the_reference(body in difficult_body()) {
        check_sse(&body);
    }

    #[test]
    fn any_bytes_agree_with_the_reference(body in vec(any::<u8>(), 0..200)) {
        check_sse(&body);
    }

    #[test]
    fn every_chunk_split_gives_the_same_output(body in difficult_body(), mut cuts in vec(0..400usize, 0..12)) {
        cuts.sort_unstable();
        prop_assert_eq!(decode(cut_at(&body, cuts)), decode([&body[..]]));
    }

    #[test]
    fn encoded_events_are_decoded(
        events in vec(event(), 0..8),
        line_end in select(&["\n", "\r", "\r\n"][..]),
        space in select(&[" ", ""][..]),
        noise in select(&["", ": ping", "x-unknown: 1", "retry: 5"][..]),
        bom in any::<bool>(),
        chunk in 1..40usize,
    ) {
        let mut body = String::new();
        let mut expected = Vec::new();
        let mut last_id = String::new();
        if bom {
            body.push('\u{feff}');
        }
        for (event_type, data, id) in events {
            let mut line = |field: &str, value: &str| {
                // A value that begins with a space needs another space before it.
                let space = if value.starts_with(' ') { " " } else { space };
                body.extend([field, ":", space, value, line_end]);
            };
            if !event_type.is_empty() {
                line("event", &event_type);
            }
            if let Some(id) = id {
                line("id", &id);
                last_id = id;
            }
            for part in data.split('\n') {
                line("data", part);
            }
            if !noise.is_empty() {
                body.extend([noise, line_end]);
            }
            body.push_str(line_end);
            let event_type = if event_type.is_empty() { "message".to_owned() } else { event_type };
            expected.push(Item::Event { event_type, data, id: last_id.clone() });
        }
        let run = decode(cut_every(body.as_bytes(), chunk));
        let events: Vec<_> = run.items.into_iter().filter(|item| matches!(item, Item::Event { .. })).collect();
        prop_assert_eq!(events, expected);
        prop_assert_eq!(run.last_event_id, last_id);
        prop_assert!(!run.incomplete);
    }
}

/// Checks that the body passes a limit of `size` and fails with one byte less, in any chunks.
fn check_limit(what: &str, body: &str, size: usize) {
    let body = body.as_bytes();
    let whole = naive::decode(body);
    for chunk in [1, 2, 3, 7, 64, body.len()] {
        let decode = |limit| decode_with_limit(cut_every(body, chunk), limit, Report::ALL);
        let passed = decode(size);
        assert!(!passed.limited, "{what} of {size} bytes fails with a limit of {size}, in chunks of {chunk}");
        assert_eq!(passed.items, whole.items, "{what}, in chunks of {chunk}");
        let failed = decode(size - 1);
        assert!(failed.limited, "{what} of {size} bytes passes with a limit of one less, in chunks of {chunk}");
        assert!(failed.incomplete, "a failed stream has no clean end");
    }
}

#[test]
fn the_limit_is_exact_to_the_byte() {
    for n in [1, 2, 17, 100, 300] {
        let x = "x".repeat(n);
        check_limit("data", &format!("data: {x}\n\n"), n);
        check_limit("data without a space", &format!("data:{x}\r\n\r\n"), n);
        check_limit("data that never ends", &format!("data:{x}"), n);
        check_limit("two data lines", &format!("data: {x}\ndata: {x}\n\n"), 2 * n + 1);
        check_limit("empty data lines", &"data:\n".repeat(n + 1), n);
        check_limit("bare data lines", &"data\r".repeat(n + 1), n);
        check_limit("a type", &format!("event: {x}\ndata:\n\n"), n);
        check_limit("the same type again", &format!("event: {x}\ndata:\n\nevent: {x}\ndata\n\n"), n);
        check_limit("type and data", &format!("event: {x}\ndata: {x}{x}\n\n"), 3 * n);
        check_limit("data and type", &format!("data: {x}{x}\nevent: {x}\n\n"), 3 * n);
        check_limit("the same type, then data", &format!("event: {x}\n\nevent: {x}\ndata: {x}\n\n"), 2 * n);
        check_limit("a type twice in a block", &format!("event: {x}\nevent: {x}\ndata: a\n\n"), n + 1);
        check_limit("an id", &format!("id: {x}\n\n"), n);
        check_limit("an id and its successor", &format!("id: {x}\nid: {x}\n\n"), 2 * n);
        check_limit("an id of NUL", &format!("id: \0{x}\n\n"), n + 1);
        check_limit("a retry line", &format!("retry: {}\n\n", "1".repeat(n)), n);
        check_limit("a comment", &format!(":{x}\n"), n + 1);
        check_limit("a comment amid data", &format!("data: {x}\n:{x}\n\n"), 2 * n + 1);
        check_limit("an unknown field", &format!("x-{x}: {x}\n"), 2 * n + 4);
        check_limit("an unknown field amid data", &format!("data: {x}\nx-{x}\ndata\n\n"), 2 * n + 2);
        check_limit("an unknown name without end", &format!("unknown{x}"), n + 7);
        check_limit("a line of spaces", &format!("{}\n", " ".repeat(n)), n);
    }
}
