//! Whether and when to try again: pure policy. Time, chance and the failure come in, a verdict goes out.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::exchange::TransportError;
use crate::request::Idempotency;
use crate::{Elapsed, Error, ErrorKind, GaveUp, RetryPolicy, TimeoutKind};

/// When a server said to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// After so long. A number past what fits is the largest that does.
    Delay(Duration),
    /// At that time of the server's clock.
    At(SystemTime),
}

impl RetryAfter {
    /// Reads `retry-after-ms` (milliseconds, a fraction counts as a whole one) or else `Retry-After` (seconds, or a date
    /// in any of HTTP's three forms). What is none of these counts as not there.
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
            let seconds = number(value).map(Duration::from_secs).map(Self::Delay);
            seconds.or_else(|| httpdate::parse_http_date(value).ok().map(Self::At))
        })
    }

    /// How long to wait from when the answer was sent. A date is held against the answer's own `Date`; without one nobody
    /// can say how far away it is.
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

/// Digits only: a sign or a fraction makes it none. A number past 64 bits is the largest of them.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// A number that may have a fraction, as servers that compute it send one, rounded up so that no wait is too short.
fn millis(text: &str) -> Option<u64> {
    let Some((whole, fraction)) = text.split_once('.') else { return number(text) };
    Some(number(whole)?.saturating_add(u64::from(number(fraction)? > 0)))
}

/// What a failed attempt says of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryClass {
    /// It would fail the same way, or repeat output.
    None,
    /// It may go better, and does no harm.
    Safe,
    /// It may go better, yet the server may have read the request already.
    Ambiguous,
}

impl RetryClass {
    pub(crate) fn after(error: &Error, idempotency: Idempotency, fault: Option<TransportError>) -> Self {
        if error.partial().is_some() {
            return Self::None;
        }
        match error.kind() {
            ErrorKind::Connect if fault == Some(TransportError::Permanent) => Self::None,
            ErrorKind::Connect | ErrorKind::Timeout { kind: TimeoutKind::Connect, .. } => Self::Safe,
            ErrorKind::Transport if fault == Some(TransportError::Unsent) => Self::Safe,
            ErrorKind::Transport if fault == Some(TransportError::BadHead) => Self::None,
            ErrorKind::Transport | ErrorKind::Timeout { kind: TimeoutKind::Head, .. } => Self::Ambiguous,
            ErrorKind::Api { .. } => match error.status() {
                Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => Self::Safe,
                Some(StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => {
                    match idempotency {
                        Idempotency::Harmless => Self::Safe,
                        Idempotency::AddsToHistory => Self::Ambiguous,
                    }
                }
                _ => Self::None,
            },
            _ => Self::None,
        }
    }
}

/// What the policy is asked about.
pub(crate) struct RetryContext<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) class: RetryClass,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// All waits so far.
    pub(crate) waited: Duration,
    /// What the server wants to be waited, as far as that is known.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) now: Elapsed,
    /// The end of the whole call.
    pub(crate) deadline: Option<Elapsed>,
    /// 64 bits of chance.
    pub(crate) entropy: u64,
}

/// Answers with the wait before the next attempt, or why there is none; `Err(None)` where none was worth making.
pub(crate) fn decide(context: &RetryContext<'_>) -> Result<Duration, Option<GaveUp>> {
    let policy = context.policy;
    match context.class {
        RetryClass::None => return Err(None),
        // What the caller has to know comes first: calling again may repeat something.
        RetryClass::Ambiguous if !policy.ambiguous => return Err(Some(GaveUp::MayHaveBeenRead)),
        _ if context.attempts > policy.max_retries => return Err(Some(GaveUp::Attempts)),
        RetryClass::Safe | RetryClass::Ambiguous => {}
    }
    let left = policy.max_total_wait.saturating_sub(context.waited);
    let backoff = backoff(policy, context.attempts.saturating_sub(1), context.entropy);
    let wait = context.retry_after.map_or(backoff, |wanted| wanted.max(backoff));
    if wait > left {
        return Err(Some(GaveUp::WaitTooLong { wait }));
    }
    if context.deadline.is_some_and(|deadline| context.now + wait >= deadline) {
        return Err(Some(GaveUp::Deadline));
    }
    Ok(wait)
}

