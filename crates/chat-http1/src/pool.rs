//! Connections that wait to be used again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::connection::Connection;

/// The most connections that wait. A client talks to one server; more than this many calls at once are rare, and a
/// connection costs a socket on both sides.
const MAX_IDLE: usize = 32;

/// The longest that a connection waits: shorter than servers and the boxes between do, so that they seldom close it while a
/// request is on its way.
pub(crate) const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// The server at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(Scheme, Authority);

impl Origin {
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        Some(Self(uri.scheme()?.clone(), uri.authority()?.clone()))
    }
}

/// The connections, the one that was used last at the end.
pub(crate) struct Pool {
    state: Mutex<State>,
    max_idle_time: Duration,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// The task that closes connections on time, if there is one.
    closing: Option<Waker>,
}

struct Idle {
    origin: Origin,
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(max_idle_time: Duration) -> Self {
        Self { state: Mutex::default(), max_idle_time }
    }

    /// The connection that was used last, if there is one that may still be.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            // The lock is let go before the connection is asked: that may take a read.
            let mut idle = {
                let idle = &mut self.lock().idle;
                idle.retain(|idle| idle.since.elapsed() < self.max_idle_time);
                let at = idle.iter().rposition(|idle| idle.origin == *origin)?;
                idle.remove(at)
            };
            // A server that closed it while it waited has left that to be read.
            if idle.connection.is_ready() {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection, in place of the one that waits the longest if there is no more room.
    pub(crate) fn put(&self, origin: Origin, connection: Connection) {
        if self.max_idle_time.is_zero() {
            return;
        }
        let closing = {
            let State { idle, closing } = &mut *self.lock();
            if idle.len() == MAX_IDLE {
                idle.remove(0);
            }
            idle.push(Idle { origin, connection, since: Instant::now() });
            if idle.len() == 1 { closing.take() } else { None }
        };
        closing.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().idle.len()
    }

    /// Closes the connections whose time is up, and says when the next one's will be. The task is woken when the first
    /// connection after none comes, and when there is no pool any more.
    fn close_old(&self, waker: &Waker) -> Option<Duration> {
        let State { idle, closing } = &mut *self.lock();
        *closing = Some(waker.clone());
        idle.retain(|idle| idle.since.elapsed() < self.max_idle_time);
        idle.first().map(|oldest| self.max_idle_time.saturating_sub(oldest.since.elapsed()))
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let closing = self.lock().closing.take();
        closing.into_iter().for_each(Waker::wake);
    }
}

/// Closes connections when their time is up, for as long as there is the pool.
pub(crate) async fn close_on_time<F: Future<Output = ()>>(pool: Weak<Pool>, sleep: impl Fn(Duration) -> F) {
    let mut sleeping: Option<Pin<Box<F>>> = None;
    poll_fn(|cx| {
        loop {
            let Some(pool) = pool.upgrade() else { return Poll::Ready(()) };
            let Some(next) = pool.close_old(cx.waker()) else {
                sleeping = None;
                return Poll::Pending;
            };
            match sleeping.get_or_insert_with(|| Box::pin(sleep(next))).as_mut().poll(cx) {
                Poll::Ready(()) => sleeping = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}
