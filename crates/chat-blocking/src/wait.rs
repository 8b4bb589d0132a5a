//! Waiting on the caller's thread.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Timer;
use polling::Poller;
use transport_smol::Error;

/// Polls until something is ready. The thread waits for sockets and timers itself, with async-io.
///
/// # Errors
///
/// [`Connect`](transport_smol::ErrorKind::Connect) if async-io can't start. Nothing is polled then.
pub(crate) fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Error> {
    start()?;
    // Each `block_on` wakes async-io's thread when it ends. What is ready already needs none.
    Ok(match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => async_io::block_on(poll_fn(poll)),
    })
}

/// Starts async-io, which panics if it can't open what it waits with: when no descriptor is left, say.
fn start() -> Result<(), Error> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    static STARTING: Mutex<()> = Mutex::new(());
    if STARTED.load(Ordering::Acquire) {
        return Ok(());
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if !STARTED.load(Ordering::Acquire) {
        Poller::new().map_err(|error| Error::connect().with_source(error))?;
        // A timer that is polled opens the same again, before a socket takes the descriptors.
        let mut timer = Timer::after(Duration::from_secs(60));
        let _ = Pin::new(&mut timer).poll(&mut Context::from_waker(Waker::noop()));
        STARTED.store(true, Ordering::Release);
    }
    Ok(())
}
