//! Connections that wait to be used again.

use std::sync::{Mutex, MutexGuard, PoisonError};
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
    idle: Mutex<Vec<Idle>>,
    max_idle_time: Duration,
}

struct Idle {
    origin: Origin,
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(max_idle_time: Duration) -> Self {
        Self { idle: Mutex::default(), max_idle_time }
    }

    /// The connection that was used last, if there is one that may still be.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            // The lock is let go before the connection is asked: that may take a read.
            let mut idle = {
                let mut all = self.lock();
                all.retain(|idle| idle.since.elapsed() < self.max_idle_time);
                let at = all.iter().rposition(|idle| idle.origin == *origin)?;
                all.remove(at)
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
        let mut all = self.lock();
        if all.len() == MAX_IDLE {
            all.remove(0);
        }
        all.push(Idle { origin, connection, since: Instant::now() });
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
