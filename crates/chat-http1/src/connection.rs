//! One connection: hyper's two halves, kept together.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};

use crate::guard::{Guard, Seen};

/// The most bytes that the head of an answer may have. hyper reads no more than this at once.
pub(crate) const MAX_HEAD: usize = 128 << 10;

/// The most headers that it may have: hyper's own limit.
pub(crate) const MAX_HEADERS: usize = 100;

/// A connection that does what it is polled for, and is closed when it is dropped.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    pub(crate) driver: Driver,
    pub(crate) seen: Arc<Seen>,
}

impl Connection {
    pub(crate) async fn open<Io>(io: Io) -> hyper::Result<Self>
    where
        Io: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let (io, seen) = Guard::new(io);
        let (sender, moving) =
            http1::Builder::new().max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD).handshake(io).await?;
        // Why a connection ended is told to whoever waits for an answer on it.
        let driver = Driver::new(Box::pin(async move { drop(moving.await) }), Arc::clone(&seen));
        Ok(Self { sender, driver, seen })
    }

    /// Whether another request may go out on it, as far as can be told without waiting: the last one is out, and the peer
    /// has not closed.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.driver.step();
        if self.seen.takes_yield() {
            self.driver.step();
        }
        self.driver.moving.is_some() && self.sender.is_ready() && self.seen.is_sent()
    }
}

/// What moves the bytes, until the connection ends.
pub(crate) struct Driver {
    moving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    bell: Arc<Bell>,
    waker: Waker,
    seen: Arc<Seen>,
}

/// How often the connection is moved in one poll while the bell rings and nothing comes of it. Once is the rule.
const TURNS: usize = 8;

impl Driver {
    fn new(moving: Pin<Box<dyn Future<Output = ()> + Send>>, seen: Arc<Seen>) -> Self {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(Arc::clone(&bell));
        Self { moving: Some(moving), bell, waker, seen }
    }

    /// Polls for what comes of the connection, which is moved while that is pending.
    ///
    /// The two ends wake each other whenever one takes what the other gave. Both are polled here, so that such a wake
    /// would only have the task polled once more, for nothing, after every event. Hence the bell: a ring reaches the
    /// task only while it waits.
    ///
    /// A peer that sends without a pause does not keep other tasks from running: after some reads this is pending, and the
    /// task is woken.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        for _ in 0..TURNS {
            if let Poll::Ready(ready) = wanted(&mut Context::from_waker(&self.waker)) {
                return Poll::Ready(ready);
            }
            self.step();
            if self.seen.takes_yield() {
                break;
            }
            if self.bell.connect(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what can be moved. What rings from here on is new.
    fn step(&mut self) {
        self.bell.set(State::Quiet);
        if let Some(moving) = &mut self.moving
            && moving.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready()
        {
            self.moving = None;
        }
    }
}

/// The waker of the connection and of what comes of it.
#[derive(Default)]
struct Bell(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Quiet,
    Rung,
    /// Rings for a task that waits.
    Connected(Waker),
}

impl Bell {
    /// Has it ring for a task; not if it has rung since it was quiet.
    fn connect(&self, waker: &Waker) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Rung) {
            return false;
        }
        *state = State::Connected(waker.clone());
        true
    }

    /// The state before. It is dropped, or woken, by the caller: a waker may do anything, and not under the lock.
    fn set(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let State::Connected(waker) = self.set(State::Rung) {
            waker.wake();
        }
    }
}
