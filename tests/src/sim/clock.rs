//! A virtual clock with timers. Its time changes only when it is advanced.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A virtual clock and its timers. Clones share the clock.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    set: BTreeMap<(Duration, u64), Waker>,
    created: u64,
}

impl VirtualClock {
    /// Returns the time since the start.
    pub fn now(&self) -> Duration {
        self.0.borrow().now
    }

    /// Creates a timer. It is registered when it is first polled.
    pub fn timer(&self, at: Duration) -> Timer {
        let mut inner = self.0.borrow_mut();
        inner.created += 1;
        Timer { clock: self.clone(), key: (at, inner.created) }
    }

    /// Returns the deadline of the next timer.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.0.borrow().set.first_key_value().map(|((at, _), _)| *at)
    }

    /// Advances the clock to `at`, unless it is in the past, and wakes the timers that are due.
    pub fn advance_to(&self, at: Duration) {
        let due = {
            let mut inner = self.0.borrow_mut();
            inner.now = inner.now.max(at);
            let later = inner.set.split_off(&(at, u64::MAX));
            std::mem::replace(&mut inner.set, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

/// Timer future. Dropping it removes the timer from the clock.
#[derive(Debug)]
#[must_use = "a timer is not registered before it is polled"]
pub struct Timer {
    clock: VirtualClock,
    key: (Duration, u64),
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.clock.0.borrow_mut();
        if inner.now >= self.key.0 {
            return Poll::Ready(());
        }
        inner.set.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clock.0.borrow_mut().set.remove(&self.key);
    }
}
