//! Which failures of chat completions are retried.

use std::time::Duration;

use chat_proto::RetryAfter;

use super::support::{In, Transcript, data as input, stream};
use super::*;

/// Runs a call whose first attempt fails so and whose second one is answered.
fn retried(status: u16, headers: &[(&'static str, &str)], body: &str) -> Transcript {
    let failed = vec![(0, support::head(status, headers)), (0, input(body)), (0, In::Eof)];
    call().run(&[failed, vec![(0, stream()), (0, input(text("A") + DONE))]])
}

#[test]
fn a_failure_that_may_pass_is_retried() {
    let quota = r#"{"error":{"message":"m","code":"insufficient_quota"}}"#;
    for (status, headers, body, is_retried) in [
        (500, &[][..], "{}", true),
        (502, &[], "", true),
        (503, &[], "", true),
        (529, &[], "", true),
        (408, &[], "", true),
        (429, &[], "{}", true),
        (429, &[], quota, false),
        (429, &[("x-should-retry", "true")], quota, false),
        (400, &[], "{}", false),
        (401, &[], "{}", false),
        (404, &[], "{}", false),
        (409, &[], "{}", false),
        (409, &[("x-should-retry", "true")], "{}", true),
        (500, &[("x-should-retry", "false")], "{}", false),
        (429, &[("x-should-retry", "false")], "{}", false),
    ] {
        let transcript = retried(status, headers, body);
        let sends = if is_retried { 2 } else { 1 };
        assert_eq!(
            (transcript.sends.len(), transcript.is_answer()),
            (sends, is_retried),
            "{status} {headers:?} {body}"
        );
    }
}

#[test]
fn rule_19_retry_after_may_have_a_fraction() {
    for (headers, wait) in [
        (&[("retry-after", "1.5")][..], 1500),
        (&[("retry-after", "9"), ("retry-after-ms", "1500.2")], 1501),
        (&[("retry-after", "2")], 2000),
    ] {
        let transcript = retried(429, headers, "{}");
        assert!(transcript.waits()[0] >= Duration::from_millis(wait), "{headers:?}: {:?}", transcript.waits());
        assert!(transcript.waits()[0] < Duration::from_millis(wait + 1000));
        let got = receive(&super::head(429, headers), "{}", &Config::default());
        assert_eq!(got.error().retry_after(), Some(RetryAfter::Delay(Duration::from_millis(wait))));
    }
}

#[test]
fn rule_11_a_success_is_never_sent_again() {
    for (body, content_type) in [(r#"{"error":{"code":503}}"#, JSON), (&*data("garbage"), STREAM), ("", STREAM)] {
        let transcript = retried(200, &[content_type], body);
        assert_eq!((transcript.sends.len(), transcript.is_answer()), (1, false), "{body}");
    }
}
