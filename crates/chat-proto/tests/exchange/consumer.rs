//! Time of the caller after an event, time of the server otherwise, and late input.

use super::*;

/// An exchange that has read the head of a response at 0.
fn reading_body(timeouts: Timeouts, status: u16, content_type: &str) -> Exchange {
    let call = Call::create().with(|config| config.timeouts = timeouts);
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(status, &[("content-type", content_type)]), ms(0));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Read));
    exchange
}

/// A stream whose head was read at 0. The idle timeout is one second, the content timeout three.
fn streaming() -> Exchange {
    reading_body(Timeouts::default().with_idle(millis(1000)).with_content(millis(3000)), 200, "text/event-stream")
}

/// Passes input at one time, and polls at another until the exchange needs input.
fn feed(exchange: &mut Exchange, input: impl AsRef<[u8]>, at: u64, polled: u64) -> Output {
    apply(exchange, data(input), ms(at));
    while exchange.poll_event().is_some() {}
    exchange.poll_output(ms(polled))
}

#[track_caller]
fn assert_timed_out(exchange: &mut Exchange, kind: TimeoutKind) {
    assert!(matches!(exchange.poll_output(ms(0)), Output::Done));
    match outcome(exchange).as_ref().unwrap_err().kind() {
        ErrorKind::Timeout { kind: which, .. } => assert_eq!(*which, kind),
        other => panic!("{other:?}"),
    }
}

#[test]
fn inputs_at_the_same_time_give_all_events_in_order_before_the_end() {
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
        assert_eq!(exchange.answer().map(|answer| (&*answer.text, answer.events)), Some(("abcd", 4)));
    }
}

#[test]
fn events_are_available_without_a_time() {
    let mut exchange = streaming();
    apply(&mut exchange, data(chunk("a") + &chunk("b")), ms(10));
    let texts: Vec<_> =
        std::iter::from_fn(|| exchange.poll_event()).map(|event| event.text().map(str::to_owned)).collect();
    assert_eq!(texts, [Some("a".to_owned()), Some("b".to_owned())]);
    apply(&mut exchange, In::Eof, ms(20));
    assert!(exchange.poll_event().is_none() && exchange.outcome().is_some());
}

#[test]
fn the_time_after_an_event_does_not_count_for_timeouts() {
    let mut exchange = streaming();
    assert!(matches!(feed(&mut exchange, chunk("x"), 100, 5000), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(6000)), "idle moved by 4900");
    exchange.handle_timeout(ms(5999));
    assert!(matches!(exchange.poll_output(ms(5999)), Output::Read));
    exchange.handle_timeout(ms(6000));
    assert_timed_out(&mut exchange, TimeoutKind::Idle);
    // The content timeout moves too.
    let mut exchange = streaming();
    feed(&mut exchange, chunk("x"), 100, 5000);
    for at in (5500..8000).step_by(500) {
        assert!(matches!(feed(&mut exchange, ":\n", at, at), Output::Read));
    }
    assert_eq!(exchange.poll_timeout(), Some(ms(8000)), "100, 4900 and 3000");
}

#[test]
fn only_the_first_read_after_an_input_counts() {
    let mut exchange = streaming();
    feed(&mut exchange, chunk("x"), 100, 200);
    for spurious in [300, 700, 1100] {
        assert!(matches!(exchange.poll_output(ms(spurious)), Output::Read));
        assert_eq!(exchange.poll_timeout(), Some(ms(1200)));
    }
}

