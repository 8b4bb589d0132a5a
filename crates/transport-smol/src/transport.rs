//! The [`Transport`] on async-io.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use async_net::TcpStream;
use bytes::Bytes;
use chat_client::driver::{FromSettings, TransportError, TransportSettings};
use chat_client::{Error, Transport};
use chat_http1::{Connector, Engine, SendError, Stream, rustls};
use http::Response;

use crate::runtime::AsyncIo;

/// [`Transport`] on async-io, for smol, async-std, a plain `block_on`, or any other executor.
#[derive(Clone)]
pub struct SmolTransport {
    engine: Engine<Connector<AsyncIo>>,
    origin: Instant,
}

impl SmolTransport {
    /// Creates a transport with your own TLS configuration, for example with other roots, a client certificate, or another
    /// cryptography provider. The ALPN protocols are replaced: only HTTP/1.1 is offered. The proxies are those of the
    /// environment.
    ///
    /// # Errors
    ///
    /// The errors of [`Connector::with_tls`].
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Result<Self, Error> {
        Ok(Self::with_connector(Connector::with_tls(AsyncIo, tls, settings)?))
    }

    /// Creates a transport with your own connector, for example with another proxy or without one.
    ///
    /// ```no_run
    /// use transport_smol::{AsyncIo, Client, Connector, Proxy, SmolTransport, tls};
    ///
    /// # fn main() -> Result<(), transport_smol::Error> {
    /// let client = Client::builder().env().build_with(|settings| {
    ///     let connector = Connector::new(AsyncIo, tls::config([], None)?, settings.connect_timeout);
    ///     Ok(SmolTransport::with_connector(connector.via(Proxy::url("http://proxy.example:3128")?)?))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_connector(connector: Connector<AsyncIo>) -> Self {
        let engine = Engine::new(connector);
        run_when_woken(engine.close_idle(|time| async move { _ = Timer::after(time).await }));
        Self { engine, origin: Instant::now() }
    }
}

/// Runs a future without an executor: each wake polls it at once, on the thread that wakes. For timers, that is async-io's.
fn run_when_woken(future: impl Future<Output = ()> + Send + 'static) {
    let run = |runnable: async_task::Runnable| _ = runnable.run();
    let (runnable, task) = async_task::spawn(future, run);
    task.detach();
    runnable.run();
}

impl FromSettings for SmolTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::with_connector(Connector::from_settings(AsyncIo, settings)?))
    }
}

impl fmt::Debug for SmolTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmolTransport").finish_non_exhaustive()
    }
}

/// The body of an answer.
pub type AnswerBody = chat_http1::AnswerBody<Stream<TcpStream>>;

/// The future of an answer's head. Nothing is sent before it is polled.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, SendError>> + Send>>;

impl Transport for SmolTransport {
    type Send = Sending;
    type Body = AnswerBody;
    type Error = SendError;
    type Sleep = Sleep;

    const PRODUCT: &'static str = concat!("transport-smol/", env!("CARGO_PKG_VERSION"));

    fn send(&self, request: http::Request<Bytes>) -> Sending {
        Box::pin(self.engine.send(request))
    }

    fn drain(&self, body: Pin<Box<AnswerBody>>) {
        Pin::into_inner(body).drain();
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Sleep {
        // A deadline that `Instant` can't represent is never reached.
        Sleep(self.origin.checked_add(deadline).map_or_else(Timer::never, Timer::at))
    }

    fn seed(&self) -> u64 {
        // The random keys of hash maps are the only randomness in the standard library.
        RandomState::new().hash_one(0u8)
    }

    fn classify(error: &SendError) -> TransportError {
        error.class()
    }
}

/// Timer future.
#[derive(Debug)]
pub struct Sleep(Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
