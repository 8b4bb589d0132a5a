//! Time as the core sees it: told, never asked for.

use std::ops::Add;
use std::time::Duration;

/// A moment, counted from the beginning of the exchange on the driver's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elapsed(Duration);

impl Elapsed {
    /// The beginning of the exchange.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment so long after the beginning.
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The moment so many milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// How long after the beginning it is.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier` it is; nothing if it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The end of a time that is set and begins now; `None` where nothing ends.
    pub(crate) fn end_of(self, time: Option<Duration>) -> Option<Self> {
        time.and_then(|time| self.0.checked_add(time)).map(Self)
    }
}

/// A sum past what a `Duration` holds is the largest that it does.
impl Add<Duration> for Elapsed {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}
