//! The [`Transport`] over surf.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_client::driver::{FromSettings, TransportError, TransportSettings};
use chat_client::{Error, Transport};
use chat_http1::{Connector, rustls};
use http::Response;

use crate::backend::Backend;
use crate::body::AnswerBody;
use crate::convert::{answer_from, request_into};
use crate::runtime::AsyncStd;
use crate::send_error::{Reason, SendError, classify};

/// [`Transport`] over a [`surf::Client`].
#[derive(Clone, Debug)]
pub struct AsyncStdTransport {
    client: surf::Client,
    lost_values: Arc<AtomicU64>,
    origin: Instant,
}

impl AsyncStdTransport {
    /// Creates a transport with your own TLS configuration, for example with other roots, a client certificate, or another
    /// cryptography provider. The ALPN protocols are replaced: only HTTP/1.1 is offered. The proxies are those of the
    /// environment.
    ///
    /// # Errors
    ///
    /// The errors of [`Backend::with_tls`].
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Result<Self, Error> {
        Ok(Self::with_client(surf::Client::with_http_client(Backend::with_tls(settings, tls)?)))
    }

    /// Creates a transport with your own connector, for example with another proxy or without one.
    ///
    /// ```no_run
    /// use transport_async_std::{AsyncStd, AsyncStdTransport, Client, Connector, Proxy, tls};
    ///
    /// # fn main() -> Result<(), transport_async_std::Error> {
    /// let client = Client::builder().env().build_with(|settings| {
    ///     let connector = Connector::new(AsyncStd, tls::config([], None)?, settings.connect_timeout);
    ///     Ok(AsyncStdTransport::with_connector(connector.via(Proxy::url("http://proxy.example:3128")?)?))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_connector(connector: Connector<AsyncStd>) -> Self {
        Self::with_client(surf::Client::with_http_client(Backend::with_connector(connector)))
    }

    /// Creates a transport with your own client, its middleware and its backend.
    ///
    /// Middleware sees the API key, in `Authorization`. The [crate page](crate) has a table of the limitations of stock
    /// backends. The transport can't enforce a connect timeout for them; the timeout for the head applies. For a
    /// [`Backend`](crate::Backend) with middleware it does.
    pub fn with_client(client: surf::Client) -> Self {
        Self { client, lost_values: Arc::default(), origin: Instant::now() }
    }

    /// The number of header values that surf has lost, for this transport and its clones.
    ///
    /// http-types supports only ASCII values. With the transport's own backend, extensions carry the others. They are lost only
    /// if middleware drops the extensions, for example by cloning a request.
    pub fn lost_header_values(&self) -> u64 {
        self.lost_values.load(Ordering::Relaxed)
    }
}

impl FromSettings for AsyncStdTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::with_client(surf::Client::with_http_client(Backend::new(settings)?)))
    }
}

/// The future of an answer's head.
type Sending = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, SendError>> + Send>>;

impl Transport for AsyncStdTransport {
    type Send = Sending;
    type Body = AnswerBody;
    type Error = SendError;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    const PRODUCT: &'static str = concat!("transport-async-std/", env!("CARGO_PKG_VERSION"));

    fn send(&self, request: http::Request<Bytes>) -> Sending {
        let Self { client, lost_values, .. } = self.clone();
        Box::pin(async move {
            let (request, carried) = request_into(request).map_err(|error| SendError(Reason::Convert(error)))?;
            let answer = client.send(request).await.map_err(SendError::from)?;
            let mut answer = answer_from(answer.into());
            if !answer.request_was_complete {
                answer.lost += carried;
            }
            lost_values.fetch_add(answer.lost as u64, Ordering::Relaxed);
            let (head, body) = AnswerBody::split(answer);
            Ok(Response::from_parts(head, body))
        })
    }

    fn drain(&self, body: Pin<Box<AnswerBody>>) {
        Pin::into_inner(body).drain();
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Self::Sleep {
        Box::pin(async_std::task::sleep(deadline.saturating_sub(self.now())))
    }

    fn seed(&self) -> u64 {
        // The random keys of hash maps are the only randomness in the standard library.
        RandomState::new().hash_one(0u8)
    }

    fn classify(error: &SendError) -> TransportError {
        classify(error)
    }
}
