//! Ending a call from another thread.

use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::dial::News;
use crate::socket::left_until;

/// Ends a call that another thread waits in, at once: while it connects, sends, reads, or waits for its next attempt.
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
pub struct Canceller(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    waiting: Waiting,
}

/// What a call waits for, which is what has to end for the call to end.
#[derive(Debug, Default)]
pub(crate) enum Waiting {
    /// Nothing, or the condition variable.
    #[default]
    Here,
    /// A connection.
    News(Sender<News>),
    /// A socket. It is weak, so that dropping the connection closes it.
    Socket(Weak<TcpStream>),
}

impl Canceller {
    /// Ends the call. It does not wait for that, nor does it block, so it may be called from a signal handler's thread.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        state.end_wait();
        self.0.changed.notify_all();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// What is waited for from now on. It is ended at once if the call was cancelled already.
    pub(crate) fn waits_for(&self, waiting: Waiting) {
        let mut state = self.lock();
        state.waiting = waiting;
        if state.cancelled {
            state.end_wait();
        }
    }

    /// Lets go of what was waited for. Whether it is unharmed.
    pub(crate) fn let_go(&self) -> bool {
        let mut state = self.lock();
        state.waiting = Waiting::Here;
        !state.cancelled
    }

    /// Sleeps until then, or the cancellation.
    pub(crate) fn sleep_until(&self, deadline: Option<Instant>) {
        let state = self.lock();
        let unless_cancelled = |state: &mut State| !state.cancelled;
        // Nothing here panics while it holds the lock, and the caller looks at the clock by itself.
        match left_until(deadline) {
            Some(left) => drop(self.0.changed.wait_timeout_while(state, left, unless_cancelled)),
            None => drop(self.0.changed.wait_while(state, unless_cancelled)),
        }
    }

    /// The state is valid after each assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end_wait(&self) {
        match &self.waiting {
            Waiting::Here => {}
            // Nobody listens any more, or the socket is closed: then there is no wait to end.
            Waiting::News(sender) => drop(sender.send(News::Cancelled)),
            Waiting::Socket(tcp) => drop(tcp.upgrade().map(|tcp| tcp.shutdown(Shutdown::Both))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sleep_lasts_until_its_deadline_or_the_cancellation() {
        let canceller = Canceller::default();
        let begun = Instant::now();
        canceller.sleep_until(begun.checked_add(Duration::from_millis(20)));
        assert!(begun.elapsed() >= Duration::from_millis(20), "{:?}", begun.elapsed());
        // These would hang.
        let waits = canceller.clone();
        let sleeper = thread::spawn(move || waits.sleep_until(None));
        canceller.cancel();
        sleeper.join().unwrap();
        canceller.sleep_until(begun.checked_add(Duration::from_secs(3600)));
    }
}
