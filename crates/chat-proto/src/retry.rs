//! Whether and when to retry: a pure function of the policy, the failure, the time and a random number.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::request::Idempotency;
use crate::retry_after::should_retry;
use crate::{Elapsed, Error, ErrorKind, GaveUp, RetryPolicy, TimeoutKind, TransportError};

/// What a failed attempt means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryClass {
    /// A retry would fail the same way, or repeat output.
    None,
    /// A retry may succeed and does no harm.
    Safe,
    /// A retry may succeed, but the server may have read the request already.
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
            ErrorKind::Api { .. } if error.server_error().is_some_and(|error| error.is_insufficient_quota()) => {
                Self::None
            }
            ErrorKind::Api { .. } | ErrorKind::Validation { .. } => {
                error.head().map_or(Self::None, |head| Self::after_status(head.status, &head.headers, idempotency))
            }
            _ => Self::None,
        }
    }

    /// `x-should-retry` says whether a retry may help. It does not say whether a retry is safe.
    fn after_status(status: StatusCode, headers: &HeaderMap, idempotency: Idempotency) -> Self {
        let may_have_been_read = match idempotency {
            Idempotency::Harmless => Self::Safe,
            Idempotency::AddsToHistory => Self::Ambiguous,
        };
        match (should_retry(headers), status.as_u16()) {
            (Some(false), _) => Self::None,
            // The server refused the request, or refused it for now. Some servers use 529 for "overloaded".
            (_, 425 | 429 | 503 | 529) => Self::Safe,
            (_, 408 | 500 | 502 | 504) | (Some(true), _) => may_have_been_read,
            (None, _) => Self::None,
        }
    }
}

/// The input of [`decide`].
pub(crate) struct RetryContext<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) class: RetryClass,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// Sum of the waits so far.
    pub(crate) waited: Duration,
    /// The wait that the server asks for, if it does.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) now: Elapsed,
    /// Deadline of the whole call.
    pub(crate) deadline: Option<Elapsed>,
    /// 64 random bits.
    pub(crate) entropy: u64,
}

/// Returns the wait before the next attempt, or why there is none. `Err(None)` if no retry would help.
pub(crate) fn decide(context: &RetryContext<'_>) -> Result<Duration, Option<GaveUp>> {
    let policy = context.policy;
    match context.class {
        RetryClass::None => return Err(None),
        // First, because the caller needs to know it: calling again may repeat the request.
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

/// Full jitter: a uniform time between 0 and `base * 2^retry`, at most `max_backoff`.
fn backoff(policy: &RetryPolicy, retry: u32, entropy: u64) -> Duration {
    let factor = 1u32.checked_shl(retry).unwrap_or(u32::MAX);
    let cap = policy.base.saturating_mul(factor).min(policy.max_backoff);
    let nanos = u64::try_from(cap.as_nanos()).unwrap_or(u64::MAX);
    // The high half of a 128-bit product is `entropy / 2^64` of `nanos`.
    Duration::from_nanos(((u128::from(nanos) * u128::from(entropy)) >> 64) as u64)
}

/// One step of SplitMix64. It is good enough for jitter, and reproducible for a seed.
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
    fn draw_is_splitmix64() {
        let mut state = 1_234_567;
        let numbers = [(); 3].map(|()| draw(&mut state));
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
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
        let decision = |change: &dyn Fn(&mut RetryContext<'_>)| {
            let mut context = context(&policy);
            change(&mut context);
            decide(&context)
        };
        assert_eq!(decision(&|q| q.entropy = 0), Ok(Duration::ZERO));
        assert_eq!(decision(&|q| q.class = RetryClass::None), Err(None));
        assert_eq!(decision(&|q| q.class = RetryClass::Ambiguous), Err(Some(GaveUp::MayHaveBeenRead)));
        assert!(decision(&|q| q.attempts = 2).is_ok());
        assert_eq!(decision(&|q| q.attempts = 3), Err(Some(GaveUp::Attempts)));
        let minute = Duration::from_secs(60);
        assert_eq!(decision(&|q| q.retry_after = Some(minute)), Ok(minute));
        let wait = minute + Duration::from_nanos(1);
        assert_eq!(decision(&|q| q.retry_after = Some(wait)), Err(Some(GaveUp::WaitTooLong { wait })));
        let backoff = backoff(&policy, 0, u64::MAX);
        assert_eq!(decision(&|q| q.waited = minute), Err(Some(GaveUp::WaitTooLong { wait: backoff })));
        assert_eq!(decision(&|q| q.waited = minute - backoff), Ok(backoff));
        let deadline = Some(Elapsed::from_millis(5000));
        assert!(decision(&|q| q.deadline = deadline).is_ok());
        assert_eq!(
            decision(&|q| {
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
