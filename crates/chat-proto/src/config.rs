//! The settings of an exchange.

use std::fmt;
use std::time::Duration;

use crate::Limits;
use crate::setters::setters;

/// The settings of an exchange: timeouts, retries and limits.
///
/// ```
/// use std::time::Duration;
/// use chat_proto::{Config, Limits, RetryPolicy, Timeouts};
///
/// let config = Config::default()
///     .with_timeouts(Timeouts::default().with_idle(Duration::from_secs(20)).with_content(None))
///     .with_retry(RetryPolicy::default().with_max_retries(5))
///     .with_limits(Limits::default().with_event(1 << 20));
/// assert_eq!(config.timeouts.idle, Some(Duration::from_secs(20)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// What to try again, how often and when.
    pub retry: RetryPolicy,
    /// What may be held in memory.
    pub limits: Limits,
}

impl Config {
    setters! {
        /// Sets [`timeouts`](Self::timeouts).
        with_timeouts(timeouts: Timeouts);
        /// Sets [`retry`](Self::retry).
        with_retry(retry: RetryPolicy);
        /// Sets [`limits`](Self::limits).
        with_limits(limits: Limits);
    }
}

/// How long to wait for what. `None` means no limit.
///
/// The [crate page](crate#timeouts) has a table of what ends by which timeout, and says whose time counts. The defaults
/// never end a stream that keeps sending content, however long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Time to establish a connection: name resolution, TCP and TLS. Default: 10 s. The transport enforces this one.
    pub connect: Option<Duration>,
    /// Time to receive the response head in each attempt, connecting included. Default: 120 s, because an answer in one
    /// JSON object starts late. Interim (1xx) responses do not reset it.
    pub head: Option<Duration>,
    /// Time between two reads of the body that return bytes. Default: 60 s. The body of an error gets this time as a whole.
    pub idle: Option<Duration>,
    /// Time between two pieces of content: text, a finish reason, citations, or an unknown event that is neither empty
    /// nor a ping. Default: 180 s. The bytes of an unfinished event postpone it while they arrive. For an answer in one JSON
    /// object, it ends with the first byte that is not white space.
    pub content: Option<Duration>,
    /// Time for the whole call: retries, waits and the caller's own time included. Default: none.
    pub total: Option<Duration>,
}

impl Timeouts {
    setters! {
        /// Sets [`connect`](Self::connect): a duration, or `None` for no limit.
        with_connect(connect: impl Into<Option<Duration>>);
        /// Sets [`head`](Self::head): a duration, or `None` for no limit.
        with_head(head: impl Into<Option<Duration>>);
        /// Sets [`idle`](Self::idle): a duration, or `None` for no limit.
        with_idle(idle: impl Into<Option<Duration>>);
        /// Sets [`content`](Self::content): a duration, or `None` for no limit.
        with_content(content: impl Into<Option<Duration>>);
        /// Sets [`total`](Self::total): a duration, or `None` for no limit.
        with_total(total: impl Into<Option<Duration>>);
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Some(Duration::from_secs(10)),
            head: Some(Duration::from_secs(120)),
            idle: Some(Duration::from_secs(60)),
            content: Some(Duration::from_secs(180)),
            total: None,
        }
    }
}

/// One of the [`Timeouts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// [`Timeouts::connect`].
    Connect,
    /// [`Timeouts::head`].
    Head,
    /// [`Timeouts::idle`].
    Idle,
    /// [`Timeouts::content`].
    Content,
    /// [`Timeouts::total`].
    Total,
}

impl TimeoutKind {
    /// `connect`, `head`, `idle`, `content` or `total`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Content => "content",
            Self::Total => "total",
        }
    }
}

impl fmt::Display for TimeoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is retried, how often and when.
///
/// Retried by default: what no server has read (refused, handed back unsent), 425, 429, 503 and 529, and for `create`, where
/// a repetition leaves an unused session at worst, 408, 500, 502 and 504. The server may forbid or allow a retry with
/// `x-should-retry`. Nothing is retried once the head of a success came.
///
/// The wait before retry `n`, from 0, is drawn evenly between nothing and `base * 2^n`, at most `max_backoff`: full jitter,
/// so that clients which failed together do not come back together. It is never shorter than the server's `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Maximum number of attempts after the first. Default: 2.
    pub max_retries: u32,
    /// Scale of the first wait. Default: 0.5 s.
    pub base: Duration,
    /// Maximum backoff. Default: 8 s.
    pub max_backoff: Duration,
    /// Limit for the sum of all waits. Default: 60 s. A wait that exceeds what is left of it, by `Retry-After` or backoff,
    /// ends the call at once.
    pub max_total_wait: Duration,
    /// Also try again where the server may have read the request: 500, 502 and 504 for `continue`, and connections lost or
    /// heads that did not come in time for both. Off: a repeated `continue` may put the question into the history
    /// twice, a repeated `create` may leave a session nobody uses.
    pub ambiguous: bool,
}

impl RetryPolicy {
    setters! {
        /// Sets [`max_retries`](Self::max_retries); 0 is a single attempt.
        with_max_retries(max_retries: u32);
        /// Sets [`base`](Self::base).
        with_base(base: Duration);
        /// Sets [`max_backoff`](Self::max_backoff).
        with_max_backoff(max_backoff: Duration);
        /// Sets [`max_total_wait`](Self::max_total_wait).
        with_max_total_wait(max_total_wait: Duration);
        /// Sets [`ambiguous`](Self::ambiguous).
        with_ambiguous(ambiguous: bool);
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 2,
            base: Duration::from_millis(500),
            max_backoff: Duration::from_secs(8),
            max_total_wait: Duration::from_secs(60),
            ambiguous: false,
        }
    }
}
