//! The settings of an exchange.

use std::fmt;
use std::time::Duration;

use crate::Limits;

/// How an exchange behaves: its clocks, its retries, its bounds.
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

/// How long to wait for what; `None` is for ever. None of the defaults ends a long stream that is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection: name, TCP and TLS. 10 s. The transport keeps this one.
    pub connect: Option<Duration>,
    /// For the head of the answer, connecting included, in each attempt. 120 s: an answer in one JSON object starts late.
    pub head: Option<Duration>,
    /// Between two reads of the body that bring something. 60 s. An error's body gets this time as a whole.
    pub idle: Option<Duration>,
    /// Between two events of a stream that say something: comments and empty events do not. 180 s.
    pub content: Option<Duration>,
    /// For the whole call, retries and waits included. Off.
    pub total: Option<Duration>,
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
pub enum Clock {
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

impl Clock {
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

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is tried again, how often and when.
///
/// Tried again by default is what a server certainly never read (refused, handed back unsent), 429 and 503, and, when
/// repeating leaves an unused session at worst (`create`), 500, 502 and 504. Nothing is once a success's body has begun.
///
/// The wait before retry `n`, from 0, is drawn evenly between nothing and `base * 2^n`, at most `max_backoff`: full jitter,
/// so that clients which failed together do not come back together. It is never shorter than the server's `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many attempts follow the first. 2.
    pub max_retries: u32,
    /// What the first wait is drawn from. 0.5 s.
    pub base: Duration,
    /// What no wait is drawn beyond. 8 s.
    pub max_backoff: Duration,
    /// What all waits together stay within. 60 s. A wait beyond what is left of it, `Retry-After` or backoff, ends the call
    /// at once.
    pub max_total_wait: Duration,
    /// Also try again where the server may have read the request: 500, 502 and 504 for `continue`, and connections lost or
    /// heads that did not come in time for both. Off: a repeated `continue` may put the question into the history
    /// twice, a repeated `create` may leave a session nobody uses.
    pub ambiguous: bool,
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
