//! Check of the reference against two other decoders. No differences are known. Name any that appears here and skip it.

use std::num::NonZeroUsize;

use crate::check::cut_every;
use crate::lines::body_of;
use crate::naive::{self, Item};

/// Type, data and last event ID of each event.
type Events = Vec<(String, String, String)>;

/// Compares the events of `sse-core` and `sse-parse` with those of the reference. The body is built from the bytes as
/// in [`check_lines`](crate::check_lines).
///
/// # Panics
///
/// If one of them differs.
pub fn check_peers(bytes: &[u8]) {
    let body = body_of(bytes);
    let expected: Events = naive::decode(&body)
        .items
        .into_iter()
        .filter_map(|item| match item {
            Item::Event { event_type, data, id } => Some((event_type, data, id)),
            _ => None,
        })
        .collect();
    for size in [usize::MAX, 1, 3] {
        let chunks = cut_every(&body, size);
        assert_eq!(sse_core(&chunks), expected, "sse-core on {} in chunks of {size}", body.escape_ascii());
        assert_eq!(sse_parse(&chunks), expected, "sse-parse on {} in chunks of {size}", body.escape_ascii());
    }
}

fn sse_core(chunks: &[&[u8]]) -> Events {
    let mut decoder = sse_core::SseDecoder::with_limit(NonZeroUsize::MAX);
    let mut events = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        while let Some(event) = decoder.next(&mut input) {
            if let Ok(sse_core::SseEvent::Message(event)) = event {
                let id = event.last_event_id.as_deref().unwrap_or_default();
                events.push((event.event.to_string(), event.data.to_string(), id.to_owned()));
            }
        }
    }
    events
}

fn sse_parse(chunks: &[&[u8]]) -> Events {
    let mut parser = sse_parse::SseParser::new();
    let mut events = Vec::new();
    for chunk in chunks {
        parser.feed(chunk);
        while let Some(event) = parser.next_event() {
            events.push((event.event, event.data, event.id));
        }
    }
    events
}
