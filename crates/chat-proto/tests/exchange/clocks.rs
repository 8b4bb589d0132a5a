//! The five clocks.

use super::*;

#[track_caller]
fn assert_timeout(transcript: &support::Transcript, clock: TimeoutKind, after: u64, end: u64) {
    assert_eq!(transcript.error().kind(), &ErrorKind::Timeout { kind: clock, after: millis(after) });
    assert_eq!(transcript.end, ms(end));
    assert!(transcript.error().is_timeout());
}

#[test]
fn the_head_has_its_time_in_each_attempt() {
    let call = Call::create().with(|config| {
        config.timeouts.head = Some(millis(1000));
        config.retry.ambiguous = true;
    });
    let transcript = call.run(&[vec![(1001, stream())], vec![(999, stream()), (0, data(last("x"))), (0, In::Eof)]]);
    assert_eq!(transcript.answer().content, "x");
    assert_eq!(transcript.sends.len(), 2);
    assert!(transcript.waits()[0] >= millis(1000));
    let never = call.with(|config| config.retry.max_retries = 0).run(&[vec![]]);
    assert_timeout(&never, TimeoutKind::Head, 1000, 1000);
}

#[test]
fn the_heads_time_begins_when_the_exchange_is_first_asked_if_it_is_told_the_time() {
    let mut exchange = Call::create().exchange();
    exchange.handle_timeout(ms(500_000));
    assert!(matches!(exchange.poll_output(), Output::Send(_)));
    assert_eq!(exchange.poll_timeout(), Some(ms(620_000)));
}

#[test]
fn silence_between_bytes_ends_a_body_and_any_byte_breaks_it() {
    let call = Call::create().with(|config| config.timeouts.idle = Some(millis(100)));
    for begin in [stream(), json()] {
        let mut attempt = vec![(50, begin)];
        attempt.extend((0..10).map(|_| (99, data(":"))));
        assert_timeout(&call.run(&[attempt]), TimeoutKind::Idle, 100, 50 + 990 + 100);
    }
}

#[test]
fn an_empty_read_is_no_byte() {
    let call = Call::create().with(|config| config.timeouts.idle = Some(millis(100)));
    for begin in [stream(), json()] {
        let mut attempt = vec![(0, begin)];
        attempt.extend((0..20).map(|_| (60, data(""))));
        assert_timeout(&call.run(&[attempt]), TimeoutKind::Idle, 100, 100);
    }
}

#[test]
fn signs_of_life_do_not_stand_for_content() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(1000)));
    let keep_alives = [
        ": alive\n\n".to_owned(),
        "retry: 5\n\n".to_owned(),
        chunk(""),
        event("ping", "{}"),
        event("ping", ""),
        event("heartbeat", " null "),
    ];
    for keep_alive in keep_alives {
        let mut attempt = vec![(0, stream()), (100, data(chunk("x")))];
        attempt.extend((0..20).map(|_| (90, data(&keep_alive))));
        assert_timeout(&call.run(&[attempt]), TimeoutKind::Content, 1000, 1100);
    }
    // What says something does.
    for content in [chunk("x"), last(""), event("records_cited", CITED), event("progress", "{\"p\":1}")] {
        let mut attempt = vec![(0, stream())];
        attempt.extend((0..20).map(|_| (999, data(&content))));
        attempt.push((0, In::Eof));
        assert_eq!(call.run(&[attempt]).answer().events, 20);
    }
}

#[test]
fn an_answer_in_one_json_object_has_no_clock_of_content() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(100)));
    let transcript = call.run(&[vec![(0, json()), (500, data(RESULT)), (500, In::Eof)]]);
    assert_eq!(transcript.answer().content, "Hi");
}

#[test]
fn the_defaults_let_a_long_stream_live_and_end_one_that_only_breathes() {
    let mut long = vec![(119_999, stream())];
    long.extend((0..500).map(|_| (59_999, data(chunk("x")))));
    long.push((59_999, In::Eof));
    assert_eq!(Call::create().run(&[long]).answer().content.len(), 500);
    let mut breathing = vec![(0, stream())];
    breathing.extend((0..500).map(|_| (15_000, data(": alive\n\n"))));
    assert_timeout(&Call::create().run(&[breathing]), TimeoutKind::Content, 180_000, 180_000);
}