#[test]
fn a_caller_may_pause_after_any_event() {
    for waiting in [chunk("y"), ": alive\n\n".to_owned(), "event: mess".to_owned(), chunk(""), event("ping", "{}")] {
        let mut exchange = streaming();
        feed(&mut exchange, chunk("x"), 0, 600_000);
        assert!(matches!(feed(&mut exchange, &waiting, 600_000, 600_000), Output::Read), "{waiting:?}");
        let rest =
            if waiting.starts_with("event: mess") { "age_chunk\ndata: {\"content_chunk\":\"y\"}\n\n" } else { "" };
        apply(&mut exchange, data(rest.to_owned() + &last("z")), ms(600_000));
        apply(&mut exchange, In::Eof, ms(600_000));
        let (events, output) = drain(&mut exchange);
        assert!(matches!(output, Output::Done));
        assert_eq!(events.last().and_then(Event::text), Some("z"), "{waiting:?}");
        assert!(outcome(&exchange).is_ok());
    }
}

#[test]
fn a_caller_may_pause_after_each_of_two_events_in_one_chunk() {
    let mut exchange = streaming();
    for n in 1..10 {
        let now = n * 600_000;
        apply(&mut exchange, data(chunk("x") + &chunk("y")), ms(now));
        assert!(exchange.poll_event().is_some());
        // A timer that fires meanwhile has no effect: the second event was in time, and the time is the caller's.
        exchange.handle_timeout(ms(now + 300_000));
        assert!(exchange.poll_event().is_some());
        exchange.handle_timeout(ms(now + 500_000));
        assert!(matches!(exchange.poll_output(ms(now + 600_000)), Output::Read), "{n}: {:?}", exchange.outcome());
    }
}

#[test]
fn time_without_an_event_counts_for_timeouts() {
    for input in [":\n\n", "event: ping\ndata: {\"ts\":1}\n\n"] {
        let mut exchange = streaming();
        assert!(matches!(feed(&mut exchange, input, 0, 900), Output::Read));
        assert_eq!(exchange.poll_timeout(), Some(ms(1000)), "{input:?}");
    }
}

#[test]
fn a_pause_does_not_move_the_total_timeout() {
    let mut exchange = reading_body(Timeouts::default().with_total(millis(100_000)), 200, "text/event-stream");
    feed(&mut exchange, chunk("x"), 0, 99_999);
    assert_eq!(exchange.poll_timeout(), Some(ms(100_000)));
}

/// Passes input every 50 ms without waiting. Returns when the call ends.
fn flood(exchange: &mut Exchange, input: &str, until: u64, callers: u64) -> Option<u64> {
    (0..until).step_by(50).find(|&at| {
        apply(exchange, data(input), ms(at));
        while exchange.poll_event().is_some() {}
        matches!(exchange.poll_output(ms(at + callers)), Output::Done)
    })
}

#[test]
fn a_flood_without_content_ends_within_twice_the_content_timeout() {
    let empty = chunk("");
    let floods = [":\n", "\n", "data:\n\n", "event: ping\ndata: {\"ts\":1}\n\n", "foo: x\n", "id: 1\n\n", &empty];
    for input in floods {
        for repeat in [1, 3] {
            let mut exchange = streaming();
            let end = flood(&mut exchange, &input.repeat(repeat), 60_000, 0);
            // The first input after 3000 starts a second period. The first input after that period ends the call.
            assert_eq!(end, Some(6100), "{input:?}");
            assert_timed_out(&mut exchange, TimeoutKind::Content);
        }
        // Split inside a line, so that a line is always unfinished.
        let mut exchange = streaming();
        let cut = input.repeat(2);
        assert_eq!(flood(&mut exchange, &(cut[1..].to_owned() + &cut[..1]), 60_000, 0), Some(6100), "{input:?}, cut");
    }
}

