//! Cancelling, errors of earlier attempts, and the state after the end.

use super::*;

#[test]
fn a_call_can_be_cancelled_in_every_state() {
    for (before, partial, attempts) in [
        (None, None, 0),
        (Some(vec![]), None, 1),
        (Some(vec![stream()]), Some(""), 1),
        (Some(vec![stream(), data(chunk("x"))]), Some("x"), 1),
        (Some(vec![stream(), data(chunk("x")), data("data: ha")]), Some("x"), 1),
        (Some(vec![json(), data("{")]), Some(""), 1),
        (Some(vec![head(503, &[]), data("x")]), None, 1),
        (Some(vec![head(503, &[("retry-after", "9")]), In::Eof]), None, 1),
    ] {
        let mut exchange = Call::create().exchange();
        if let Some(inputs) = before.clone() {
            drain(&mut exchange);
            for input in inputs {
                apply(&mut exchange, input, ms(0));
                drain(&mut exchange);
            }
        }
        exchange.cancel();
        assert!(matches!(exchange.poll_output(ms(0)), Output::Done), "{before:?}");
        assert_eq!(exchange.poll_timeout(), None);
        let error = outcome(&exchange).as_ref().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Cancelled, attempts), "{before:?}");
        assert_eq!(error.partial().map(|partial| partial.text.as_str()), partial, "{before:?}");
    }
}

#[test]
fn a_refused_request_ends_the_call_and_does_not_count_as_an_attempt() {
    let no_key = || Error::invalid_request("api_key", "is empty");
    let mut exchange = Call::create().exchange();
    exchange.refuse(newest(&exchange), no_key());
    assert!(matches!(exchange.poll_output(ms(0)), Output::Send(..)), "the request was not sent yet");
    apply(&mut exchange, head(503, &[("retry-after", "0")]), ms(0));
    exchange.handle_eof(newest(&exchange), ms(0));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Wait));
    exchange.handle_timeout(exchange.poll_timeout().unwrap());
    assert!(matches!(exchange.poll_output(ms(0)), Output::Send(..)));
    exchange.refuse(newest(&exchange), no_key());
    assert!(matches!(exchange.poll_output(ms(0)), Output::Done));
    exchange.refuse(newest(&exchange), Error::cancelled());
    let error = outcome(&exchange).as_ref().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (no_key().kind(), 1));
    assert_eq!(error.earlier().iter().filter_map(Error::status).map(u16::from).collect::<Vec<_>>(), [503]);
}

#[test]
fn a_permanent_connect_error_is_not_retried() {
    let untrusted = vec![(0, In::Fail(TransportError::Permanent))];
    let call = Call::create().with(|config| config.retry.ambiguous = true);
    let transcript = call.run(&[untrusted, answered("never sent")]);
    let error = transcript.error();
    assert_eq!((error.kind(), error.attempts(), error.gave_up()), (&ErrorKind::Connect, 1, None));
}

#[test]
fn an_error_keeps_a_limited_number_of_earlier_errors() {
    let call = Call::create().with(|config| {
        (config.retry.max_retries, config.retry.base) = (20, Duration::ZERO);
    });
    let limited = |n: u32| vec![(0, head(429, &[])), (0, data(n.to_string())), (0, In::Eof)];
    let refused = vec![(0, In::Fail(TransportError::Connect))];
    for retries in [1u32, 8, 20] {
        let mut attempts: Vec<Attempt> = (1..=retries).map(limited).collect();
        attempts.push(refused.clone());
        let call = call.clone().with(|config| config.retry.max_retries = retries);
        let transcript = call.run(&attempts);
        let error = transcript.error();
        assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Connect, retries + 1));
        let bodies: Vec<u32> = error.earlier().iter().filter_map(|earlier| earlier.body()?.parse().ok()).collect();
        let kept: Vec<u32> = (1..=retries).skip((retries as usize).saturating_sub(Error::EARLIER)).collect();
        assert_eq!(bodies, kept);
        assert!(error.earlier().iter().all(|earlier| earlier.is_rate_limited() && earlier.earlier().is_empty()));
    }
}

