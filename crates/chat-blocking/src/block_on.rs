//! Blocks the caller's thread.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Timer;
use polling::Poller;
use transport_smol::Error;

/// Blocks until `poll` is ready. The caller's thread drives sockets and timers itself, with async-io.
///
/// # Errors
///
/// [`Connect`](transport_smol::ErrorKind::Connect) if async-io can't start. `poll` is not called then.
pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Error> {
    start_async_io()?;
    // `async_io::block_on` wakes async-io's thread when it ends. Avoid that if the result is ready.
    Ok(match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => async_io::block_on(poll_fn(poll)),
    })
}

/// Starts async-io. async-io panics if it can't open its poller, e.g. because there is no free file descriptor, so this opens
/// a poller first.
fn start_async_io() -> Result<(), Error> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    static START_LOCK: Mutex<()> = Mutex::new(());
    if STARTED.load(Ordering::Acquire) {
        return Ok(());
    }
    let _guard = START_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if !STARTED.load(Ordering::Acquire) {
        Poller::new().map_err(|error| Error::connect().with_source(error))?;
        // Polling a timer starts async-io now, before other code uses up the descriptors.
        let mut timer = Timer::after(Duration::from_secs(60));
        let _ = Pin::new(&mut timer).poll(&mut Context::from_waker(Waker::noop()));
        STARTED.store(true, Ordering::Release);
    }
    Ok(())
}
