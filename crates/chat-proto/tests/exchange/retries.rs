//! Retries: which failures are retried, and how long the exchange waits.

use super::*;

/// Whether a failure is retried: always, if ambiguous retries are allowed, or never.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Retry {
    Always,
    IfAllowed,
    Never,
}

#[test]
fn each_failure_is_retried_or_not() {
    use Retry::{Always, IfAllowed, Never};
    use TransportError::{BadHead, Body, Connect, ConnectTimeout, MaybeSent, Unsent};
    let fault = |error| vec![(0, In::Fail(error))];
    let table: Vec<(&str, Attempt, Retry, Retry)> = vec![
        // Name, first attempt, retry of a create, retry of a continue.
        ("429", failed(429, &[]), Always, Always),
        ("503", failed(503, &[]), Always, Always),
        ("500", failed(500, &[]), Always, IfAllowed),
        ("502", failed(502, &[]), Always, IfAllowed),
        ("504", failed(504, &[]), Always, IfAllowed),
        ("503 cut", vec![(0, head(503, &[])), (0, data("x")), (0, In::Fail(Body))], Always, Always),
        ("503 stalled", vec![(0, head(503, &[])), (0, data("x"))], Always, Always),
        ("connect", fault(Connect), Always, Always),
        ("connect timeout", fault(ConnectTimeout), Always, Always),
        ("unsent", fault(Unsent), Always, Always),
        ("maybe sent", fault(MaybeSent), IfAllowed, IfAllowed),
        ("bad head", fault(BadHead), Never, Never),
        ("body before the head", fault(Body), IfAllowed, IfAllowed),
        ("end before the head", vec![(0, In::Eof)], IfAllowed, IfAllowed),
        ("head timeout", vec![], IfAllowed, IfAllowed),
        ("400", failed(400, &[]), Never, Never),
        ("401", failed(401, &[]), Never, Never),
        ("404", failed(404, &[]), Never, Never),
        ("408", failed(408, &[]), Always, IfAllowed),
        ("425", failed(425, &[]), Always, Always),
        ("529", failed(529, &[]), Always, Always),
        ("400 but should", failed(400, &[("x-should-retry", " True")]), Always, IfAllowed),
        ("409 but should", failed(409, &[("x-should-retry", "true")]), Always, IfAllowed),
        ("422 but should", validation(&[("x-should-retry", "true")]), Always, IfAllowed),
        ("501 but should", failed(501, &[("x-should-retry", "true")]), Always, IfAllowed),
        ("500 and should", failed(500, &[("x-should-retry", "true")]), Always, IfAllowed),
        ("429 and should", failed(429, &[("x-should-retry", "true")]), Always, Always),
        ("429 but should not", failed(429, &[("x-should-retry", "false")]), Never, Never),
        ("503 but should not", failed(503, &[("x-should-retry", "FALSE")]), Never, Never),
        ("500 but should not", failed(500, &[("x-should-retry", "false")]), Never, Never),
        ("500 and who knows", failed(500, &[("x-should-retry", "maybe")]), Always, IfAllowed),
        ("302 but should", failed(302, &[("x-should-retry", "true")]), Never, Never),
        ("200 foreign but should", failed(200, &[("x-should-retry", "true")]), Never, Never),
        ("422 in its form", validation(&[]), Never, Never),
        ("422", failed(422, &[]), Never, Never),
        ("501", failed(501, &[]), Never, Never),
        ("505", failed(505, &[]), Never, Never),
        ("302", failed(302, &[]), Never, Never),
        ("204", failed(204, &[]), Never, Never),
        ("foreign", failed(200, &[("retry-after", "0")]), Never, Never),
        ("stream lost", vec![(0, stream()), (0, In::Fail(Unsent))], Never, Never),
        ("stream silent", vec![(0, stream())], Never, Never),
        ("json lost", vec![(0, json()), (0, In::Fail(Connect))], Never, Never),
        ("json bad", vec![(0, json()), (0, In::Eof)], Never, Never),
        ("error event", vec![(0, stream()), (0, data(event("error", "503")))], Never, Never),
    ];
    for (name, attempt, create, next) in table {
        for (call, retry) in [(Call::create(), create), (Call::continue_session(), next)] {
            for ambiguous in [false, true] {
                let call = call.clone().with(|config| config.retry.ambiguous = ambiguous);
                let transcript = call.run(&[attempt.clone(), answered("x")]);
                let expected = retry == Always || retry == IfAllowed && ambiguous;
                assert_eq!(transcript.sends.len(), 1 + usize::from(expected), "{name} {ambiguous} {retry:?}");
                if expected {
                    assert_eq!(transcript.answer().text, "x", "{name}");
                } else {
                    let gave_up = (retry == IfAllowed).then_some(GaveUp::MayHaveBeenRead);
                    assert_eq!((transcript.error().gave_up(), transcript.error().attempts()), (gave_up, 1), "{name}");
                }
            }
        }
    }
}

