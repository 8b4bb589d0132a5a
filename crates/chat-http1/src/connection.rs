//! One connection: hyper's two halves, kept together.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

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
        let driver = Box::pin(async move { drop(driver.await) });
        Ok(Self { sender, driver: Driver(Some(driver)) })
    }

    /// Whether another request may go out on it, as far as can be told without waiting.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.driver.poll(&mut Context::from_waker(Waker::noop()));
        self.driver.0.is_some() && self.sender.is_ready()
    }
}

/// What moves the bytes, until the connection ends.
pub(crate) struct Driver(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Driver {
    /// Moves what can be moved.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.0
            && driver.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}