#[test]
fn a_cancel_in_a_wait_keeps_the_error_before_the_wait() {
    let transcript = Call::create().run(&[vec![
        (0, head(503, &[("retry-after", "9"), ("x-request-id", "r")])),
        (0, In::Eof),
        (100, In::Cancel),
    ]]);
    let error = transcript.error();
    assert_eq!((error.kind(), transcript.end), (&ErrorKind::Cancelled, ms(100)));
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(cause.request_id(), Some("r"));
}

#[test]
fn earlier_errors_are_available_during_the_call() {
    let mut exchange = Call::create().exchange();
    drain(&mut exchange);
    assert!(exchange.earlier().is_empty());
    apply(&mut exchange, head(503, &[]), ms(0));
    apply(&mut exchange, In::Eof, ms(0));
    assert!(matches!(drain(&mut exchange).1, Output::Wait));
    assert_eq!(exchange.earlier()[0].status().map(|status| status.as_u16()), Some(503));
}

/// All kinds of input.
fn all_inputs() -> Vec<In> {
    use TransportError::{BadHead, Body, Connect, ConnectTimeout, MaybeSent, Unsent};
    let mut all =
        vec![stream(), json(), head(503, &[]), data(last("late")), data(RESULT), data(""), In::Eof, In::Cancel];
    all.extend([Connect, ConnectTimeout, Unsent, MaybeSent, BadHead, Body].map(In::Fail));
    all
}

#[test]
fn after_the_end_nothing_changes() {
    for attempt in
        [answered("x"), failed(400, &[]), vec![(0, stream()), (0, In::Cancel)], vec![(0, json()), (0, In::Eof)]]
    {
        let mut exchange = Call::create().exchange();
        drain(&mut exchange);
        for (_, input) in attempt {
            apply(&mut exchange, input, ms(0));
        }
        assert!(matches!(drain(&mut exchange).1, Output::Done));
        let end = format!("{:?}", exchange.outcome());
        let all = all_inputs();
        for n in 0..all.len() * all.len() {
            for input in [&all[n / all.len()], &all[n % all.len()]] {
                apply(&mut exchange, input.clone(), ms(n as u64 * 100_000));
                exchange.handle_timeout(ms(n as u64 * 100_000));
                exchange.refuse(newest(&exchange), Error::cancelled());
                assert!(matches!(exchange.poll_output(ms(0)), Output::Done));
            }
        }
        assert_eq!(exchange.poll_timeout(), None);
        assert_eq!(format!("{:?}", exchange.outcome()), end);
        assert!(exchange.take_outcome().is_some() && exchange.take_outcome().is_none());
        assert!(matches!(exchange.poll_output(ms(0)), Output::Done));
    }
}

#[test]
fn inputs_without_an_open_attempt_are_ignored() {
    // Before the request is sent.
    let mut exchange = Call::create().exchange();
    for input in all_inputs().into_iter().filter(|input| !matches!(input, In::Cancel)) {
        apply(&mut exchange, input, ms(0));
    }
    assert!(matches!(exchange.poll_output(ms(0)), Output::Send(..)));
    // In a wait, late input of the closed attempt is ignored.
    exchange.handle_error(newest(&exchange), TransportError::Unsent, ms(0));
    let due = exchange.poll_timeout();
    for input in all_inputs().into_iter().filter(|input| !matches!(input, In::Cancel)) {
        apply(&mut exchange, input, ms(0));
        exchange.refuse(newest(&exchange), Error::cancelled());
        assert!(matches!(exchange.poll_output(ms(0)), Output::Wait));
        assert_eq!(exchange.poll_timeout(), due);
    }
    // A body before its head.
    let mut exchange = Call::create().exchange();
    drain(&mut exchange);
    exchange.handle_data(newest(&exchange), Bytes::from(last("early")), ms(0));
    assert!(matches!(exchange.poll_output(ms(0)), Output::Read));
    // A second head, and input after the end of the body.
    for input in [stream(), data(chunk("x")), json(), In::Eof, data(last("late")), In::Fail(TransportError::Body)] {
        apply(&mut exchange, input, ms(0));
    }
    let (events, _) = drain(&mut exchange);
    assert_eq!(events.iter().filter_map(Event::text).collect::<String>(), "x");
    assert_eq!(outcome(&exchange).as_ref().map(|answer| answer.text.as_str()).ok(), Some("x"));
}
