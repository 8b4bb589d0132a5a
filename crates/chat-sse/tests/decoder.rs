//! The decoder's output for a body, cut in every way. The workspace's `tests/` has the corpus and the properties.

use chat_sse::{DEFAULT_EVENT_LIMIT, Decoder, Item, LimitExceeded, OwnedEvent, Report};

/// Decodes a body in chunks of one size. Returns one line per item.
fn decode(decoder: Decoder, body: &[u8], size: usize) -> Result<(String, Decoder), LimitExceeded> {
    decode_chunks(decoder, body.chunks(size))
}

fn decode_chunks<'b>(
    mut decoder: Decoder,
    chunks: impl IntoIterator<Item = &'b [u8]>,
) -> Result<(String, Decoder), LimitExceeded> {
    let mut lines = String::new();
    for mut input in chunks {
        while let Some(token) = decoder.advance(&mut input) {
            lines += &match decoder.lend(token?) {
                Item::Event(event) => {
                    assert_eq!(event.data(), String::from_utf8_lossy(event.data_bytes()));
                    assert_eq!(event.id(), String::from_utf8_lossy(event.id_bytes()));
                    assert_eq!(event.event_type(), String::from_utf8_lossy(event.event_type_bytes()));
                    format!("{} {:?} {}\n", event.event_type(), event.data(), event.id())
                }
                Item::Comment(comment) => format!("comment {:?}\n", String::from_utf8_lossy(comment)),
                Item::Block => "block\n".to_owned(),
                other => panic!("{other:?}"),
            };
        }
    }
    Ok((lines, decoder))
}

/// Asserts the output for chunks of every size. Returns the decoder after the last one.
#[track_caller]
fn in_any_chunks(new: impl Fn() -> Decoder, body: &[u8], expected: &str) -> Decoder {
    for size in (1..body.len()).rev() {
        let (lines, _) = decode(new(), body, size).expect("within the limit");
        assert_eq!(lines, expected, "in chunks of {size}: {:?}", String::from_utf8_lossy(body));
    }
    let (lines, decoder) = decode(new(), body, body.len().max(1)).expect("within the limit");
    assert_eq!(lines, expected, "{:?}", String::from_utf8_lossy(body));
    decoder
}

/// Asserts that the output for two cuts at any positions, and for chunks of 1 to 40 bytes, is that of the whole body.
#[track_caller]
fn cut_anywhere(body: &str) {
    let new = || Decoder::new().reporting(Report::ALL);
    let bytes = body.as_bytes();
    let whole = decode(new(), bytes, bytes.len()).expect("within the limit").0;
    for size in 1..=40 {
        assert_eq!(decode(new(), bytes, size).expect("within the limit").0, whole, "in chunks of {size}: {body:?}");
    }
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            let (lines, _) = decode_chunks(new(), chunks).expect("within the limit");
            assert_eq!(lines, whole, "cut at {first} and {second}: {body:?}");
        }
    }
}

#[test]
fn cuts_anywhere_do_not_change_the_output() {
    cut_anywhere(
        "\u{feff}event: message_chunk\ndata: {\"content_chunk\":\"and\"}\n\nevent: message_chunk\ndata: {}\n\n\
         event: message_chunk\r\nid: 7\r\ndata: one\r\ndata:two\r\n\r\n: hi\n\nevent: message_chunk\rdata: c\r\r\
         retry: 9\nevent: message_chunk\nx: y\ndata\n\ndata: a longer line without a type\n\n",
    );
}

#[test]
fn another_type_line_is_told_from_the_last_one() {
    for line in [
        "event: message_chunk",
        "event: message_chunks",
        "event: message",
        "event: messages",
        "event: ",
        "event:",
        "event:message_chunk",
        "event:  message_chunk",
        "event",
        "even",
        "event x",
        "events: a",
        "e",
        "evil: a",
        "event: message_chunk\nevent: message_chunk",
        "event: message_chunk\nevent: message_",
        "event: message_chunk\n",
        "id: 1\nevent: message_chunk",
    ] {
        for end in ["\n", "\r", "\r\n"] {
            cut_anywhere(&format!(
                "event: message_chunk\ndata: a\n\n{line}{end}data: b{end}{end}event: message_chunk\ndata: c\n\n"
            ));
        }
    }
}