/// Full jitter: evenly between nothing and `base * 2^retry`, at most `max_backoff`.
fn backoff(policy: &RetryPolicy, retry: u32, entropy: u64) -> Duration {
    let factor = 1u32.checked_shl(retry).unwrap_or(u32::MAX);
    let cap = policy.base.saturating_mul(factor).min(policy.max_backoff);
    let nanos = u64::try_from(cap.as_nanos()).unwrap_or(u64::MAX);
    // The high half of a 128 bit product: `entropy / 2^64` of the whole.
    Duration::from_nanos(((u128::from(nanos) * u128::from(entropy)) >> 64) as u64)
}

/// One step of SplitMix64: enough to spread waits, and the same on every machine for the same seed.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn context(policy: &RetryPolicy) -> RetryContext<'_> {
        RetryContext {
            policy,
            class: RetryClass::Safe,
            attempts: 1,
            waited: Duration::ZERO,
            retry_after: None,
            now: Elapsed::START,
            deadline: None,
            entropy: u64::MAX,
        }
    }

    #[test]
    fn draws_what_splitmix64_does() {
        let mut state = 1_234_567;
        let drawn = [(); 3].map(|()| draw(&mut state));
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn reads_every_form_of_retry_after() {
        let read = |pairs: &[(&'static str, &'static str)]| RetryAfter::from_headers(&headers(pairs));
        let secs = |secs| Some(RetryAfter::Delay(Duration::from_secs(secs)));
        assert_eq!(read(&[("retry-after", "7")]), secs(7));
        assert_eq!(read(&[("retry-after", "99999999999999999999999")]), secs(u64::MAX));
        for none in ["soon", "+5", "-1", "1.5", "", "5s"] {
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
        let date = Some(RetryAfter::At(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)));
        for form in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(read(&[("retry-after", form)]), date, "{form:?}");
        }
    }

    #[test]
    fn a_date_is_held_against_the_answers_own() {
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

    #[test]
    fn backoff_doubles_up_to_its_cap_and_jitters_in_full() {
        let policy = RetryPolicy::default();
        let largest = |retry| backoff(&policy, retry, u64::MAX).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 40].map(largest), [499, 999, 1999, 3999, 7999, 7999, 7999]);
        assert_eq!(backoff(&policy, 3, 0), Duration::ZERO);
        assert_eq!(backoff(&policy, 0, 1 << 63), Duration::from_millis(250));
    }

    #[test]
    fn gives_up_for_the_right_reason() {
        let policy = RetryPolicy::default();
        let asked = |change: &dyn Fn(&mut RetryContext<'_>)| {
            let mut context = context(&policy);
            change(&mut context);
            decide(&context)
        };
        assert_eq!(asked(&|q| q.entropy = 0), Ok(Duration::ZERO));
        assert_eq!(asked(&|q| q.class = RetryClass::None), Err(None));
        assert_eq!(asked(&|q| q.class = RetryClass::Ambiguous), Err(Some(GaveUp::MayHaveBeenRead)));
        assert!(asked(&|q| q.attempts = 2).is_ok());
        assert_eq!(asked(&|q| q.attempts = 3), Err(Some(GaveUp::Attempts)));
        let minute = Duration::from_secs(60);
        assert_eq!(asked(&|q| q.retry_after = Some(minute)), Ok(minute));
        let wait = minute + Duration::from_nanos(1);
        assert_eq!(asked(&|q| q.retry_after = Some(wait)), Err(Some(GaveUp::WaitTooLong { wait })));
        let backoff = backoff(&policy, 0, u64::MAX);
        assert_eq!(asked(&|q| q.waited = minute), Err(Some(GaveUp::WaitTooLong { wait: backoff })));
        assert_eq!(asked(&|q| q.waited = minute - backoff), Ok(backoff));
        let deadline = Some(Elapsed::from_millis(5000));
        assert!(asked(&|q| q.deadline = deadline).is_ok());
        assert_eq!(
            asked(&|q| {
                q.deadline = deadline;
                q.retry_after = Some(Duration::from_secs(5));
            }),
            Err(Some(GaveUp::Deadline))
        );
    }

    #[test]
    fn a_wait_is_the_longer_of_retry_after_and_the_backoff() {
        let policy = RetryPolicy::default();
        let wanted = Duration::from_millis(300);
        for entropy in [0, 1 << 62, 1 << 63, u64::MAX] {
            let wait = |retry_after| decide(&RetryContext { retry_after, entropy, ..context(&policy) }).unwrap();
            assert_eq!(wait(Some(wanted)), wait(None).max(wanted), "{entropy}");
        }
        assert!(backoff(&policy, 0, 1 << 63) < wanted && backoff(&policy, 0, u64::MAX) > wanted);
    }
}
