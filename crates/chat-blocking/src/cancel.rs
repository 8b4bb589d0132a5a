//! Ending a call from another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Ends a call that another thread waits in, at once: while it gets its key, connects, sends, reads, or waits for its next
/// attempt.
///
/// Made by [`Reply::canceller`](crate::Reply::canceller), any number of times, before or during the call. The call's next item
/// is then an error, [`Cancelled`](crate::ErrorKind::Cancelled), with what had come. A call that is over is left alone.
///
/// ```no_run
/// # fn on_ctrl_c(_: impl FnOnce()) {}
/// # fn ask(client: &chat_blocking::Client) -> Result<(), chat_blocking::Error> {
/// let reply = client.default_session()?.ask("What is a chunk?");
/// let canceller = reply.canceller();
/// on_ctrl_c(move || canceller.cancel());
/// for event in reply {
///     print!("{}", event?.text().unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    /// Wakes the thread that waits.
    waker: Option<Waker>,
}

impl Canceller {
    /// Ends the call. It does not wait for the end.
    pub fn cancel(&self) {
        let waker = {
            let mut state = self.lock();
            state.is_cancelled = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready once the call is cancelled.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_cancelled {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The state is valid after each assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