/// What the decoder says of an unfinished event, in chunks of any size, whether or not the last event has the same type.
#[test]
fn an_unfinished_event_is_the_same_in_any_chunks() {
    let body = "event: message_chunk\ndata: {}\nid: 1\n";
    for last in ["", "event: message_chunk\ndata: a\n\n", "event: message_x\ndata: a\n\n"] {
        for len in 1..=body.len() {
            for size in 1..=len {
                let decoder = decode(Decoder::new(), last.as_bytes(), 99).expect("within the limit").1;
                let (lines, decoder) = decode(decoder, &body.as_bytes()[..len], size).expect("within the limit");
                assert_eq!(lines, "");
                let unfinished = decoder.unfinished().expect("an event");
                let case = format!("{len} bytes in chunks of {size} after {last:?}");
                let event_type = (len > 20).then_some(&b"message_chunk"[..]);
                assert_eq!(unfinished.event_type, event_type, "{case}");
                assert_eq!(unfinished.data.is_some(), len > 25, "{case}");
                assert!(decoder.is_incomplete() && !decoder.is_between_events(), "{case}");
                if len <= 20 {
                    assert_eq!(unfinished.len, len, "{case}");
                }
            }
        }
    }
}

#[test]
fn fields_do_what_the_standard_says() {
    for (body, expected) in [
        ("data: a\n\n", "message \"a\" \n"),
        ("data:a\ndata: b\ndata:  c\n\n", "message \"a\\nb\\n c\" \n"),
        ("data\n\ndata\ndata\n\n", "message \"\" \nmessage \"\\n\" \n"),
        ("event: x\ndata: a\n\ndata: b\n\n", "x \"a\" \nmessage \"b\" \n"),
        ("event: x\nevent\ndata: a\n\n", "message \"a\" \n"),
        ("event: x\nevent: yy\ndata: a\n\nevent: yy\ndata: b\ndata: c\n\n", "yy \"a\" \nyy \"b\\nc\" \n"),
        ("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "message \"a\" 1\nmessage \"b\" 1\nmessage \"c\" \n"),
        ("id: 1\nid: 2\0\ndata: a\n\n", "message \"a\" 1\n"),
        ("dat: a\ndata a\ndatax: a\n: a\n:\nData: a\n\n", ""),
        ("\u{feff}data: a\r\ndata: b\r\r\ndata: c\r\r", "message \"a\\nb\" \nmessage \"c\" \n"),
        ("\u{feff}\u{feff}data: a\n\n", ""),
        ("data: a\n", ""),
        ("\n\n\r\n\rdata: \u{1f600}\n\n", "message \"\u{1f600}\" \n"),
    ] {
        in_any_chunks(Decoder::new, body.as_bytes(), expected);
    }
    in_any_chunks(Decoder::new, b"\xefdata: a\n\ndata: \xf0\x9f\x98\n\n", "message \"\u{fffd}\" \n");
}

#[test]
fn comments_and_blocks_are_reported_if_enabled() {
    let body = b": hi\n:\nid: 7\n\nretry: 10\n\n\ndata: a\n\n:x\r";
    let both = "comment \" hi\"\ncomment \"\"\nblock\nblock\nmessage \"a\" 7\ncomment \"x\"\n";
    in_any_chunks(|| Decoder::new().reporting(Report::ALL), body, both);
    in_any_chunks(
        || Decoder::new().reporting(Report::COMMENTS),
        body,
        "comment \" hi\"\ncomment \"\"\nmessage \"a\" 7\ncomment \"x\"\n",
    );
    in_any_chunks(Decoder::new, body, "message \"a\" 7\n");
    // `next` returns events only.
    let (mut decoder, mut input) = (Decoder::new().reporting(Report::ALL), &body[..]);
    let event = decoder.next(&mut input).expect("an event").expect("within the limit");
    assert_eq!(format!("{event:?}"), "Event { event_type: \"message\", data: \"a\", id: \"7\" }");
    assert!(decoder.next(&mut input).is_none() && input.is_empty());
}

