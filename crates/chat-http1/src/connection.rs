//! One connection: hyper's two halves, kept together.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use chat_net::MAX_HEAD;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};

use crate::io::{GuardedIo, Io, IoStatus};
use crate::rest::Rest;

/// A connection that makes progress only while it is polled. Dropping it closes it.
pub(crate) struct Connection<T: Io> {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    pub(crate) driver: Driver<T>,
    pub(crate) status: Arc<IoStatus>,
    /// The rest of the last answer, if it must be read before the next request.
    pub(crate) rest: Option<Rest>,
}

impl<T: Io> Connection<T> {
    pub(crate) async fn open(io: T) -> hyper::Result<Self> {
        let (io, status) = GuardedIo::new(io);
        let mut builder = http1::Builder::new();
        let (sender, connection) =
            builder.max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD).handshake::<_, Full<Bytes>>(io).await?;
        let driver = Driver::new(Box::new(connection), Arc::clone(&status));
        Ok(Self { sender, driver, status, rest: None })
    }

    /// Whether another request can be sent, as far as this can be told without waiting: the last request is sent, its answer
    /// is read, and the peer has not closed. Pending if the end of the answer has not arrived.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if let Some(rest) = &mut self.rest {
            let has_ended = ready!(rest.poll(cx, &mut self.driver));
            if !has_ended {
                return Poll::Ready(false);
            }
            self.rest = None;
        }
        self.driver.step();
        if self.status.takes_yield() {
            self.driver.step();
        }
        Poll::Ready(self.driver.connection.is_some() && self.sender.is_ready() && self.status.is_sent())
    }
}

/// The half of a connection that does the I/O.
pub(crate) struct Driver<T: Io> {
    /// `None` once the connection has ended.
    connection: Option<Box<http1::Connection<GuardedIo<T>, Full<Bytes>>>>,
    notify: Arc<Notify>,
    /// `notify` as a waker.
    waker: Waker,
    status: Arc<IoStatus>,
}

/// Maximum number of steps in one poll. Usually one is enough.
const MAX_STEPS: usize = 8;

impl<T: Io> Driver<T> {
    fn new(connection: Box<http1::Connection<GuardedIo<T>, Full<Bytes>>>, status: Arc<IoStatus>) -> Self {
        let notify = Arc::<Notify>::default();
        let waker = Waker::from(Arc::clone(&notify));
        Self { connection: Some(connection), notify, waker, status }
    }

    /// Polls a future or stream that needs the connection. While it is pending, the connection is polled too.
    ///
    /// hyper's two halves wake each other when one takes what the other provided. Both are polled here, so such a wake would
    /// only make the task poll once more for nothing, after every event. [`Notify`] therefore wakes the task only while it
    /// waits.
    ///
    /// A peer that sends without a pause does not keep other tasks from running: after some reads this returns pending and
    /// wakes the task.
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        for _ in 0..MAX_STEPS {
            if let Poll::Ready(ready) = poll(&mut Context::from_waker(&self.waker)) {
                return Poll::Ready(ready);
            }
            self.step();
            if self.status.takes_yield() {
                break;
            }
            if self.notify.register(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls like [`poll`](Self::poll), for a caller that may not wait. If the first poll only let other tasks run, the second
    /// one continues.
    pub(crate) fn poll_now<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        match self.poll(cx, &mut poll) {
            Poll::Pending => self.poll(cx, poll),
            ready => ready,
        }
    }

    /// Polls the connection once. Clears the notification first.
    fn step(&mut self) {
        self.notify.set(State::Idle);
        // The reason why a connection ended reaches the future that waits for an answer on it.
        if let Some(connection) = &mut self.connection
            && Pin::new(&mut **connection).poll(&mut Context::from_waker(&self.waker)).is_ready()
        {
            self.connection = None;
        }
    }
}

/// The waker for both halves of the connection. It wakes the task that reads the answer only while that task waits.
#[derive(Default)]
struct Notify(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Notified,
    /// The task that waits.
    Waiting(Waker),
}

impl Notify {
    /// Registers a task that waits. Returns false if there was a notification since the last step.
    fn register(&self, waker: &Waker) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Notified) {
            return false;
        }
        *state = State::Waiting(waker.clone());
        true
    }

    /// Returns the previous state. The caller drops or wakes it outside of the lock, because a waker may run any code.
    fn set(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let State::Waiting(waker) = self.set(State::Notified) {
            waker.wake();
        }
    }
}