#[test]
fn the_whole_call_has_one_time_in_every_state() {
    let call = |total| Call::create().with(|config| config.timeouts.total = Some(millis(total)));
    assert_timeout(&call(500).run(&[vec![]]), TimeoutKind::Total, 500, 500);
    assert_timeout(&call(500).run(&[vec![(0, stream())]]), TimeoutKind::Total, 500, 500);
    assert_timeout(&call(500).run(&[vec![(0, json()), (0, data("{"))]]), TimeoutKind::Total, 500, 500);
    let mut busy = vec![(0, stream())];
    busy.extend((0..200).map(|_| (7, data(chunk("x")))));
    let transcript = call(500).run(&[busy]);
    assert_timeout(&transcript, TimeoutKind::Total, 500, 500);
    assert_eq!(transcript.error().partial().map(|partial| partial.content.len()), Some(71));
    // An error's body that comes too slowly is that error.
    let slow = call(500).run(&[vec![(0, head(401, &[])), (0, data("no"))]]);
    assert_eq!((slow.error().kind().name(), slow.end), ("api", ms(500)));
}

#[test]
fn a_stream_that_always_has_data_ends_with_the_calls_time_though_nobody_looks_at_the_clock() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(500)));
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, stream(), ms(0));
    for now in 0..2000 {
        exchange.handle_data(Bytes::from(chunk("x")), ms(now));
        if let (_, Output::Done) = drain(&mut exchange) {
            assert_eq!(now, 500);
            break;
        }
    }
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout { kind: TimeoutKind::Total, after: millis(500) });
}

#[test]
fn the_calls_time_runs_out_in_a_wait_too_and_the_cause_is_kept() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(10_000)));
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(503, &[("retry-after", "9")]), ms(0));
    exchange.handle_eof(ms(0));
    assert!(matches!(exchange.poll_output(), Output::Wait));
    assert_eq!(exchange.poll_timeout(), Some(ms(9000)));
    // A driver that slept too long.
    exchange.handle_timeout(ms(10_000));
    assert!(matches!(exchange.poll_output(), Output::Done));
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout { kind: TimeoutKind::Total, after: millis(10_000) });
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(cause.status().map(|status| status.as_u16()), Some(503));
}

#[test]
fn an_early_timeout_has_no_effect_in_any_state() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(100_000)));
    for before in [
        vec![],
        vec![stream()],
        vec![stream(), data(chunk("x"))],
        vec![json(), data("{")],
        vec![head(500, &[]), data("x")],
        vec![head(503, &[("retry-after", "50")]), In::Eof],
    ] {
        let mut exchange = call.exchange();
        drain(&mut exchange);
        for input in before.clone() {
            apply(&mut exchange, input, ms(5));
            drain(&mut exchange);
        }
        let due = exchange.poll_timeout().expect("there is a clock");
        let state = format!("{:?}", drain(&mut exchange).1);
        for early in [0, 5, 6, due.since_start().as_millis() as u64 - 1] {
            exchange.handle_timeout(ms(early));
            assert_eq!(exchange.poll_timeout(), Some(due), "{before:?}");
            assert_eq!(format!("{:?}", drain(&mut exchange).1), state, "{before:?}");
        }
        exchange.handle_timeout(due);
        drain(&mut exchange);
        assert_ne!(exchange.poll_timeout(), Some(due), "{before:?}");
    }
}

#[test]
fn clocks_that_are_off_never_end_anything() {
    let call = Call::create().with(|config| {
        let timeouts = &mut config.timeouts;
        (timeouts.head, timeouts.idle, timeouts.content, timeouts.total) = (None, None, None, None);
    });
    let year = 365 * 86_400_000;
    let transcript = call.run(&[vec![(year, stream()), (year, data(":\n")), (year, data(last("x"))), (year, In::Eof)]]);
    assert_eq!(transcript.answer().content, "x");
    let huge = Call::create().with(|config| {
        let timeouts = &mut config.timeouts;
        let max = Some(Duration::MAX);
        (timeouts.head, timeouts.idle, timeouts.content, timeouts.total) = (max, max, max, max);
    });
    let transcript = huge.run(&[vec![(5, stream()), (year, data(last("x"))), (year, In::Eof)]]);
    assert_eq!(transcript.answer().content, "x");
}

#[test]
fn an_errors_body_has_the_idle_time_as_a_whole() {
    let mut trickle = vec![(0, head(400, &[]))];
    trickle.extend((0..100).map(|_| (1000, data("x"))));
    let transcript = Call::create().run(&[trickle]);
    assert_eq!((transcript.error().kind().name(), transcript.end), ("api", ms(60_000)));
}
