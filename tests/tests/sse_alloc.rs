//! Allocations of the decoder, measured by a counting allocator. One test, because it counts all threads.

use std::alloc::System;

use chat_proto::sse::Decoder;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Maximum number of bytes that are kept between events, right after a large event, and for types and names.
const KEPT: usize = 64 * 1024;
const KEPT_AFTER_LARGE_EVENT: usize = 2 * 1024 * 1024;
const SMALL: usize = 512;

fn live(stats: Stats) -> usize {
    // A realloc is counted as its net growth.
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Decodes all chunks. Returns the number of events and the maximum of live bytes after each step.
fn drain(decoder: &mut Decoder, region: &Region<'_, System>, body: &[u8], chunk: usize) -> (usize, usize) {
    let (mut events, mut maximum) = (0, 0);
    for mut input in body.chunks(chunk) {
        while let Some(step) = decoder.next(&mut input) {
            step.expect("the event is within the limit");
            events += 1;
            maximum = maximum.max(live(region.change()));
        }
        maximum = maximum.max(live(region.change()));
    }
    (events, maximum)
}

/// Returns the minimum of three runs, because the thread of the test harness may allocate too.
fn minimum<T: Ord>(run: impl FnMut() -> T) -> T {
    std::iter::repeat_with(run).take(3).min().expect("runs")
}

fn no_allocation_inside_a_chunk() {
    let blocks = [
        "event: message_chunk\ndata: {\"content_chunk\":\"and\"}\n\n",
        "event: message_chunk\r\ndata: {\"content_chunk\":\"and\"}\r\n\r\n",
        "data:x\n\n",
        "id: 17\nevent: a\ndata: with an id\n\nid: 18\nevent: b\ndata: that changes\n\n",
        ": ping\n\nretry: 300\ndata: beside a comment\nunknown: field\n\n",
        "data: one\ndata: two\ndata\n\n",
    ];
    for block in blocks {
        let body = block.repeat(100).into_bytes();
        let mut decoder = Decoder::new();
        // The first block allocates the buffers of type, id and joined data.
        let allocations = minimum(|| {
            let region = Region::new(ALLOCATOR);
            let (events, _) = drain(&mut decoder, &region, &body, body.len());
            let stats = region.change();
            assert!(events >= 100);
            stats.allocations + stats.reallocations
        });
        assert_eq!(allocations, 0, "for 100 of {block:?}");
    }
}

fn no_allocation_for_small_events_in_any_chunks() {
    let body = "event: message_chunk\r\nid: 4\r\ndata: {\"content_chunk\":\"and\"}\r\n\r\n".repeat(200).into_bytes();
    for chunk in [1, 2, 16, 100, 256, 1400] {
        let mut decoder = Decoder::new();
        let allocations = minimum(|| {
            let region = Region::new(ALLOCATOR);
            drain(&mut decoder, &region, &body, chunk);
            let stats = region.change();
            stats.allocations + stats.reallocations
        });
        assert_eq!(allocations, 0, "in chunks of {chunk}");
    }
}

fn live_bytes_stay_below_twice_the_event() {
    for size in [100 * 1024, 400 * 1024 + 1] {
        let long = "x".repeat(size);
        let line = "x".repeat(100);
        let bodies = [
            ("data in one line", format!("data: {long}\n\ndata: {long}\n\n")),
            ("data in many lines", format!("{}\n", format!("data: {line}\n").repeat(size / 100)).repeat(2)),
            ("data in empty lines", format!("{}\n", "data\n".repeat(size)).repeat(2)),
            ("a type", format!("event: {long}\ndata: a\n\n").repeat(2)),
            ("a first id", format!("id: {long}\ndata: a\n\n")),
            ("a retry line", format!("retry: {long}\n\n").repeat(2)),
            ("a comment", format!(":{long}\n").repeat(2)),
            ("an unknown field", format!("x{long}:\n").repeat(2)),
            ("type and data", format!("event: {long}\ndata: {long}\n\n").repeat(2)),
        ];
        for (what, body) in bodies {
            let largest = if what == "type and data" { 2 * size } else { size };
            for chunk in [977, 64 * 1024, body.len()] {
                let maximum = minimum(|| {
                    let region = Region::new(ALLOCATOR);
                    drain(&mut Decoder::new(), &region, body.as_bytes(), chunk).1
                });
                let bound = 2 * largest + SMALL;
                assert!(
                    maximum <= bound,
                    "{what} of {size} bytes, in chunks of {chunk}: {maximum} bytes live, not {bound}"
                );
            }
        }
    }
}

fn a_lent_event_is_not_held() {
    let body = format!("event: a\ndata: {}\n\n", "x".repeat(1024 * 1024)).repeat(3).into_bytes();
    let maximum = minimum(|| {
        let region = Region::new(ALLOCATOR);
        drain(&mut Decoder::new(), &region, &body, body.len()).1
    });
    assert!(maximum <= SMALL, "{maximum} bytes are live for data in the chunk");
}

fn scratch_is_capped() {
    let long = "x".repeat(1024 * 1024);
    let bodies = [
        ("data", format!("data: {long}\n\n")),
        ("a type", format!("event: {long}\ndata: a\n\n")),
        ("a type without data", format!("event: {long}\n\n")),
        ("an id that is ignored", format!("id: \0{long}\n\n")),
        ("an id that is replaced", format!("id: {long}\n\nid: 1\n\n")),
        ("a retry line", format!("retry: {long}\n")),
        ("all", format!("id: {long}\nid: 1\nevent: {long}\nretry: {long}\ndata: {long}\ndata: {long}\n\n")),
    ];
    // Following bodies and their chunk sizes: an event in pieces, and complete events of two shapes.
    let followers = [
        (": ping\n\ndata: small\n\n", 3),
        (": ping pong\n\ndata: small\n\n", 13),
        (": ping\n\n:\ndata: small\n\n", 64),
    ];
    for (what, body) in bodies {
        for ((small, cut), chunk) in followers.iter().flat_map(|small| [(small, 1000), (small, body.len())]) {
            let kept = minimum(|| {
                let region = Region::new(ALLOCATOR);
                let mut decoder = Decoder::new();
                drain(&mut decoder, &region, body.as_bytes(), chunk);
                // The next call frees the last event, and the next small event frees the buffer.
                let kept = live(region.change()) - decoder.last_event_id().len();
                assert!(
                    kept <= KEPT_AFTER_LARGE_EVENT + SMALL,
                    "after {what} in chunks of {chunk}: {kept} bytes at first"
                );
                drain(&mut decoder, &region, small.as_bytes(), *cut);
                drain(&mut decoder, &region, b": ping\nid: 1\n\nid: 2\n\n", 3);
                live(region.change())
            });
            assert!(kept <= KEPT + SMALL, "{kept} bytes are kept after {what} in chunks of {chunk}, then {small:?}");
        }
    }
}

fn comments_are_capped_too() {
    use chat_proto::sse::Report;
    let body = format!("data: a\n:{}\ndata: b\n\n: short\n", "x".repeat(1024 * 1024)).into_bytes();
    let kept = minimum(|| {
        let region = Region::new(ALLOCATOR);
        let mut decoder = Decoder::new().reporting(Report::ALL);
        let mut data = String::with_capacity(8);
        for mut input in body.chunks(1000) {
            while let Some(step) = decoder.advance(&mut input) {
                let token = step.expect("the event is within the limit");
                if let chat_proto::sse::Item::Event(event) = decoder.lend(token) {
                    data.push_str(&event.data());
                }
            }
        }
        assert_eq!(data, "a\nb");
        live(region.change())
    });
    assert!(kept <= KEPT + SMALL, "{kept} bytes are kept");
}

#[test]
fn allocations_are_bounded() {
    no_allocation_inside_a_chunk();
    no_allocation_for_small_events_in_any_chunks();
    live_bytes_stay_below_twice_the_event();
    a_lent_event_is_not_held();
    scratch_is_capped();
    comments_are_capped_too();
}
