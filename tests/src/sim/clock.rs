//! Time that stands still until somebody moves it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A clock and the alarms that are set on it. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    set: BTreeMap<(Duration, u64), Waker>,
    alarms: u64,
}

impl VirtualClock {
    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        self.0.borrow().now
    }

    /// An alarm, set once it is polled.
    pub fn alarm(&self, at: Duration) -> Alarm {
        let mut inner = self.0.borrow_mut();
        inner.alarms += 1;
        Alarm { clock: self.clone(), key: (at, inner.alarms) }
    }

    /// When the next alarm is due.
    pub fn next_alarm(&self) -> Option<Duration> {
        self.0.borrow().set.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves on to a time that is not in the past and wakes whom it is due for.
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

/// The future of a moment. Dropping it takes the alarm off the clock.
#[derive(Debug)]
#[must_use = "an alarm is not set before it is polled"]
pub struct Alarm {
    clock: VirtualClock,
    key: (Duration, u64),
}

impl Future for Alarm {
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

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clock.0.borrow_mut().set.remove(&self.key);
    }
}
