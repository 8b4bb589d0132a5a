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
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Retries.
    pub retry: RetryPolicy,
    /// Limits on memory.
    pub limits: Limits,
    /// Whether a chat completion is also complete if its stream ends in order, with at least one chunk and without a finish
    /// reason or `[DONE]`. Default: `false`, because a cut between two events looks the same.
    pub accept_unfinished: bool,
    /// Whether each chunk of a chat completion is also returned as its JSON, in an [`Event::Chunk`](crate::Event::Chunk).
    /// Default: `false`.
    pub raw_chunks: bool,
}

/// The part of the settings that reading an answer needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) limits: Limits,
    pub(crate) accept_unfinished: bool,
    pub(crate) raw_chunks: bool,
}

impl Config {
    pub(crate) fn reading(&self) -> Reading {
        let Self { limits, accept_unfinished, raw_chunks, .. } = *self;
        Reading { limits, accept_unfinished, raw_chunks }
    }

    setters! {
        /// Sets [`timeouts`](Self::timeouts).
        with_timeouts(timeouts: Timeouts);
        /// Sets [`retry`](Self::retry).
        with_retry(retry: RetryPolicy);
        /// Sets [`limits`](Self::limits).
        with_limits(limits: Limits);
        /// Sets [`accept_unfinished`](Self::accept_unfinished).
        with_accept_unfinished(accept_unfinished: bool);
        /// Sets [`raw_chunks`](Self::raw_chunks).
        with_raw_chunks(raw_chunks: bool);
    }
}

/// Timeouts of a call. `None` means no limit.
///
/// The [crate page](crate#timeouts) has a table of what each timeout ends, and says whose time counts. The defaults never
/// end a stream that keeps sending content, however long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Time to establish a connection: name resolution, TCP, proxies and TLS. Default: 10 s. The transport enforces it.
    pub connect: Option<Duration>,
    /// Time to receive the response head in each attempt, connecting included. Default: 120 s, because an answer in one
    /// JSON object starts late. Interim (1xx) responses do not reset it.
    pub head: Option<Duration>,
    /// Time between two reads of the body that return bytes. Default: 60 s. The body of an error gets this time as a whole.
    pub idle: Option<Duration>,
    /// Time between two pieces of content: text, reasoning, a refusal, a piece of a tool call, a finish reason, citations, or an
    /// unknown event that is neither empty
    /// nor a ping. Default: 180 s. The bytes of an unfinished event postpone it while they arrive. For an answer in one JSON
    /// object, it ends with the first byte that is not white space.
    pub content: Option<Duration>,
    /// Time for the whole call, including retries, waits and the caller's own time. Default: none.
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

/// Which failures are retried, how often and when.
///
/// By default these are retried: a request that no server has read, and the statuses 425, 429, 503 and 529. For `create`
/// also 408, 500, 502 and 504, because a repeated `create` leaves an unused session at worst. A chat completion is retried like
/// `create`: at worst it is paid for twice. The error code `insufficient_quota` is never retried. Nothing is retried after the
/// head of a success.
///
/// With `x-should-retry`, the server can forbid a retry, or allow one after another status. For `continue`, that also needs
/// [`ambiguous`](Self::ambiguous).
///
/// The wait before retry `n`, counted from 0, is a random time between 0 and `base * 2^n`, at most `max_backoff` (full
/// jitter). It is never shorter than the server's `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Maximum number of attempts after the first. Default: 2.
    pub max_retries: u32,
    /// Scale of the first wait. Default: 0.5 s.
    pub base: Duration,
    /// Maximum backoff. Default: 8 s.
    pub max_backoff: Duration,
    /// Maximum sum of all waits. Default: 60 s. If the next wait, by `Retry-After` or backoff, would exceed it, the call ends
    /// at once.
    pub max_total_wait: Duration,
    /// Also retry if the server may have read the request: after 408, 500, 502 and 504 for `continue`, and after a lost
    /// connection or a `head` timeout. Default: off, because a repeated `continue` may add the question to the history twice, and a
    /// repeated `create` may leave an unused session.
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
