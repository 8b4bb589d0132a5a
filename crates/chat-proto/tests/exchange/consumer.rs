//! A consumer that is slow, and one that is flooded.

use super::*;

/// An exchange whose stream has said `x` at 0, in the manner of a driver that waits: nothing is ready.
fn paused(call: &Call) -> Exchange {
    let mut exchange = call.exchange();
    drain(&mut exchange);
    exchange.handle_wait(ms(0));
    apply(&mut exchange, stream(), ms(0));
    assert!(matches!(drain(&mut exchange).1, Output::Read));
    exchange.handle_wait(ms(0));
    exchange.handle_data(Bytes::from(chunk("x")), ms(0));
    assert!(matches!(exchange.poll_output(), Output::Event(_)));
    exchange
}

/// What a driver does that found nothing ready: it says so, and then looks at the clock.
fn nothing_ready(exchange: &mut Exchange, now: Elapsed) {
    assert!(matches!(exchange.poll_output(), Output::Read));
    exchange.handle_wait(now);
    if exchange.poll_timeout().is_some_and(|due| due <= now) {
        exchange.handle_timeout(now);
    }
}

#[test]
fn a_consumer_that_pauses_loses_nothing_whatever_was_waiting() {
    let half = "event: message_chunk\n";
    for waiting in [chunk("y"), ": alive\n\n".to_owned(), half.to_owned(), chunk(""), event("ping", "{}")] {
        let mut exchange = paused(&Call::create());
        let now = ms(600_000);
        exchange.handle_data(Bytes::from(waiting.clone()), now);
        drain(&mut exchange);
        nothing_ready(&mut exchange, now);
        assert!(matches!(exchange.poll_output(), Output::Read), "{waiting:?} ended in {:?}", exchange.outcome());
        let rest = if waiting == half { "data: {\"content_chunk\":\"y\"}\n\n".to_owned() } else { last("y") };
        exchange.handle_data(Bytes::from(rest), now);
        exchange.handle_eof(now);
        let (events, output) = drain(&mut exchange);
        assert!(matches!(output, Output::Done));
        assert_eq!(events.last().and_then(Event::text), Some("y"));
        assert!(outcome(&exchange).is_ok());
    }
}

#[test]
fn what_is_handed_in_at_once_comes_out_whole_and_in_order_before_its_end() {
    for (end, kind) in
        [(In::Eof, None), (In::Fail(TransportError::Body), Some(ErrorKind::Truncated(Truncation::ConnectionLost)))]
    {
        let mut exchange = Call::create().exchange();
        drain(&mut exchange);
        for input in [stream(), data(chunk("a") + &chunk("b")), data(chunk("c")), data(last("d")), end] {
            apply(&mut exchange, input, ms(0));
        }
        let (events, output) = drain(&mut exchange);
        assert_eq!(events.iter().filter_map(Event::text).collect::<String>(), "abcd");
        assert!(matches!(output, Output::Done));
        assert_eq!(outcome(&exchange).as_ref().err().map(Error::kind), kind.as_ref());
        assert_eq!(exchange.answer().map(|answer| (&*answer.content, answer.events)), Some(("abcd", 4)));
    }
}

#[test]
fn many_pauses_in_a_row_are_no_different() {
    let mut exchange = paused(&Call::create());
    for n in 1..10 {
        let now = ms(n * 600_000);
        exchange.handle_data(Bytes::from(chunk("x") + &chunk("y")), now);
        // The second event is taken after a pause of its own.
        assert!(matches!(exchange.poll_output(), Output::Event(_)));
        let later = ms(n * 600_000 + 300_000);
        exchange.handle_timeout(later);
        assert!(matches!(exchange.poll_output(), Output::Event(_)));
        nothing_ready(&mut exchange, later);
        assert!(matches!(exchange.poll_output(), Output::Read), "{n}: {:?}", exchange.outcome());
    }
}

#[test]
fn after_a_pause_the_server_has_its_whole_time_again_and_not_more() {
    for (silence, clock) in [(60_000, TimeoutKind::Idle), (180_000, TimeoutKind::Content)] {
        let call = Call::create().with(|config| {
            if clock == TimeoutKind::Content {
                config.timeouts.idle = None;
            }
        });
        let mut exchange = paused(&call);
        nothing_ready(&mut exchange, ms(600_000));
        assert_eq!(exchange.poll_timeout(), Some(ms(600_000 + silence)));
        // The wait is running: to be polled again for whatever reason does not begin it anew.
        for now in [600_001, 630_000, 650_000] {
            nothing_ready(&mut exchange, ms(now));
            assert_eq!(exchange.poll_timeout(), Some(ms(600_000 + silence)));
        }
        exchange.handle_timeout(ms(600_000 + silence));
        drain(&mut exchange);
        match outcome(&exchange).as_ref().unwrap_err().kind() {
            ErrorKind::Timeout { kind: which, .. } => assert_eq!(*which, clock),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_flood_of_comments_is_no_pause_of_the_consumers() {
    let mut exchange = paused(&Call::create());
    // Always ready, so that the driver never waits.
    for now in (0..200_000).step_by(1000) {
        exchange.handle_data(Bytes::from_static(b": alive\n\n"), ms(now));
        assert!(matches!(exchange.poll_output(), Output::Read));
    }
    assert_eq!(exchange.poll_timeout(), Some(ms(180_000)));
}

#[test]
fn a_pause_does_not_stop_the_whole_calls_time() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(100_000)));
    let mut exchange = paused(&call);
    nothing_ready(&mut exchange, ms(99_999));
    assert_eq!(exchange.poll_timeout(), Some(ms(100_000)));
}

