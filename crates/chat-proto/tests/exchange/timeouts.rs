//! The five timeouts: what resets each of them, and what it ends.

use super::*;

#[track_caller]
fn assert_timeout(transcript: &support::Transcript, clock: TimeoutKind, after: u64, end: u64) {
    assert_eq!(timeout(transcript.error()), (clock, millis(after)));
    assert_eq!(transcript.end, ms(end));
    assert!(transcript.error().is_timeout());
}

#[track_caller]
fn timeout(error: &Error) -> (TimeoutKind, Duration) {
    match error.kind() {
        ErrorKind::Timeout { kind, after, .. } => (*kind, *after),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_head_timeout_applies_to_each_attempt() {
    let call = Call::create().with(|config| {
        config.timeouts.head = Some(millis(1000));
        config.retry.ambiguous = true;
    });
    let transcript = call.run(&[vec![(1001, stream())], vec![(999, stream()), (0, data(last("x"))), (0, In::Eof)]]);
    assert_eq!(transcript.answer().text, "x");
    assert_eq!(transcript.sends.len(), 2);
    assert!(transcript.waits()[0] >= millis(1000));
    let never = call.with(|config| config.retry.max_retries = 0).run(&[vec![]]);
    assert_timeout(&never, TimeoutKind::Head, 1000, 1000);
}

#[test]
fn the_head_timeout_starts_at_the_first_poll() {
    let mut exchange = Call::create().exchange();
    exchange.handle_timeout(ms(500_000));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Send(..)));
    assert_eq!(exchange.poll_timeout(), Some(ms(620_000)));
}

#[test]
fn any_byte_resets_the_idle_timeout() {
    let call = Call::create().with(|config| config.timeouts.idle = Some(millis(100)));
    for begin in [stream(), json()] {
        let mut attempt = vec![(50, begin)];
        attempt.extend((0..10).map(|_| (99, data(":"))));
        assert_timeout(&call.run(&[attempt]), TimeoutKind::Idle, 100, 50 + 990 + 100);
    }
}

#[test]
fn an_empty_read_does_not_reset_the_idle_timeout() {
    let call = Call::create().with(|config| config.timeouts.idle = Some(millis(100)));
    for begin in [stream(), json()] {
        let mut attempt = vec![(0, begin)];
        attempt.extend((0..20).map(|_| (60, data(""))));
        assert_timeout(&call.run(&[attempt]), TimeoutKind::Idle, 100, 100);
    }
}

#[test]
fn keep_alives_do_not_reset_the_content_timeout() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(1000)));
    let keep_alives = [
        ": alive\n\n".to_owned(),
        "retry: 5\n\n".to_owned(),
        chunk(""),
        event("ping", "{}"),
        event("ping", ""),
        event("ping", "{\"ts\":1}"),
        event("Ping", "x"),
        event("HEARTBEAT", "{\"a\":1}"),
        event("keepalive", "x"),
        event("Keep-Alive", "x"),
        event("news", " null "),
        "data:\n\n".to_owned(),
        "event: news\n\n".to_owned(),
        "\n".to_owned(),
        "unknown: field\n".to_owned(),
    ];
    for keep_alive in keep_alives {
        let mut attempt = vec![(0, stream()), (100, data(chunk("x")))];
        attempt.extend((0..20).map(|_| (90, data(&keep_alive))));
        assert_timeout(&call.run(&[attempt]), TimeoutKind::Content, 1000, 1100);
    }
    // Content resets the timeout.
    for content in [chunk("x"), last(""), event("records_cited", CITED), event("progress", "{\"p\":1}")] {
        let mut attempt = vec![(0, stream())];
        attempt.extend((0..20).map(|_| (999, data(&content))));
        attempt.push((0, In::Eof));
        assert_eq!(call.run(&[attempt]).answer().events, 20);
    }
}

