//! The headers in which a server says whether and when to retry.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// When a server says to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// After this time. A number that is too large becomes the largest duration.
    Delay(Duration),
    /// At this time of the server's clock.
    At(SystemTime),
}

impl RetryAfter {
    /// Reads `retry-after-ms` (milliseconds), or else `Retry-After` (seconds, or a date in one of HTTP's three formats). A
    /// number may have a fraction, which is rounded up: to milliseconds in the first, to nanoseconds in the second. An
    /// invalid value is ignored.
    ///
    /// ```
    /// use chat_proto::RetryAfter;
    /// use http::{HeaderMap, HeaderValue};
    /// use std::time::Duration;
    ///
    /// let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("120"))]);
    /// assert_eq!(RetryAfter::from_headers(&headers), Some(RetryAfter::Delay(Duration::from_secs(120))));
    /// ```
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let delay = value("retry-after-ms").and_then(millis).map(Duration::from_millis).map(Self::Delay);
        delay.or_else(|| {
            let value = value("retry-after")?;
            let seconds = seconds(value).map(Self::Delay);
            seconds.or_else(|| httpdate::parse_http_date(value).ok().map(Self::At))
        })
    }

    /// The wait, counted from the response. A date is compared with the `Date` of the response; without that header the
    /// result is `None`.
    pub fn delay(self, headers: &HeaderMap) -> Option<Duration> {
        match self {
            Self::Delay(delay) => Some(delay),
            Self::At(then) => {
                let date = headers.get(header::DATE)?.to_str().ok()?;
                let sent = httpdate::parse_http_date(date.trim()).ok()?;
                Some(then.duration_since(sent).unwrap_or_default())
            }
        }
    }
}

/// The value of `x-should-retry`, if it is `true` or `false`.
pub(crate) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get("x-should-retry")?.to_str().ok()?.trim();
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

/// A number of digits only. A number above 64 bits becomes the largest one.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// A number that may have a fraction, rounded up so that no wait is too short.
fn millis(text: &str) -> Option<u64> {
    let Some((whole, fraction)) = text.split_once('.') else { return number(text) };
    Some(number(whole)?.saturating_add(u64::from(number(fraction)? > 0)))
}

/// Seconds with an optional fraction, rounded up to nanoseconds.
fn seconds(text: &str) -> Option<Duration> {
    const NANOS: usize = 9;
    let Some((whole, fraction)) = text.split_once('.') else { return number(text).map(Duration::from_secs) };
    let (whole, _) = (number(whole)?, number(fraction)?);
    let (nanos, rest) = fraction.split_at(fraction.len().min(NANOS));
    let nanos: u64 = format!("{nanos:0<NANOS$}").parse().ok()?;
    let up = u64::from(rest.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole).saturating_add(Duration::from_nanos(nanos + up)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn reads_every_form_of_retry_after() {
        let read = |pairs: &[(&'static str, &'static str)]| RetryAfter::from_headers(&headers(pairs));
        let secs = |secs| Some(RetryAfter::Delay(Duration::from_secs(secs)));
        assert_eq!(read(&[("retry-after", "7")]), secs(7));
        assert_eq!(read(&[("retry-after", "99999999999999999999999")]), secs(u64::MAX));
        for none in ["soon", "+5", "-1", "1.", ".5", "1.5.", "1.5e3", "1,5", "1.-5", "", "5s", "0x1"] {
            assert_eq!(read(&[("retry-after", none)]), None, "{none:?}");
        }
        let quarter = Some(RetryAfter::Delay(Duration::from_millis(250)));
        assert_eq!(read(&[("retry-after", "9"), ("retry-after-ms", "250")]), quarter);
        for none in ["x", "1.", ".5", "1.5s", "1.-5", "1.5.5", "1e3", "-1.5"] {
            assert_eq!(read(&[("retry-after", "9"), ("retry-after-ms", none)]), secs(9), "{none:?}");
        }
        for (text, rounded) in [("1500.5", 1501), ("1500.0", 1500), ("0.001", 1)] {
            let wait = Some(RetryAfter::Delay(Duration::from_millis(rounded)));
            assert_eq!(read(&[("retry-after-ms", text)]), wait, "{text:?}");
        }
        for (text, nanos) in [
            ("0.5", 500_000_000),
            ("1.5", 1_500_000_000),
            ("0.000", 0),
            ("0.1234567890", 123_456_789),
            ("0.12345678901", 123_456_790),
            ("0.99999999999999", 1_000_000_000),
        ] {
            let wait = Some(RetryAfter::Delay(Duration::from_nanos(nanos)));
            assert_eq!(read(&[("retry-after", text)]), wait, "{text:?}");
        }
        let longest = Some(RetryAfter::Delay(Duration::from_secs(u64::MAX).saturating_add(Duration::from_millis(500))));
        assert_eq!(read(&[("retry-after", "99999999999999999999999.5")]), longest);
        let date = Some(RetryAfter::At(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)));
        for form in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(read(&[("retry-after", form)]), date, "{form:?}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_date_of_the_response() {
        let then = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        let delay = |pairs: &[(&'static str, &'static str)]| {
            let headers = headers(pairs);
            RetryAfter::from_headers(&headers).unwrap().delay(&headers)
        };
        assert_eq!(delay(&[then, ("date", "Sun, 06 Nov 1994 08:49:07 GMT")]), Some(Duration::from_secs(30)));
        assert_eq!(delay(&[then, ("date", "Sun, 06 Nov 1994 08:50:07 GMT")]), Some(Duration::ZERO));
        assert_eq!(delay(&[then]), None);
        assert_eq!(delay(&[then, ("date", "now")]), None);
    }
}
