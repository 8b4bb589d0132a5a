//! One connection: hyper's two halves, kept together.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};

/// A connection that does what it is polled for, and is closed when it is dropped.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    pub(crate) driver: Driver,
}

impl Connection {
    pub(crate) async fn open<Io>(io: Io) -> hyper::Result<Self>
    where
        Io: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let (sender, driver) = http1::handshake(io).await?;
        // Why a connection ended is told to whoever waits for an answer on it.
        Ok(Self { sender, driver: Driver::new(Box::pin(async move { drop(driver.await) })) })
    }

    /// Whether another request may go out on it, as far as can be told without waiting.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.driver.step();
        self.driver.moving.is_some() && self.sender.is_ready()
    }
}

/// What moves the bytes, until the connection ends.
pub(crate) struct Driver {
    moving: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// How often the connection is moved in one poll while the bell rings and nothing comes of it. Once is the rule.
const TURNS: usize = 8;

impl Driver {
    fn new(moving: Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(Arc::clone(&bell));
        Self { moving: Some(moving), bell, waker }
    }

    /// Polls for what comes of the connection, which is moved while that is pending.
    ///
    /// The two ends wake each other whenever one takes what the other gave. Both are polled here, so that such a wake
    /// would only have the task polled once more, for nothing, after every event. Hence the bell: a ring reaches the
    /// task only while it waits.
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