#[test]
fn the_content_timeout_of_a_json_answer_ends_with_its_first_byte() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(100)));
    let transcript =
        call.run(&[vec![(0, json()), (99, data(&RESULT[..1])), (500, data(&RESULT[1..])), (500, In::Eof)]]);
    assert_eq!(transcript.answer().text, "Hi");
    let mut blank = vec![(0, json())];
    blank.extend((0..20).map(|_| (30, data(" \r\n\t"))));
    let transcript = call.run(&[blank.clone()]);
    assert_timeout(&transcript, TimeoutKind::Content, 100, 100);
    assert!(transcript.error().to_string().contains("only white space"), "{}", transcript.error());
    // White space is allowed if the answer is in time.
    blank.truncate(4);
    blank.extend([(5, data(RESULT)), (1000, In::Eof)]);
    assert_eq!(call.run(&[blank]).answer().text, "Hi");
}

#[test]
fn a_timeout_error_says_what_was_received() {
    let call = Call::create().with(|config| config.timeouts.content = Some(millis(1000)));
    let says = |inputs: &[(u64, In)], words: &str| {
        let transcript = call.run(&[[&[(0, stream())], inputs].concat()]);
        let message = transcript.error().to_string();
        assert!(message.contains(words), "{message} does not say {words}");
    };
    says(&[], "waiting for content (1s): the server sent no bytes");
    says(&[(900, data(":\n\n"))], "only keep-alives");
    says(&[(900, data(event("ping", "{}")))], "only keep-alives");
    says(&[(900, data(chunk("x")))], "the server sent no bytes");
    says(&[(900, data("data: {"))], "an unfinished event");
    says(&[(900, data("event: ping\ndata: {"))], "only keep-alives");
    let idle = call.with(|config| config.timeouts.idle = Some(millis(500)));
    let message = |inputs: &[(u64, In)]| {
        let transcript = idle.run(&[[&[(0, stream())], inputs].concat()]);
        transcript.error().to_string()
    };
    assert_eq!(message(&[(1, data(":\n\n"))]), "timed out: the server sent no bytes for 500ms");
    assert_eq!(
        message(&[(1, data("data: {"))]),
        "timed out: the server sent no bytes for 500ms, in the middle of an event"
    );
}

/// Runs a call with content and idle timeouts of one second, and a body in pieces of `size` bytes every `every` ms.
fn slow(body: &str, size: usize, every: u64) -> support::Transcript {
    let call = Call::create().with(|config| {
        (config.timeouts.content, config.timeouts.idle) = (Some(millis(1000)), Some(millis(1000)));
    });
    let mut attempt = vec![(0, stream())];
    attempt.extend(body.as_bytes().chunks(size).map(|piece| (every, data(piece))));
    attempt.push((every, In::Eof));
    call.run(&[attempt])
}

#[test]
fn bytes_of_an_unfinished_event_postpone_the_content_timeout() {
    let large = event("records_cited", &CITED.replace("\"u\"", &format!("\"{}\"", "u".repeat(500))));
    let lines = event("news", "a\ndata: b\ndata: c\ndata:d\nid: 7\ndata: e");
    let carriage = lines.replace('\n', "\r\n");
    for body in [&large, &lines, &carriage, &chunk("a text that takes its time")] {
        for (size, every) in [(1, 900), (2, 900), (7, 900), (64, 900), (1, 150), (5, 400)] {
            let transcript = slow(body, size, every);
            assert_eq!(transcript.events.len(), 1, "{size} bytes each {every} ms of {body}: {:?}", transcript.lines);
        }
    }
}