#[test]
fn an_event_larger_than_the_retained_buffers_does_not_affect_later_events() {
    let large = "x".repeat(100 * 1024);
    let body = format!("id: 1\ndata: {large}\n\n\n:\n\nretry: 1\n\n\ndata: a\n\n\n").repeat(2);
    let expected = format!("message {large:?} 1\ncomment \"\"\nblock\nmessage \"a\" 1\n").repeat(2);
    for size in [1000, 64 * 1024, body.len()] {
        let (lines, _) =
            decode(Decoder::new().reporting(Report::ALL), body.as_bytes(), size).expect("within the limit");
        assert!(lines == expected, "in chunks of {size}");
    }
}

#[test]
fn the_id_and_the_retry_time_outlive_their_block() {
    let decoder = in_any_chunks(Decoder::new, b"id: 12\nretry: 3000\n\nid: 13\nretry: 1x\nretry: -1\nretry:\n", "");
    assert_eq!((decoder.last_event_id().as_ref(), decoder.retry_ms()), ("12", Some(3000)));
    let decoder = in_any_chunks(Decoder::new, b"retry: 99999999999999999999\n", "");
    assert_eq!((decoder.last_event_id().as_ref(), decoder.retry_ms()), ("", Some(u64::MAX)));
    assert_eq!(Decoder::default().retry_ms(), None);
}

/// The start of a stream that ends in the middle, and the items of the next stream on the same decoder.
#[track_caller]
fn after_reset(first: &str, second: &str, expected: &str) -> Decoder {
    for size in 1..=first.len().max(1) {
        let (_, mut decoder) = decode(Decoder::new(), first.as_bytes(), size).expect("within the limit");
        decoder.reset();
        assert!(!decoder.is_incomplete() && decoder.unfinished().is_none(), "{first:?} in chunks of {size}");
        let (lines, _) = decode(decoder, second.as_bytes(), 3).expect("within the limit");
        assert_eq!(lines, expected, "{second:?} after {first:?} in chunks of {size}");
    }
    let (_, mut decoder) = decode(Decoder::new(), first.as_bytes(), first.len().max(1)).expect("within the limit");
    decoder.reset();
    decoder
}

#[test]
fn a_reset_drops_what_the_stream_left_unfinished() {
    let (second, expected) = ("\u{feff}data: b\n\n", "message \"b\" \n");
    for first in [
        "",
        "\u{feff}",
        "d",
        "data: a",
        "data: a\n",
        "data: a\r",
        "event: x\ndata: a\n",
        ": hi",
        "x: y",
        "retry: 5",
        "id: 1\n",
    ] {
        after_reset(first, second, expected);
    }
    // A LF at the start is a blank line of the new stream, also if the old one ended with a CR.
    after_reset("data: a\r", "\ndata: b\n\n", expected);
    // The event type was known, but the block is a new one.
    after_reset("event: x\ndata: a\n\nevent: x\n", "data: b\n\n", expected);
}

#[test]
fn a_reset_keeps_the_last_event_id_and_the_reconnection_time() {
    let decoder = after_reset("id: 1\nretry: 9\ndata: a\n\nid: 2\n", "data: b\n\n", "message \"b\" 1\n");
    assert_eq!((decoder.last_event_id().as_ref(), decoder.retry_ms()), ("1", Some(9)));
    after_reset("id: 1\n\n", "id\ndata: b\n\n", "message \"b\" \n");
    after_reset("id: 1\n\n", "id: 3\ndata: b\n\n", "message \"b\" 3\n");
}

#[test]
fn a_reset_keeps_the_limit_and_the_reports_but_not_the_error() {
    let mut decoder = Decoder::with_limit(3).reporting(Report::COMMENTS);
    assert!(decoder.next(&mut &b"data: long\n\n"[..]).expect("an error").is_err());
    decoder.reset();
    let (lines, mut decoder) = decode(decoder, b": a\n\ndata: b\n\n", 2).expect("within the limit");
    assert_eq!(lines, "comment \" a\"\nmessage \"b\" \n");
    assert_eq!(decoder.next(&mut &b"data: long\n\n"[..]).expect("an error").unwrap_err().limit, 3);
}

#[test]
fn a_reset_forgets_the_fields_of_the_old_stream() {
    let (_, mut decoder) = decode(Decoder::new(), b"{\"error\": 1}\n", 5).expect("within the limit");
    assert!(decoder.has_only_unknown_fields());
    decoder.reset();
    assert!(!decoder.has_only_unknown_fields());
}

