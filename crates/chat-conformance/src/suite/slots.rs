//! A counting semaphore.

use std::sync::{Condvar, Mutex, PoisonError};

/// A number of slots that threads wait for.
pub(crate) struct Slots {
    free: Mutex<usize>,
    released: Condvar,
}

impl Slots {
    pub(crate) const fn new(slots: usize) -> Self {
        Self { free: Mutex::new(slots), released: Condvar::new() }
    }

    /// Waits for a slot, and holds it until the guard is dropped.
    pub(crate) fn acquire(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.released.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

/// A slot that is held.
pub(crate) struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.released.notify_one();
    }
}