#[test]
fn bytes_outside_of_events_do_not_postpone_the_content_timeout() {
    for body in [
        format!(": {}\n", "x".repeat(99)),
        format!("unknown: {}\n", "x".repeat(99)),
        format!("retry: {}\n", "1".repeat(99)),
        "\n".repeat(99),
        "foo\n".repeat(30),
        // Each line replaces the previous one, so the event does not grow.
        format!("data: x\n{}", "event: aa\n".repeat(30)),
        format!("data: x\n{}", "id: 1\n".repeat(30)),
        format!("data: x\n{}", ": x\n".repeat(30)),
        format!("data: x\n{}", "foo: x\n".repeat(30)),
        event("ping", &"x".repeat(99)),
        event("ping", &"x\ndata: ".repeat(20)),
        // Events without content, and blocks without events.
        "data:\n\n".repeat(30),
        "event: a\n\n".repeat(30),
        "id: 1\n\n".repeat(30),
        chunk("").repeat(10),
    ] {
        for (size, every) in [(1, 90), (3, 200), (8, 300), (20, 450)] {
            let transcript = slow(&body, size, every);
            let (kind, _) = timeout(transcript.error());
            assert_eq!(kind, TimeoutKind::Content, "{size} bytes each {every} ms of {body}");
            // One period after the last byte of an event, of which there are at most two, and a second period after
            // late input.
            let event = if body.starts_with("event: message") { chunk("").len() as u64 / size as u64 } else { 12 };
            let most = ms(2000 + 2 * (event + 1) * every);
            assert!(transcript.end <= most, "{:?}: {size} bytes each {every} ms of {body}", transcript.end);
        }
    }
}

#[test]
fn a_finished_event_without_content_restores_the_earlier_deadline() {
    let call = Call::create().with(|config| {
        (config.timeouts.content, config.timeouts.idle) = (Some(millis(1000)), None);
    });
    // The first half arrives at 900, the second at 1500: after the deadline, but the unfinished event extends it.
    let halves = |text: &str, rest: &[(u64, In)]| {
        let whole = chunk(text);
        let (first, second) = whole.split_at(whole.len() - 5);
        let halves = [(0, stream()), (900, data(first)), (600, data(second))];
        call.run(&[[&halves[..], rest].concat()])
    };
    // Without content, the deadline of 1000 has expired, so a second period starts.
    assert_timeout(&halves("", &[]), TimeoutKind::Content, 1000, 2500);
    assert_timeout(&halves("", &[(900, data(":\n"))]), TimeoutKind::Content, 1000, 2500);
    // With content, a new period starts. A comment does not extend it.
    assert_timeout(&halves("x", &[(900, data(":\n"))]), TimeoutKind::Content, 1000, 2500);
    // Within the deadline, an event without content has no effect.
    let whole = chunk("");
    let (first, second) = whole.split_at(30);
    let early = [(0, stream()), (200, data(first)), (200, data(second))];
    assert_timeout(&call.run(&[early.to_vec()]), TimeoutKind::Content, 1000, 1000);
}

#[test]
fn an_event_of_a_byte_per_minute_does_not_time_out() {
    let call = Call::create();
    let mut attempt = vec![(0, stream())];
    attempt.extend(chunk("ab").as_bytes().chunks(1).map(|byte| (59_999, data(byte))));
    attempt.push((0, In::Eof));
    assert_eq!(call.run(&[attempt]).answer().text, "ab");
}

#[test]
fn unknown_events_reset_the_content_timeout_and_have_a_separate_limit() {
    let call = Call::create().with(|config| config.limits.unknown_events = 1000);
    let news = event("news", &"x".repeat(96));
    let mut attempt = vec![(0, stream())];
    attempt.extend((0..9).map(|_| (1, data(&news))));
    attempt.push((1, data(chunk("x"))));
    attempt.extend((0..11).map(|_| (1, data(&news))));
    let transcript = call.run(&[attempt]);
    assert_eq!(transcript.error().kind(), &ErrorKind::Limit { limit: Limit::UnknownEvents, bytes: 1000 });
    assert_eq!((transcript.events.len(), transcript.text()), (20, "x".to_owned()));
    // Pings count too. Events without content do not reset the count.
    let mut attempt = vec![(0, stream())];
    attempt.extend((0..20).map(|_| (1, data(event("ping", &"x".repeat(96)) + &chunk("")))));
    assert_eq!(call.run(&[attempt]).events.len(), 20);
}