#[test]
fn the_first_last_event_id_lasts_until_the_stream_sets_another() {
    let new = || Decoder::new().with_last_event_id("7 é").expect("valid");
    assert_eq!(new().last_event_id(), "7 é");
    in_any_chunks(new, b"data: a\n\nid: 8\ndata: b\n\n", "message \"a\" 7 é\nmessage \"b\" 8\n");
    in_any_chunks(new, b"id\ndata: a\n\n", "message \"a\" \n");
    in_any_chunks(new, b"id: 8\0\ndata: a\n\n", "message \"a\" 7 é\n");
    // An ID that is not UTF-8, as a stream may set it.
    let decoder = Decoder::new().with_last_event_id(&b"\xff"[..]).expect("valid");
    assert_eq!(decoder.last_event_id(), "\u{fffd}");
    assert_eq!(Decoder::new().with_last_event_id("").expect("valid").last_event_id(), "");
}

#[test]
fn a_last_event_id_that_no_stream_can_set_is_rejected() {
    for id in ["\0", "a\0b", "a\n", "\rb", "a\r\nb"] {
        let error = Decoder::new().with_last_event_id(id).unwrap_err();
        assert_eq!(error.to_string(), "a last event ID contains NUL, LF or CR");
    }
}

#[test]
fn an_owned_event_has_the_id_and_the_retry_time_of_its_moment() {
    let mut decoder = Decoder::new();
    let mut input = &b"data: a\n\nretry: 5\n\nid: 1\ndata: b\xff\n\nevent: x\nretry: 6\ndata: c\n\n"[..];
    let mut events = Vec::new();
    while let Some(event) = decoder.next_owned(&mut input) {
        let OwnedEvent { event, data, id, retry } = event.expect("within the limit");
        events.push(format!("{event} {data} {id} {retry:?}"));
    }
    assert_eq!(events, ["message a  None", "message b\u{fffd} 1 Some(5ms)", "x c 1 Some(6ms)"]);
}

#[test]
fn is_incomplete_says_whether_the_stream_would_be_cut() {
    for (body, is_incomplete) in [
        ("", false),
        ("\n", false),
        ("data: a\n\n", false),
        ("data: a\r", true),
        ("data: a\r\r", false),
        ("data: a", true),
        ("d", true),
        ("data: a\n", true),
        ("event: a\n", true),
        ("id: a\n", true),
        ("event: a\nid: a\ndata: a\n", true),
        ("id: a\nevent: a\n", true),
        ("retry: 1\n", false),
        ("retry: 1", true),
        ("x: 1", true),
        ("x: 1\n", false),
        (":", false),
        (": hi", false),
        (": hi\n", false),
        ("data: a\n: hi", true),
    ] {
        for size in 1..=body.len().max(1) {
            let (_, decoder) = decode(Decoder::new(), body.as_bytes(), size).expect("within the limit");
            assert_eq!(decoder.is_incomplete(), is_incomplete, "{body:?} in chunks of {size}");
        }
    }
    let mark = decode(Decoder::new(), b"\xef\xbb", 1).expect("within the limit").1;
    assert!(mark.is_incomplete(), "it may be the start of a name");
}

#[test]
fn is_between_events_says_whether_a_known_event_can_be_skipped() {
    for (body, expected) in [
        ("", false),
        ("\n", true),
        ("\u{feff}", true),
        ("data: a\n\n", true),
        ("data: a\r\n\r\n", true),
        ("data: a\r\r", false),
        ("data: a\n", false),
        ("event: a\n", false),
        ("id: a\n", false),
        ("retry: 1\n", false),
        ("d", false),
        (":", false),
        (": hi\n", true),
    ] {
        for size in 1..=body.len().max(1) {
            let (_, decoder) = decode(Decoder::new(), body.as_bytes(), size).expect("within the limit");
            assert_eq!(decoder.is_between_events(), expected, "{body:?} in chunks of {size}");
        }
    }
    let large = format!("data: {}\n\n", "x".repeat(100 * 1024));
    let decoder = decode(Decoder::new(), large.as_bytes(), 1000).expect("within the limit").1;
    assert!(!decoder.is_between_events(), "the next event releases the buffer");
    let (mut decoder, mut input) = (Decoder::with_limit(1), &b"data: long\n\n"[..]);
    assert!(decoder.next(&mut input).expect("an error").is_err() && !decoder.is_between_events());
}

