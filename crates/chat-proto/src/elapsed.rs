//! Time as the core sees it: an argument, never a clock.

use std::ops::Add;
use std::time::Duration;

/// A point in time: the time since the start of the exchange, on the driver's monotonic clock.
///
/// It counts nanoseconds in 64 bits, which is enough for 584 years. Longer times are cut to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elapsed(u64);

impl Elapsed {
    /// The start of the exchange.
    pub const START: Self = Self(0);

    /// This long after the start.
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(nanos(elapsed))
    }

    /// This many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The time since the start.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time since `earlier`. Zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The nanoseconds since `earlier`. Zero if `earlier` is later.
    #[inline]
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The end of a period in nanoseconds that starts now. Saturates at the largest value.
    #[inline]
    pub(crate) const fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// Saturates at the largest value.
impl Add<Duration> for Elapsed {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

/// The duration in nanoseconds. Saturates at the largest value.
#[inline]
pub(crate) const fn nanos(duration: Duration) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    // Without 128 bits: this runs once per chunk.
    if duration.as_secs() >= u64::MAX / SECOND {
        return u64::MAX;
    }
    duration.as_secs() * SECOND + duration.subsec_nanos() as u64
}
