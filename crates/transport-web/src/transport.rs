//! The [`Transport`] on fetch.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::{DRAIN_TIME, FromSettings, TransportError, TransportSettings};
use chat_client::{Error, Transport};
use http::Response;
use wasm_bindgen_futures::spawn_local;

use crate::body::{self, AnswerBody};
use crate::error::FetchError;
use crate::fetch;
use crate::time::{Sleep, now};

/// [`Transport`] on fetch, for browsers, workers, Node and Deno.
///
/// It has no settings, because fetch has none. Its methods panic outside of JavaScript.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct WebTransport {}

impl FromSettings for WebTransport {
    /// Creates the transport. The connect timeout has no effect: fetch does not tell when it has connected.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest) if there are root certificates.
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        if settings.root_certificates.is_empty() {
            return Ok(Self::default());
        }
        let reason = "fetch trusts the certificates of its platform only; add them to the browser or the system, in Node \
            with NODE_EXTRA_CA_CERTS";
        Err(Error::invalid_request("root_certificates", reason))
    }
}

/// The future of an answer's head. Nothing is sent before it is polled, and dropping it aborts the fetch.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, FetchError>>>>;

impl Transport for WebTransport {
    type Send = Sending;
    type Body = AnswerBody;
    type Error = FetchError;
    type Sleep = Sleep;

    const PRODUCT: &'static str = concat!("transport-web/", env!("CARGO_PKG_VERSION"));

    fn send(&self, request: http::Request<Bytes>) -> Sending {
        Box::pin(fetch::send(request))
    }

    fn drain(&self, body: Pin<Box<AnswerBody>>) {
        spawn_local(body::drain(body, Sleep::until(now().saturating_add(DRAIN_TIME))));
    }

    fn now(&self) -> Duration {
        now()
    }

    fn sleep_until(&self, deadline: Duration) -> Sleep {
        Sleep::until(deadline)
    }

    fn seed(&self) -> u64 {
        // 52 random bits at the least.
        js_sys::Math::random().to_bits()
    }

    fn classify(error: &FetchError) -> TransportError {
        error.class()
    }
}