#[test]
fn a_flood_of_empty_events_ends_within_twice_the_content_timeout_for_any_caller() {
    // The caller uses part of each 50 ms. The second period is shortened by the time that moved the deadline.
    for callers in [0, 10, 25, 40, 49] {
        let mut exchange = streaming();
        let end = flood(&mut exchange, &chunk(""), 60_000, callers).unwrap();
        assert!((5_900..=6_100).contains(&end), "{callers}: {end}");
        assert_timed_out(&mut exchange, TimeoutKind::Content);
    }
    // Content resets this.
    let mut exchange = streaming();
    flood(&mut exchange, &chunk(""), 2000, 49);
    feed(&mut exchange, chunk("x"), 2000, 2000);
    feed(&mut exchange, chunk(""), 2000, 4500);
    exchange.handle_timeout(ms(5499));
    assert!(matches!(exchange.poll_output(ms(5499)), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(5500)), "idle: 2000, 2500 and 1000");
}

#[test]
fn the_first_pause_after_an_event_without_content_counts_in_full() {
    let mut exchange = streaming();
    feed(&mut exchange, chunk(""), 100, 600_100);
    assert_eq!(exchange.poll_timeout(), Some(ms(601_100)), "idle: 100, 600000 and 1000");
    for at in (600_500..603_000).step_by(500) {
        assert!(matches!(feed(&mut exchange, ":\n", at, at), Output::Read));
    }
    assert_eq!(exchange.poll_timeout(), Some(ms(603_000)), "content: 3000 and 600000");
    // And again after content.
    feed(&mut exchange, chunk("x"), 602_900, 602_900);
    feed(&mut exchange, chunk(""), 603_000, 903_000);
    assert_eq!(exchange.poll_timeout(), Some(ms(904_000)));
    feed(&mut exchange, ":\n", 903_900, 903_900);
    feed(&mut exchange, ":\n", 904_800, 904_800);
    feed(&mut exchange, ":\n", 905_700, 905_700);
    assert_eq!(exchange.poll_timeout(), Some(ms(905_900)), "content: 602900, 3000 and 300000");
}

#[test]
fn an_event_before_the_last_input_gives_the_caller_no_time() {
    let mut exchange = streaming();
    apply(&mut exchange, data(chunk("x")), ms(0));
    assert!(exchange.poll_event().is_some());
    apply(&mut exchange, data(":\n"), ms(500));
    assert!(exchange.poll_event().is_none());
    assert!(matches!(exchange.poll_output(ms(900)), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(1500)));
}

#[test]
fn content_resets_the_second_period() {
    for empty in [":\n".to_owned(), chunk("")] {
        let mut exchange = streaming();
        // Use the second period, then receive text, and repeat.
        for start in [0, 5000] {
            for at in (start..start + 5000).step_by(250) {
                let output = feed(&mut exchange, &empty, at, at + 200);
                assert!(matches!(output, Output::Read), "{empty:?} at {at}");
            }
            assert!(matches!(feed(&mut exchange, chunk("x"), start + 5000, start + 5000), Output::Read));
        }
    }
}

#[test]
fn a_ping_does_not_postpone_the_content_timeout_once_its_type_is_known() {
    let mut exchange = streaming();
    for at in [900, 1800] {
        feed(&mut exchange, ":\n", at, at);
    }
    feed(&mut exchange, "event: pi", 2500, 2500);
    feed(&mut exchange, "ng\n", 2900, 2900);
    assert_eq!(exchange.poll_timeout(), Some(ms(3000)), "the content timeout is unchanged");
}

#[test]
fn an_empty_read_does_not_end_the_callers_time() {
    let mut exchange = streaming();
    apply(&mut exchange, data(chunk("x")), ms(0));
    assert!(exchange.poll_event().is_some());
    apply(&mut exchange, data(""), ms(50_000));
    assert!(matches!(exchange.poll_output(ms(60_000)), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(61_000)));
}