/// An exchange in the body of a stream, with a content timeout of ten seconds, at 0.
fn streaming() -> Exchange {
    streaming_with(Timeouts::default().with_content(Duration::from_secs(10)))
}

fn streaming_with(timeouts: Timeouts) -> Exchange {
    answered_with(timeouts, 200, "text/event-stream")
}

fn answered_with(timeouts: Timeouts, status: u16, content_type: &str) -> Exchange {
    let config = Config::default().with_timeouts(timeouts);
    let endpoint = Endpoint::new("https://h.example").unwrap();
    let mut exchange = Exchange::new(Request::create(&endpoint, &CreateInput::new("i", "m")).unwrap(), &config, 0);
    assert!(matches!(exchange.poll_output(), Output::Send(_)));
    let head = http::Response::builder().status(status).header("content-type", content_type).body(()).unwrap();
    exchange.handle_head(head.into_parts().0, Elapsed::START);
    exchange
}

/// Reads what is no event between two moments: for 50 ms, and then others go first for 50 ms.
fn busy(exchange: &mut Exchange, from: u64, to: u64) -> Option<u64> {
    (from..to).step_by(100).find(|&at| {
        let now = Elapsed::from_millis(at);
        exchange.handle_data(Bytes::from_static(b":\n\n"), now);
        assert!(matches!(exchange.poll_output(), Output::Read));
        exchange.handle_yield(now + millis(50));
        matches!(exchange.poll_output(), Output::Done)
    })
}

#[test]
fn signs_of_life_that_leave_no_moment_to_wait_in_end_with_the_content_clock() {
    let mut exchange = streaming();
    assert_eq!(busy(&mut exchange, 0, 60_000), Some(19_900), "half of the time was others'");
    let error = exchange.into_outcome().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Content, .. }), "{error}");
}

#[test]
fn empty_pieces_that_leave_no_moment_to_wait_in_end_as_a_silence_does() {
    // The other ways in which a body may be read: an answer in JSON has no clock of the content, a failure one clock in all.
    for (status, content_type) in [(200, "text/event-stream"), (200, "application/json"), (400, "application/json")] {
        let mut exchange = answered_with(Timeouts::default().with_idle(Duration::from_secs(10)), status, content_type);
        exchange.handle_data(Bytes::from_static(b" "), ms(0));
        // Half of this time is others', but for the first piece, before which nobody read.
        let end = (100..60_000).step_by(100).find(|&at| {
            exchange.handle_data(Bytes::new(), ms(at));
            assert!(matches!(exchange.poll_output(), Output::Read));
            exchange.handle_yield(ms(at + 50));
            matches!(exchange.poll_output(), Output::Done)
        });
        assert_eq!(end, Some(100 + 19_900), "{status} {content_type}");
        let error = exchange.into_outcome().unwrap().unwrap_err();
        if status == 200 {
            assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Idle, .. }), "{error}");
        } else {
            assert_eq!(error.status().unwrap(), status);
        }
    }
}

#[test]
fn empty_pieces_between_others_or_waits_end_nothing() {
    let mut exchange = streaming_with(Timeouts::default().with_idle(Duration::from_secs(1)));
    for second in 0..10 {
        for at in [100, 800] {
            exchange.handle_data(Bytes::new(), ms(second * 1000 + at));
            assert!(matches!(exchange.poll_output(), Output::Read));
        }
        exchange.handle_yield(ms(second * 1000 + 800));
        assert!(matches!(exchange.poll_output(), Output::Read), "second {second}");
        if second % 2 == 0 {
            exchange.handle_data(Bytes::from_static(b":\n\n"), ms(second * 1000 + 900));
        } else {
            exchange.handle_wait(ms(second * 1000 + 900));
        }
        assert!(matches!(exchange.poll_output(), Output::Read));
    }
}

#[test]
fn the_whole_call_ends_a_flood_too() {
    let mut exchange = streaming_with(Timeouts::default().with_content(None).with_total(Duration::from_secs(3)));
    exchange.handle_data(Bytes::from_static(b":\n\n"), ms(2_900));
    assert!(matches!(exchange.poll_output(), Output::Read));
    exchange.handle_yield(ms(2_999));
    assert!(matches!(exchange.poll_output(), Output::Read));
    exchange.handle_yield(ms(3_000));
    assert!(matches!(exchange.poll_output(), Output::Done));
    let error = exchange.into_outcome().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Total, .. }), "{error}");
}

#[test]
fn what_was_ready_while_nobody_looked_is_read_first() {
    let mut exchange = streaming();
    exchange.handle_wait(Elapsed::START);
    // The caller is away for a minute, and then has a lot to read before an event is whole.
    assert_eq!(busy(&mut exchange, 60_000, 65_000), None);
    exchange.handle_data(Bytes::from(chunk("Yes.")), Elapsed::from_millis(65_000));
    assert!(matches!(exchange.poll_output(), Output::Event(_)));
}
