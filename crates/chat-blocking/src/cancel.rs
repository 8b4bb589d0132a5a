//! Cancels a call from another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Cancels a call while another thread waits for it.
///
/// Get one from [`Reply::canceller`](crate::Reply::canceller), before or during the call. The next item of the reply is then
/// the error [`Cancelled`](crate::ErrorKind::Cancelled) with the partial answer. The call ends at once, also while it gets
/// its key, connects, sends, reads, or waits for its next attempt. A call that has ended is not changed.
///
/// ```no_run
/// # fn on_ctrl_c(_: impl FnOnce()) {}
/// # fn ask(client: &chat_blocking::Client) -> Result<(), chat_blocking::Error> {
/// let reply = client.default_session()?.ask("What is a chunk?");
/// let canceller = reply.canceller();
/// on_ctrl_c(move || canceller.cancel());
/// for event in reply {
///     print!("{}", event?.text().unwrap_or_default());
///     let _ = std::io::Write::flush(&mut std::io::stdout());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    /// Waker of the thread that waits for the call.
    waker: Option<Waker>,
}

impl Canceller {
    /// Cancels the call. This method does not block.
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

    /// Polls whether the call is cancelled.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_cancelled {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Ignores poisoning: the state is valid after each assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