#[test]
fn a_skipped_event_changes_nothing_for_the_others() {
    let known = "event: x\ndata: known\n\n";
    let (before, after) =
        ("id: 1\nevent: x\ndata: a\n\n", "event: x\ndata: b\n\ndata: c\n\nevent: y\ndata: d\ndata: e\n\n");
    let lines = |skips: bool| {
        let (lines, decoder) = decode(Decoder::new(), before.as_bytes(), 5).expect("within the limit");
        let body = format!("{known}{after}");
        let mut input = body.as_bytes();
        if skips {
            assert!(decoder.is_between_events());
            input = &input[known.len()..];
        }
        lines + &decode(decoder, input, 7).expect("within the limit").0
    };
    assert_eq!(lines(true), "x \"a\" 1\nx \"b\" 1\nmessage \"c\" 1\ny \"d\\ne\" 1\n");
    assert_eq!(lines(false).replace("x \"known\" 1\n", ""), lines(true));
}

#[test]
fn a_token_has_the_data_that_lies_inside_the_chunk() {
    let mut decoder = Decoder::new().reporting(Report::ALL);
    let chunks = ["data: a\n\ndata: b\ndata: c\n\n: hi\n\nretry: 1\n\nid: 1\nevent: x\ndata:d\n\nda", "ta: e\n\n"];
    let mut data = Vec::new();
    for mut input in chunks.map(str::as_bytes) {
        while let Some(token) = decoder.advance(&mut input) {
            data.push(token.expect("within the limit").data());
        }
    }
    assert_eq!(data, [Some(&b"a"[..]), None, None, None, Some(b"d"), None]);
}

#[test]
fn the_limit_is_exact_and_final() {
    // The largest block of each body holds ten bytes.
    for body in [
        "data: 0123456789\n\n",
        "data:01234\ndata:6789\n\n",
        "event: 01234\ndata: 56789\n\n",
        "event: 01234\nevent: 56\ndata: 01234567\n\n",
        "id: 01234\ndata: 56789\n\n",
        "id: 01234\nid: 567\ndata: 0123456\n\n",
        ":123456789\ndata: a\n\n",
        "x: 3456789\ndata: a\n\n",
        "0123456789\ndata: a\n\n",
        "retry: 0123456789\n\n",
        "data: 0\n\ndata: 0123456789\n\n",
        "event: 0\ndata: 0\n\nevent: 0\ndata: 012345678\n\n",
        "event: 0123\ndata: 0\n\nevent: 0123\ndata: 01\ndata: 012\n\n",
    ] {
        for size in 1..=body.len() {
            assert!(decode(Decoder::with_limit(10), body.as_bytes(), size).is_ok(), "{body:?} in chunks of {size}");
            let error = decode(Decoder::with_limit(9), body.as_bytes(), size).unwrap_err();
            assert_eq!(error.limit, 9, "{body:?} in chunks of {size}");
        }
    }
    let mut decoder = Decoder::with_limit(3);
    let mut input = &b"data: ok\n\ndata: long\n\ndata: a\n\n"[..];
    assert_eq!(decoder.next(&mut input).expect("an event").expect("within the limit").data(), "ok");
    let error = decoder.next(&mut input).expect("an error").unwrap_err();
    assert_eq!(error.to_string(), "an event is larger than the limit of 3 bytes");
    assert!(input.is_empty() && decoder.is_incomplete());
    assert!(decoder.next(&mut &b""[..]).is_none());
    input = b"\n\ndata: a\n\n";
    assert_eq!(decoder.next(&mut input), Some(Err(error)));
    assert!(input.is_empty());
}

#[test]
fn the_default_limit_is_16_mib() {
    let large = "x".repeat(DEFAULT_EVENT_LIMIT);
    let events =
        |body: String| decode(Decoder::new(), body.as_bytes(), 64 * 1024).map(|(lines, _)| lines.lines().count());
    assert_eq!(events(format!("data: {large}\n\ndata: a\n\n")), Ok(2));
    assert!(events(format!("data: {large}x\n\n")).is_err());
}
