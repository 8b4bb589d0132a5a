//! The `Transport` on compio.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_client::driver::{FromSettings, TransportError, TransportSettings};
use chat_client::{Error, Transport};
use chat_http1::{Connector, Engine, SendError, Stream};
use http::{Request, Response};

use super::runtime::Compio;
use super::socket::Socket;

pub(crate) type AnswerBody = chat_http1::AnswerBody<Stream<Socket>>;

/// A transport for one thread. Create it inside of a compio runtime.
pub(crate) struct CompioTransport {
    engine: Engine<Connector<Compio>>,
    origin: Instant,
}

impl CompioTransport {
    pub(crate) fn new(connector: Connector<Compio>) -> Self {
        let engine = Engine::new(connector);
        compio::runtime::spawn(engine.close_idle(compio::time::sleep)).detach();
        Self { engine, origin: Instant::now() }
    }
}

impl FromSettings for CompioTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::new(Connector::from_settings(Compio, settings)?))
    }
}

impl Transport for CompioTransport {
    type Send = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, SendError>>>>;
    type Body = AnswerBody;
    type Error = SendError;
    type Sleep = Pin<Box<dyn Future<Output = ()>>>;

    const PRODUCT: &'static str = "compio-example/0.1.0";

    fn send(&self, request: Request<Bytes>) -> Self::Send {
        Box::pin(self.engine.send(request))
    }

    fn drain(&self, body: Pin<Box<AnswerBody>>) {
        Pin::into_inner(body).drain();
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Self::Sleep {
        Box::pin(compio::time::sleep(deadline.saturating_sub(self.now())))
    }

    fn seed(&self) -> u64 {
        RandomState::new().hash_one(0u8)
    }

    fn classify(error: &SendError) -> TransportError {
        error.class()
    }
}
