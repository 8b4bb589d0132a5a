//! The decoder against the reference, in many cuttings.

use chat_proto::sse::{DEFAULT_EVENT_LIMIT, Decoder, Item as Lent, Report};

use crate::naive::{self, Item};

/// What the decoder made of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The items, in order, up to the end or the limit.
    pub items: Vec<Item>,
    /// The last event ID string afterwards.
    pub last_event_id: String,
    /// The reconnection time afterwards.
    pub retry_ms: Option<u64>,
    /// Whether the end lies inside an event.
    pub incomplete: bool,
    /// Whether the limit was passed.
    pub limited: bool,
}

/// Decodes a body that comes in these chunks.
pub fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Run {
    decode_with_limit(chunks, DEFAULT_EVENT_LIMIT, Report::ALL)
}

/// The same under a limit, reporting this and no more.
///
/// # Panics
///
/// If the decoder stalls or goes on after an error.
pub fn decode_with_limit<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize, report: Report) -> Run {
    let mut decoder = Decoder::with_limit(limit).reporting(report);
    let mut run = Run::default();
    for chunk in chunks {
        let mut input = chunk;
        loop {
            let before = input.len();
            let Some(step) = decoder.advance(&mut input) else { break };
            assert!(input.len() < before, "a step took no byte");
            match step {
                Ok(token) => {
                    assert!(!run.limited, "went on after an error");
                    run.items.push(match decoder.lend(token) {
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
                    run.limited = true;
                }
            }
        }
        assert!(input.is_empty(), "bytes were left");
    }
    run.last_event_id = decoder.last_event_id().into_owned();
    run.retry_ms = decoder.retry_ms();
    run.incomplete = decoder.is_incomplete();
    run
}

/// Cuts a body into chunks of one size.
pub fn cut_every(body: &[u8], size: usize) -> Vec<&[u8]> {
    body.chunks(size.max(1)).collect()
}

/// Cuts a body at these offsets, those beyond the end and those out of order left out. Equal ones give empty chunks.
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

/// Lengths that the body itself draws, so that a fuzzer can move the cuts. Zero is among them.
fn drawn_cuts(body: &[u8]) -> Vec<usize> {
    let mut state = body.len() as u32;
    let mut at = 0;
    let mut cuts = Vec::new();
    while at < body.len() {
        state = state.wrapping_mul(0x9e37_79b1) ^ u32::from(body[at]);
        at += (state >> 27) as usize % 11;
        cuts.push(at);
        // Never a stall: a run of empty chunks ends after the second.
        if cuts.len() > 1 && cuts[cuts.len() - 2] == at {
            at += 1;
        }
    }
    cuts
}

/// The cuttings that every body is checked in.
fn cuttings(body: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut all: Vec<_> = [usize::MAX, 1, 2, 3, 5, 7, 16].into_iter().map(|size| cut_every(body, size)).collect();
    all.push(cut_at(body, drawn_cuts(body)));
    // Cuts where it hurts: on both sides of every line end and colon.
    let tender = |at: &usize| matches!(body[*at], b'\r' | b'\n' | b':');
    all.push(cut_at(body, (0..body.len()).filter(tender)));
    all.push(cut_at(body, (0..body.len()).filter(tender).map(|at| at + 1)));
    all
}

/// Holds the decoder to the reference over any bytes: in many cuttings, reporting all and nothing, with the default limit
/// and with a small one.
///
/// # Panics
///
/// On any difference.
pub fn check_sse(body: &[u8]) {
    let want = naive::decode(body);
    let want_run = |items: Vec<Item>| Run {
        items,
        last_event_id: want.last_event_id.clone(),
        retry_ms: want.retry_ms,
        incomplete: want.incomplete,
        limited: false,
    };
    let want_all = want_run(want.items.clone());
    let want_events = want_run(want.events().cloned().collect());
    let only_comments = |item: &&Item| !matches!(item, Item::Block);
    let mut comments = Report::default();
    comments.comments = true;
    let want_comments = want_run(want.items.iter().filter(only_comments).cloned().collect());

    let small = 1 + body.first().map_or(0, |&byte| usize::from(byte) % 24);
    let limited = decode_with_limit([body], small, Report::ALL);
    let same_start = limited.items.len() <= want.items.len() && want.items.starts_with(&limited.items);
    assert!(same_start, "a limit of {small} changed what came before it: {limited:#?}, not {want:#?}");
    assert!(limited.limited || limited == want_all, "a limit of {small} that was not passed changed something");

    for chunks in cuttings(body) {
        let decode = |limit, report| decode_with_limit(chunks.iter().copied(), limit, report);
        assert_eq!(decode(DEFAULT_EVENT_LIMIT, Report::ALL), want_all, "cut into {chunks:?}");
        assert_eq!(decode(DEFAULT_EVENT_LIMIT, Report::default()), want_events, "cut into {chunks:?}");
        assert_eq!(decode(DEFAULT_EVENT_LIMIT, comments), want_comments, "cut into {chunks:?}");
        assert_eq!(decode(small, Report::ALL), limited, "a limit of {small}, cut into {chunks:?}");
    }
}