#[test]
fn the_first_bytes_of_an_event_count_after_the_second_period_too() {
    let mut exchange = streaming();
    feed(&mut exchange, ":\n", 3100, 3100);
    for at in (3600..6100).step_by(500) {
        feed(&mut exchange, ":\n", at, at);
    }
    assert_eq!(exchange.poll_timeout(), Some(ms(6100)), "the second period of content");
    let whole = chunk("x");
    let (start, rest) = whole.split_at(9);
    assert!(matches!(feed(&mut exchange, ":\n".to_owned() + start, 6200, 6200), Output::Read));
    assert!(matches!(feed(&mut exchange, rest, 6900, 6900), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(7900)));
    // The start of an event without content does not prevent the end of the call.
    let mut exchange = streaming();
    for at in (3100..6100).step_by(500) {
        feed(&mut exchange, ":\n", at, at);
    }
    assert!(matches!(feed(&mut exchange, "event: a", 6200, 6200), Output::Read));
    assert!(matches!(feed(&mut exchange, "\n\n:\n", 6300, 6300), Output::Done));
    assert_timed_out(&mut exchange, TimeoutKind::Content);
}

#[test]
fn a_wait_for_a_retry_has_an_end_however_long_it_is() {
    let call = Call::create().with(|config| config.retry.max_total_wait = Duration::MAX);
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(503, &[("retry-after", "99999999999999")]), ms(0));
    apply(&mut exchange, In::Eof, ms(0));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Wait));
    assert!(exchange.poll_timeout().is_some());
}

#[test]
fn empty_reads_end_by_the_idle_timeout() {
    for (status, content_type) in [(200, "text/event-stream"), (200, "application/json"), (400, "application/json")] {
        let timeouts = Timeouts::default().with_idle(millis(1000));
        let mut exchange = reading_body(timeouts, status, content_type);
        feed(&mut exchange, " ", 0, 0);
        let end = flood(&mut exchange, "", 60_000, 0);
        assert_eq!(end, Some(2100), "{status} {content_type}");
        if status == 200 {
            assert_timed_out(&mut exchange, TimeoutKind::Idle);
        } else {
            assert_eq!(outcome(&exchange).as_ref().unwrap_err().status().unwrap(), status);
        }
        // With waits between the reads, the timer fires.
        let mut exchange = reading_body(timeouts, status, content_type);
        feed(&mut exchange, "", 600, 600);
        assert_eq!(exchange.poll_timeout(), Some(ms(1000)));
    }
}

#[test]
fn the_total_timeout_ends_a_flood() {
    let timeouts = Timeouts::default().with_content(None).with_total(Duration::from_secs(3));
    let mut exchange = reading_body(timeouts, 200, "text/event-stream");
    assert_eq!(flood(&mut exchange, ":\n", 60_000, 0), Some(3000));
    assert_timed_out(&mut exchange, TimeoutKind::Total);
}

#[test]
fn input_after_a_deadline_is_read_first() {
    // Content resets the deadline.
    let mut exchange = streaming();
    assert!(matches!(feed(&mut exchange, chunk("x"), 10_000, 10_000), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(11_000)));
    // A comment starts a second period.
    let mut exchange = streaming();
    assert!(matches!(feed(&mut exchange, ":\n", 10_000, 10_000), Output::Read));
    assert!(matches!(feed(&mut exchange, ":\n", 10_900, 10_900), Output::Read));
    assert!(matches!(feed(&mut exchange, ":\n", 11_800, 11_800), Output::Read));
    assert!(matches!(feed(&mut exchange, ":\n", 12_700, 12_700), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(13_000)), "the content timeout's second period");
    // Text in the second period resets the deadline.
    assert!(matches!(feed(&mut exchange, chunk("x"), 12_800, 12_800), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(13_800)));
    // Input at the deadline is in time. A comment does not move the deadline.
    let mut exchange = reading_body(Timeouts::default().with_content(millis(3000)), 200, "text/event-stream");
    assert!(matches!(feed(&mut exchange, ":\n", 3000, 3000), Output::Read));
    exchange.handle_timeout(ms(3000));
    assert_timed_out(&mut exchange, TimeoutKind::Content);
    // Content in the same input prevents the end of the call.
    let mut exchange = streaming();
    feed(&mut exchange, ":\n", 3100, 3100);
    assert!(matches!(feed(&mut exchange, ":\n".to_owned() + &chunk("x"), 6200, 6200), Output::Read));
}

