//! Idle connections.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use chat_client::driver::DRAIN_TIME;
use http::Uri;
use http::uri::{Authority, Scheme};

use crate::connection::Connection;
use crate::io::Io;

/// Maximum number of idle connections. A client talks to one server and rarely makes more calls at once, and each
/// connection costs a socket on both sides.
const MAX_IDLE: usize = 32;

/// Maximum time that a connection stays idle. Servers and middleboxes usually wait longer, so they rarely close a
/// connection while a request is on its way.
pub(crate) const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// The server that a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Scheme, Authority);

impl Key {
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        Some(Self(uri.scheme()?.clone(), uri.authority()?.clone()))
    }
}

/// The idle connections of an engine.
pub(crate) struct Pool<T: Io> {
    state: Mutex<State<T>>,
    max_idle_time: Duration,
}

struct State<T: Io> {
    /// The connection that was used last is at the end.
    idle: Vec<Idle<T>>,
    /// The task that closes connections on time, if there is one.
    closing: Option<Waker>,
}

struct Idle<T: Io> {
    key: Key,
    connection: Connection<T>,
    since: Instant,
}

impl<T: Io> Idle<T> {
    /// The time until the connection is closed. `None` if its time is up.
    fn time_left(&self, max_idle_time: Duration) -> Option<Duration> {
        let max = if self.connection.rest.is_some() { max_idle_time.min(DRAIN_TIME) } else { max_idle_time };
        max.checked_sub(self.since.elapsed()).filter(|left| !left.is_zero())
    }

    /// The time until the connection is closed, after a read of the rest of an answer. That is at most
    /// [`DRAIN_BYTES`](chat_client::driver::DRAIN_BYTES). The task is woken when more arrives.
    fn time_left_after_read(&mut self, cx: &mut Context<'_>, max_idle_time: Duration) -> Option<Duration> {
        if self.connection.rest.is_some() && self.connection.poll_ready(cx) == Poll::Ready(false) {
            return None;
        }
        self.time_left(max_idle_time)
    }
}

impl<T: Io> Pool<T> {
    pub(crate) fn new(max_idle_time: Duration) -> Self {
        Self { state: Mutex::new(State { idle: Vec::new(), closing: None }), max_idle_time }
    }

    /// Takes the usable connection that was used last.
    pub(crate) fn take(&self, key: &Key) -> Option<Connection<T>> {
        loop {
            let (old, idle) = {
                let idle = &mut self.lock().idle;
                let old: Vec<_> = idle.extract_if(.., |idle| idle.time_left(self.max_idle_time).is_none()).collect();
                let at = idle.iter().rposition(|idle| idle.key == *key);
                (old, at.map(|at| idle.remove(at)))
            };
            // Closing a connection may wake the task that reads from it, and the check may read. Both run without the lock.
            drop(old);
            let mut idle = idle?;
            // The check finds out if the server closed the connection meanwhile.
            if is_ready_now(&mut idle.connection) == Poll::Ready(true) {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection that is ready, or may become so. If the pool is full, the connection that has been idle the longest is
    /// closed.
    pub(crate) fn put(&self, key: Key, mut connection: Connection<T>) {
        if self.max_idle_time.is_zero() || is_ready_now(&mut connection) == Poll::Ready(false) {
            return;
        }
        let is_draining = connection.rest.is_some();
        let (oldest, closing) = {
            let State { idle, closing } = &mut *self.lock();
            let oldest = (idle.len() == MAX_IDLE).then(|| idle.remove(0));
            idle.push(Idle { key, connection, since: Instant::now() });
            (oldest, if idle.len() == 1 || is_draining { closing.take() } else { None })
        };
        drop(oldest);
        closing.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().idle.len()
    }

    /// Reads the rest of answers, closes the connections whose time is up, and returns the time until the next one is due. The
    /// task is woken when more of a rest arrives, when the pool gets a connection that may be due earlier, and when the pool is
    /// dropped.
    fn close_old(&self, cx: &mut Context<'_>) -> Option<Duration> {
        let State { idle, closing } = &mut *self.lock();
        *closing = Some(cx.waker().clone());
        let mut next: Option<Duration> = None;
        idle.retain_mut(|idle| {
            let left = idle.time_left_after_read(cx, self.max_idle_time);
            next = next.into_iter().chain(left).min();
            left.is_some()
        });
        next
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Io> Drop for Pool<T> {
    fn drop(&mut self) {
        let closing = self.state.get_mut().unwrap_or_else(PoisonError::into_inner).closing.take();
        closing.into_iter().for_each(Waker::wake);
    }
}

/// Whether a connection can be used, for a caller that does not wait.
fn is_ready_now<T: Io>(connection: &mut Connection<T>) -> Poll<bool> {
    connection.poll_ready(&mut Context::from_waker(Waker::noop()))
}

/// Closes connections when their time is up, until the pool is dropped.
pub(crate) async fn close_on_time<T, F>(pool: Weak<Pool<T>>, sleep: impl Fn(Duration) -> F)
where
    T: Io,
    F: Future<Output = ()>,
{
    let mut sleeping: Option<Pin<Box<F>>> = None;
    poll_fn(|cx| {
        loop {
            let Some(pool) = pool.upgrade() else { return Poll::Ready(()) };
            // A wake may come before the time of the last sleep, because another connection is due earlier.
            sleeping = pool.close_old(cx).map(|next| Box::pin(sleep(next)));
            match &mut sleeping {
                Some(sleeping) => ready!(sleeping.as_mut().poll(cx)),
                None => return Poll::Pending,
            }
        }
    })
    .await;
}