#[test]
fn the_defaults_allow_a_long_stream_but_not_endless_keep_alives() {
    let mut long = vec![(119_999, stream())];
    long.extend((0..500).map(|_| (59_999, data(chunk("x")))));
    long.push((59_999, In::Eof));
    assert_eq!(Call::create().run(&[long]).answer().text.len(), 500);
    let mut breathing = vec![(0, stream())];
    breathing.extend((0..500).map(|_| (15_000, data(": alive\n\n"))));
    assert_timeout(&Call::create().run(&[breathing]), TimeoutKind::Content, 180_000, 180_000);
}

#[test]
fn the_total_timeout_applies_in_every_state() {
    let call = |total| Call::create().with(|config| config.timeouts.total = Some(millis(total)));
    assert_timeout(&call(500).run(&[vec![]]), TimeoutKind::Total, 500, 500);
    assert_timeout(&call(500).run(&[vec![(0, stream())]]), TimeoutKind::Total, 500, 500);
    assert_timeout(&call(500).run(&[vec![(0, json()), (0, data("{"))]]), TimeoutKind::Total, 500, 500);
    let mut busy = vec![(0, stream())];
    busy.extend((0..200).map(|_| (7, data(chunk("x")))));
    let transcript = call(500).run(&[busy]);
    assert_timeout(&transcript, TimeoutKind::Total, 500, 500);
    assert_eq!(transcript.error().partial().map(|partial| partial.text.len()), Some(71));
    // A timeout in an error's body gives that error.
    let slow = call(500).run(&[vec![(0, head(401, &[])), (0, data("no"))]]);
    assert_eq!((slow.error().kind().name(), slow.end), ("api", ms(500)));
}

#[test]
fn the_total_timeout_ends_a_busy_stream_without_handle_timeout() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(500)));
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, stream(), ms(0));
    for now in 0..2000 {
        exchange.handle_data(newest(&exchange), Bytes::from(chunk("x")), ms(now));
        if let (_, Output::Done) = drain(&mut exchange) {
            assert_eq!(now, 500);
            break;
        }
    }
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!(timeout(error), (TimeoutKind::Total, millis(500)));
}

#[test]
fn the_total_timeout_applies_in_a_wait_and_keeps_the_cause() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(10_000)));
    let mut exchange = call.exchange();
    drain(&mut exchange);
    apply(&mut exchange, head(503, &[("retry-after", "9")]), ms(0));
    exchange.handle_eof(newest(&exchange), ms(0));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Wait));
    assert_eq!(exchange.poll_timeout(), Some(ms(9000)));
    // The driver slept too long.
    exchange.handle_timeout(ms(10_000));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Done));
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!(timeout(error), (TimeoutKind::Total, millis(10_000)));
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
fn disabled_timeouts_never_end_a_call() {
    let call = Call::create().with(|config| {
        let timeouts = &mut config.timeouts;
        (timeouts.head, timeouts.idle, timeouts.content, timeouts.total) = (None, None, None, None);
    });
    let year = 365 * 86_400_000;
    let transcript = call.run(&[vec![(year, stream()), (year, data(":\n")), (year, data(last("x"))), (year, In::Eof)]]);
    assert_eq!(transcript.answer().text, "x");
    let huge = Call::create().with(|config| {
        let timeouts = &mut config.timeouts;
        let max = Some(Duration::MAX);
        (timeouts.head, timeouts.idle, timeouts.content, timeouts.total) = (max, max, max, max);
    });
    let transcript = huge.run(&[vec![(5, stream()), (year, data(last("x"))), (year, In::Eof)]]);
    assert_eq!(transcript.answer().text, "x");
}

#[test]
fn the_idle_timeout_limits_the_whole_body_of_an_error() {
    let mut trickle = vec![(0, head(400, &[]))];
    trickle.extend((0..100).map(|_| (1000, data("x"))));
    let transcript = Call::create().run(&[trickle]);
    assert_eq!((transcript.error().kind().name(), transcript.end), ("api", ms(60_000)));
}