#[test]
fn a_deadline_that_is_noticed_late_is_extended_once_by_a_second() {
    let mut exchange = streaming();
    exchange.handle_timeout(ms(50_000));
    assert!(matches!(exchange.poll_output(ms(50_000)), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(51_000)), "idle and content");
    // Input that was buffered by the kernel resets both deadlines. Another late deadline is extended again.
    assert!(matches!(feed(&mut exchange, chunk("x"), 50_010, 50_010), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(51_010)));
    exchange.handle_timeout(ms(90_000));
    assert_eq!(exchange.poll_timeout(), Some(ms(91_000)));
    exchange.handle_timeout(ms(99_000));
    assert_timed_out(&mut exchange, TimeoutKind::Idle);
    // A late comment in that second starts a second period of the content timeout.
    let mut exchange = streaming();
    exchange.handle_timeout(ms(50_000));
    assert!(matches!(feed(&mut exchange, ":\n", 50_500, 50_500), Output::Read));
    assert!(matches!(feed(&mut exchange, ":\n", 51_400, 51_400), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(52_400)), "idle, not the end of the extension");
    // Up to a second late is not late.
    let mut exchange = streaming();
    exchange.handle_timeout(ms(2000));
    assert_timed_out(&mut exchange, TimeoutKind::Idle);
    // The head's timeout is extended as well, the whole call's is not.
    let call = Call::create().with(|config| {
        (config.timeouts.head, config.timeouts.total) = (Some(millis(1000)), Some(millis(60_000)));
    });
    let mut exchange = call.exchange();
    drain(&mut exchange);
    exchange.handle_timeout(ms(30_000));
    assert!(matches!(exchange.poll_output(ms(30_000)), Output::Read));
    apply(&mut exchange, stream(), ms(30_100));
    assert!(exchange.head().is_some(), "a head that arrived meanwhile is read");
    exchange.handle_timeout(ms(90_000));
    assert_timed_out(&mut exchange, TimeoutKind::Total);
}

#[test]
fn late_input_of_another_attempt_changes_only_the_time() {
    let mut exchange = Call::create().exchange();
    let Output::Send(first, _) = exchange.poll_output(ms(0)) else { panic!() };
    exchange.handle_error(first, TransportError::Connect, ms(0));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Wait));
    exchange.handle_timeout(exchange.poll_timeout().unwrap());
    let Output::Send(second, _) = exchange.poll_output(ms(0)) else { panic!() };
    assert_eq!((first.number(), second.number()), (1, 2));
    let newer = chat_proto::Attempt::new(3);
    for other in [first, newer] {
        for input in
            [failed(500, &[]).remove(0).1, stream(), data(chunk("old")), In::Eof, In::Fail(TransportError::Body)]
        {
            support::apply_to(&mut exchange, other, input, ms(0));
            exchange.refuse(other, Error::cancelled());
            assert!(matches!(exchange.poll_output(ms(0)), Output::Read));
        }
    }
    apply(&mut exchange, stream(), ms(5000));
    for other in [first, newer] {
        for input in [json(), data(chunk("old")), In::Eof, In::Fail(TransportError::Body)] {
            // An input of another attempt does not reset the idle timeout, but its time is used.
            support::apply_to(&mut exchange, other, input, ms(64_000));
            assert!(matches!(exchange.poll_output(ms(0)), Output::Read));
            assert_eq!(exchange.poll_timeout(), Some(ms(65_000)));
        }
    }
    exchange.handle_data(second, Bytes::from(chunk("new")), ms(10));
    assert_eq!(exchange.poll_event().unwrap().text(), Some("new"));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Read));
    assert_eq!(exchange.poll_timeout(), Some(ms(124_000)), "64000 is the latest time of an input");
}
