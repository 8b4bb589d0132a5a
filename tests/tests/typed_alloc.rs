//! Allocations of the receiver and of an exchange, measured by a counting allocator. One test, because it counts all
//! threads.

use std::alloc::System;

use bytes::Bytes;
use chat_proto::sessions::CreateInput;
use chat_proto::{Config, Elapsed, Endpoint, Event, Exchange, Head, Limits, Output, Receiver, Request, SessionId};
use http::{HeaderMap, HeaderValue, StatusCode};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn stream_head() -> Head {
    let content_type = (http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Head::new(StatusCode::OK, HeaderMap::from_iter([content_type]))
}

fn receive(receiver: &mut Receiver, body: &str) -> usize {
    let mut input = body.as_bytes();
    let mut events = 0;
    while let Some(event) = receiver.next(&mut input) {
        event.expect("a good event");
        events += 1;
    }
    events
}

/// Returns the allocations for the events of a body: the minimum of three runs, because the test harness may allocate
/// too.
fn allocations(warm_up: &str, body: &str) -> (usize, usize) {
    let run = || {
        let mut receiver = Receiver::new(stream_head(), &Limits::default());
        receive(&mut receiver, warm_up);
        let region = Region::new(ALLOCATOR);
        let events = receive(&mut receiver, body);
        let stats = region.change();
        // The text of the answer grows. The number of reallocations is logarithmic.
        assert!(stats.reallocations <= 20, "{} reallocations", stats.reallocations);
        (stats.allocations, events)
    };
    std::iter::repeat_with(run).take(3).min().expect("runs")
}

fn an_event_costs_its_own_strings() {
    let chunk = "event: message_chunk\ndata: {\"content_chunk\":\"and \",\"chat_session_id\":\"s-1\",\"finish_reason\":null}\n\n";
    assert_eq!(allocations(chunk, &chunk.repeat(1000)), (1000, 1000), "the text, but not the repeated id");

    let escaped = chunk.replace("and ", "a\\n");
    assert_eq!(allocations(chunk, &escaped.repeat(1000)), (1000, 1000), "the text, but no buffer for its escapes");

    let stop = chunk.replace("null", "\"stop\"");
    assert_eq!(allocations(chunk, &stop.repeat(1000)), (1000, 1000), "a known reason is not a string");

    let empty = chunk.replace("and ", "");
    assert_eq!(allocations(chunk, &empty.repeat(1000)), (0, 1000), "an empty string does not allocate");

    let cited = "event: records_cited\ndata: {\"citations\":[{\"number\":1,\"record\":{\"type\":\"site\",\"url\":\"u\",\"title\":\"t\"}}]}\n\n";
    assert_eq!(allocations(chunk, &cited.repeat(100)), (400, 100), "the list, what shares it, the URL, the title");
}

fn a_repeated_id_is_one_allocation() {
    let mut receiver = Receiver::new(stream_head(), &Limits::default());
    let body = "event: message_chunk\ndata: {\"content_chunk\":\"\",\"chat_session_id\":\"s-1\"}\n\n".repeat(2);
    let mut input = body.as_bytes();
    let mut next = || match receiver.next(&mut input) {
        Some(Ok(Event::Text(chunk))) => chunk.session_id.expect("an id"),
        other => panic!("{other:?}"),
    };
    let (one, two): (SessionId, SessionId) = (next(), next());
    assert!(std::ptr::eq(&*one, &*two));
}

/// Measures the memory of an idle stream.
fn an_idle_exchange_is_small() {
    let held = || {
        let endpoint = Endpoint::new("https://api.example").expect("a URL");
        let region = Region::new(ALLOCATOR);
        let request = Request::create(&endpoint, &CreateInput::new("integration", "A question?")).expect("a request");
        let mut exchange = Exchange::new(request, &Config::default(), 1);
        let Output::Send(attempt, sent) = exchange.poll_output(Elapsed::START) else { panic!("a request is due") };
        drop(sent);
        let head = http::Response::builder()
            .header("content-type", "text/event-stream")
            .header("cache-control", "no-cache")
            .header("x-request-id", "req-1")
            .body(())
            .expect("a head");
        exchange.handle_head(attempt, head.into_parts().0, Elapsed::START);
        let chunk =
            "event: message_chunk\ndata: {\"content_chunk\":\"and \",\"chat_session_id\":\"s-1\"}\n\nevent: mess";
        exchange.handle_data(attempt, Bytes::from_static(chunk.as_bytes()), Elapsed::START);
        assert!(matches!(exchange.poll_output(Elapsed::START), Output::Event(_)));
        assert!(matches!(exchange.poll_output(Elapsed::START), Output::Read));
        let stats = region.change();
        stats.bytes_allocated - stats.bytes_deallocated + size_of::<Exchange>()
    };
    let held = std::iter::repeat_with(held).take(3).min().expect("runs");
    println!("an exchange that waits for data holds {held} bytes, {} of them its own size", size_of::<Exchange>());
    assert!(held < 2048, "{held} bytes");
}

#[test]
fn allocations_are_bounded() {
    an_event_costs_its_own_strings();
    a_repeated_id_is_one_allocation();
    an_idle_exchange_is_small();
}
