//! Check of the decoder against the reference, with many chunk splits.

use chat_proto::sse::{DEFAULT_EVENT_LIMIT, Decoder, Item as Lent, Report};

use crate::naive::{self, Item};

/// Output of the decoder for a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecoderOutput {
    /// The items, in order, up to the end or the exceeded limit.
    pub items: Vec<Item>,
    /// Last event ID string at the end.
    pub last_event_id: String,
    /// Reconnection time at the end.
    pub retry_ms: Option<u64>,
    /// Whether the body ends inside an event.
    pub incomplete: bool,
    /// Whether the limit was exceeded.
    pub limited: bool,
}

/// Decodes a body in these chunks.
pub fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> DecoderOutput {
    decode_with_limit(chunks, DEFAULT_EVENT_LIMIT, Report::ALL)
}

/// Decodes a body with a limit, and reports the selected items.
///
/// # Panics
///
/// If the decoder stalls or continues after an error.
pub fn decode_with_limit<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
    report: Report,
) -> DecoderOutput {
    let mut decoder = Decoder::with_limit(limit).reporting(report);
    let mut output = DecoderOutput::default();
    for chunk in chunks {
        let mut input = chunk;
        loop {
            let before = input.len();
            let Some(step) = decoder.advance(&mut input) else { break };
            assert!(input.len() < before, "a step consumed no byte");
            match step {
                Ok(token) => {
                    assert!(!output.limited, "the decoder continued after an error");
                    output.items.push(match decoder.lend(token) {
                        Lent::Event(event) => Item::Event {
                            event_type: event.event_type().into_owned(),
                            data: event.data().into_owned(),
                            id: event.id().into_owned(),
                        },
                        Lent::Comment(text) => Item::Comment(String::from_utf8_lossy(text).into_owned()),
                        _ => Item::Block,
                    });
                }
                Err(error) => {
                    assert_eq!(error.limit, limit);
                    output.limited = true;
                }
            }
        }
        assert!(input.is_empty(), "bytes were left");
    }
    output.last_event_id = decoder.last_event_id().into_owned();
    output.retry_ms = decoder.retry_ms();
    output.incomplete = decoder.is_incomplete();
    output
}

/// Splits a body into chunks of one size.
pub fn cut_every(body: &[u8], size: usize) -> Vec<&[u8]> {
    body.chunks(size.max(1)).collect()
}

/// Splits a body at these offsets. Offsets beyond the end or out of order are ignored. Equal offsets give empty chunks.
pub fn cut_at(body: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    let mut start = 0;
    for cut in cuts {
        if (start..=body.len()).contains(&cut) {
            chunks.push(&body[start..cut]);
            start = cut;
        }
    }
    chunks.push(&body[start..]);
    chunks
}

/// Returns offsets that depend on the body, so that a fuzzer can move them. Chunks may be empty.
fn pseudo_random_cuts(body: &[u8]) -> Vec<usize> {
    let mut state = body.len() as u32;
    let mut at = 0;
    let mut cuts = Vec::new();
    while at < body.len() {
        state = state.wrapping_mul(0x9e37_79b1) ^ u32::from(body[at]);
        at += (state >> 27) as usize % 11;
        cuts.push(at);
        // At most two empty chunks in a row, so that the loop ends.
        if cuts.len() > 1 && cuts[cuts.len() - 2] == at {
            at += 1;
        }
    }
    cuts
}

/// Returns the chunk splits with which every body is checked.
fn chunk_splits(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut all: Vec<_> = [usize::MAX, 1, 2, 3, 5, 7, 16].into_iter().map(|size| cut_every(body, size)).collect();
    all.push(cut_at(body, pseudo_random_cuts(body)));
    // Splits on both sides of every line end and colon.
    let is_delimiter = |at: &usize| matches!(body[*at], b'\r' | b'\n' | b':');
    all.push(cut_at(body, (0..body.len()).filter(is_delimiter)));
    all.push(cut_at(body, (0..body.len()).filter(is_delimiter).map(|at| at + 1)));
    all
}

/// Compares the decoder with the reference: with many chunk splits, with all, some and no reports, and with the
/// default limit and a small one.
///
/// # Panics
///
/// On any difference.
pub fn check_sse(body: &[u8]) {
    let expected = naive::decode(body);
    let expected_output = |items: Vec<Item>| DecoderOutput {
        items,
        last_event_id: expected.last_event_id.clone(),
        retry_ms: expected.retry_ms,
        incomplete: expected.incomplete,
        limited: false,
    };
    let expected_all = expected_output(expected.items.clone());
    let expected_events = expected_output(expected.events().cloned().collect());
    let only_comments = |item: &&Item| !matches!(item, Item::Block);
    let mut comments = Report::default();
    comments.comments = true;
    let expected_comments = expected_output(expected.items.iter().filter(only_comments).cloned().collect());

    let small = 1 + body.first().map_or(0, |&byte| usize::from(byte) % 24);
    let limited = decode_with_limit([body], small, Report::ALL);
    let same_start = limited.items.len() <= expected.items.len() && expected.items.starts_with(&limited.items);
    assert!(same_start, "a limit of {small} changed earlier items: {limited:#?}, not {expected:#?}");
    assert!(limited.limited || limited == expected_all, "a limit of {small} that was not exceeded changed the output");

    for chunks in chunk_splits(body) {
        let decode = |limit, report| decode_with_limit(chunks.iter().copied(), limit, report);
        assert_eq!(decode(DEFAULT_EVENT_LIMIT, Report::ALL), expected_all, "in chunks {chunks:?}");
        assert_eq!(decode(DEFAULT_EVENT_LIMIT, Report::default()), expected_events, "in chunks {chunks:?}");
        assert_eq!(decode(DEFAULT_EVENT_LIMIT, comments), expected_comments, "in chunks {chunks:?}");
        assert_eq!(decode(small, Report::ALL), limited, "a limit of {small}, in chunks {chunks:?}");
    }
}