/// An attempt that is answered by a validation error.
fn validation(headers: &[(&'static str, &str)]) -> Attempt {
    let headers = [&[("content-type", "application/json")], headers].concat();
    vec![(0, head(422, &headers)), (0, data(r#"{"detail":[]}"#)), (0, In::Eof)]
}

#[test]
fn attempts_are_limited_and_the_last_error_is_returned() {
    for max_retries in [0, 1, 2, 5] {
        let call = Call::create().with(|config| config.retry.max_retries = max_retries);
        let mut attempts = vec![failed(429, &[]); max_retries as usize];
        attempts.push(vec![(0, head(503, &[])), (0, data("last")), (0, In::Eof)]);
        attempts.push(answered("never sent"));
        let transcript = call.run(&attempts);
        assert_eq!(transcript.sends.len(), max_retries as usize + 1);
        let error = transcript.error();
        assert_eq!((error.attempts(), error.gave_up()), (max_retries + 1, Some(GaveUp::Attempts)));
        assert_eq!((error.status().map(|status| status.as_u16()), error.body()), (Some(503), Some("last")));
    }
}

#[test]
fn waits_are_random_in_a_doubling_range() {
    let mut firsts = Vec::new();
    for seed in 0..200 {
        let mut call = Call::create().with(|config| {
            config.retry.max_retries = 6;
            config.retry.max_total_wait = Duration::from_secs(600);
        });
        call.seed = seed;
        let transcript = call.run(&vec![failed(503, &[]); 7]);
        assert_eq!(call.run(&vec![failed(503, &[]); 7]).sends, transcript.sends);
        let waits = transcript.waits();
        for (wait, cap) in waits.iter().zip([500, 1000, 2000, 4000, 8000, 8000]) {
            assert!(*wait <= millis(cap), "{wait:?} {cap}");
        }
        firsts.push(waits[0]);
    }
    firsts.sort();
    assert!(firsts[0] < millis(50) && firsts[199] > millis(450), "the waits do not use the whole range: {firsts:?}");
    firsts.dedup();
    assert!(firsts.len() > 190);
}

#[test]
fn the_sum_of_all_waits_is_limited() {
    for seed in 0..50 {
        let mut call = Call::create().with(|config| {
            config.retry.max_retries = 50;
            config.retry.max_total_wait = Duration::from_secs(5);
        });
        call.seed = seed;
        let transcript = call.run(&vec![failed(503, &[]); 51]);
        assert!(transcript.end <= ms(5000), "{:?}", transcript.end);
        // A wait that the server asks for counts too.
        let asked = call.run(&vec![failed(429, &[("retry-after", "2")]); 51]);
        assert!(asked.end <= ms(5000));
        assert!(asked.sends.len() <= 3);
        assert!(matches!(asked.error().gave_up(), Some(GaveUp::WaitTooLong { wait }) if wait >= millis(2000)));
    }
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:07 GMT";

#[test]
fn a_wait_is_at_least_as_long_as_the_server_asks() {
    let secs = Duration::from_secs;
    for (headers, at_least) in [
        (&[("retry-after", "3")][..], secs(3)),
        (&[("retry-after", " 3 ")], secs(3)),
        (&[("retry-after", "0")], secs(0)),
        (&[("retry-after", "60")], secs(60)),
        (&[("retry-after-ms", "1500")], millis(1500)),
        (&[("retry-after", "30"), ("retry-after-ms", "1500")], millis(1500)),
        (&[("retry-after", "4"), ("retry-after-ms", "soon")], secs(4)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", DATE)], secs(30)),
        (&[("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"), ("date", DATE)], secs(30)),
        (&[("retry-after", "Sun Nov  6 08:49:37 1994"), ("date", DATE)], secs(30)),
        // In the past or unknown: only the backoff.
        (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), ("date", DATE)], secs(0)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], secs(0)),
        (&[("retry-after", "soon")], secs(0)),
        (&[("retry-after", "-5")], secs(0)),
    ] {
        for seed in 0..20 {
            let mut call = Call::continue_session();
            call.seed = seed;
            let transcript = call.run(&[failed(429, headers), answered("x")]);
            let wait = transcript.waits()[0];
            assert!(wait >= at_least && wait <= at_least.max(millis(500)), "{headers:?}: {wait:?}");
        }
    }
}

#[test]
fn a_wait_that_is_too_long_ends_the_call_at_once() {
    for (headers, wait) in [
        (&[("retry-after", "61")][..], Duration::from_secs(61)),
        (&[("retry-after-ms", "60001")], millis(60_001)),
        (&[("retry-after", "Sun, 06 Nov 1994 09:49:07 GMT"), ("date", DATE)], Duration::from_secs(3600)),
        (&[("retry-after", "99999999999999999999999")], Duration::from_secs(u64::MAX)),
        (&[("retry-after-ms", "99999999999999999999999")], millis(u64::MAX)),
    ] {
        let transcript = Call::create().run(&[failed(503, headers), answered("x")]);
        assert_eq!((transcript.sends.len(), transcript.end), (1, ms(0)));
        assert_eq!(transcript.error().gave_up(), Some(GaveUp::WaitTooLong { wait }));
        assert!(transcript.error().retry_after().is_some());
    }
}

#[test]
fn a_retry_date_without_a_date_header_is_kept_in_the_error() {
    let headers = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let transcript = Call::create().run(&vec![failed(429, &headers); 3]);
    let then = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(transcript.error().retry_after(), Some(RetryAfter::At(then)));
    assert!(transcript.error().is_rate_limited());
    assert!(transcript.end <= ms(1500));
}

#[test]
fn no_wait_begins_that_the_total_timeout_would_end() {
    let call = Call::create().with(|config| config.timeouts.total = Some(millis(2000)));
    for (wait, retries) in [("1000", true), ("1999", true), ("2000", false), ("2001", false)] {
        let transcript = call.run(&[failed(503, &[("retry-after-ms", wait)]), answered("x")]);
        assert_eq!(transcript.sends.len() == 2, retries, "{wait}");
        if !retries {
            assert_eq!((transcript.error().gave_up(), transcript.end), (Some(GaveUp::Deadline), ms(0)));
            assert_eq!(transcript.error().kind().name(), "api");
        }
    }
}

#[test]
fn a_retry_sends_the_same_request_without_a_key() {
    let call = Call::create();
    let mut exchange = call.exchange();
    for attempt in 1..=3 {
        let Output::Send(_, request) = exchange.poll_output(ms(0)) else { panic!() };
        assert_eq!((request.uri(), request.headers()), (call.request.http().uri(), call.request.http().headers()));
        assert_eq!((request.method(), request.body()), (call.request.http().method(), call.request.http().body()));
        assert!(!request.headers().contains_key("authorization"));
        assert_eq!(exchange.attempts(), attempt);
        exchange.handle_error(newest(&exchange), TransportError::Connect, ms(0));
        if let (Output::Wait, Some(due)) = (exchange.poll_output(ms(0)), exchange.poll_timeout()) {
            exchange.handle_timeout(due);
        }
    }
}

#[test]
fn a_request_is_never_repeated_after_the_head_of_a_success() {
    let call = Call::create().with(|config| config.retry.ambiguous = true);
    let faults = [In::Eof, In::Cancel]
        .into_iter()
        .chain([TransportError::Connect, TransportError::Unsent, TransportError::MaybeSent].map(In::Fail));
    for fault in faults {
        for begin in [stream(), json()] {
            let transcript = call.run(&[vec![(0, begin), (0, fault.clone())], answered("retry")]);
            assert_eq!(transcript.sends.len(), 1, "{fault:?}");
        }
    }
}
