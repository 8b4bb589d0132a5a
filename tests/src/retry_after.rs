//! Check of `Retry-After` with any bytes.

use std::time::Duration;

use chat_proto::RetryAfter;
use http::header::{HeaderMap, HeaderValue};

/// Parses the headers `Retry-After`, `retry-after-ms` and `Date`. Their values are the lines of the bytes.
///
/// # Panics
///
/// If a number is parsed incorrectly, or if anything else is parsed as a number.
pub fn check_retry_after(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let values = bytes.splitn(3, |&byte| byte == b'\n');
    for (name, value) in ["retry-after", "retry-after-ms", "date"].into_iter().zip(values) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let read = RetryAfter::from_headers(&headers);
    // HTTP white space only, not that of Unicode.
    let text = |name: &str| Some(std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?.trim_matches([' ', '\t']));
    let digits = |text: &str| {
        let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        digits.then(|| text.chars().fold(0u64, |n, c| n.saturating_mul(10).saturating_add(u64::from(c) - 48)))
    };
    // A fraction of a millisecond is rounded up.
    let millis = |text: &str| match text.split_once('.') {
        Some((whole, part)) => Some(digits(whole)?.saturating_add(u64::from(digits(part)? > 0))),
        None => digits(text),
    };
    // A fraction of a nanosecond is rounded up.
    let seconds = |text: &str| {
        let Some((whole, part)) = text.split_once('.') else { return digits(text).map(Duration::from_secs) };
        let (whole, _) = (digits(whole)?, digits(part)?);
        let places = part.bytes().map(|digit| u64::from(digit - b'0'));
        let units = (0..9).map(|place| 10u64.pow(8 - place)).chain(std::iter::repeat(0));
        let nanos: u64 = places.clone().zip(units).map(|(digit, unit)| digit * unit).sum();
        let more = u64::from(places.skip(9).any(|digit| digit > 0));
        Some(Duration::from_secs(whole).saturating_add(Duration::from_nanos(nanos + more)))
    };
    match (text("retry-after-ms").and_then(millis), text("retry-after").and_then(seconds)) {
        (Some(millis), _) => assert_eq!(read, Some(RetryAfter::Delay(Duration::from_millis(millis)))),
        (None, Some(seconds)) => assert_eq!(read, Some(RetryAfter::Delay(seconds))),
        (None, None) => assert!(!matches!(read, Some(RetryAfter::Delay(_))), "{read:?} without a number"),
    }
    if let Some(RetryAfter::At(_)) = read {
        let delay = read.and_then(|read| read.delay(&headers));
        assert!(delay.is_none() || headers.contains_key("date"));
    }
}
