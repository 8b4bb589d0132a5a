//! The transport.

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
    /// A transport with a TLS configuration of your own: other roots, client certificates, another provider. Only HTTP/1.1
    /// is offered, whatever the configuration says. The proxies are those of the environment.
    ///
    /// # Errors
    ///
    /// Those of [`Backend::with_tls`].
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Result<Self, Error> {
        Ok(Self::with_client(surf::Client::with_http_client(Backend::with_tls(settings, tls)?)))
    }

    /// A transport over a connector of your own, for example with another proxy or without one.
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

    /// A transport over a client of one's own, with its middleware and its backend.
    ///
    /// A middleware sees the key, in `Authorization`. What the transport can make good of a stock backend, and what it can't,
    /// is in the table of the [crate page](crate). It can't enforce a connect timeout: that is the backend's own, and the
    /// clock for the head runs all the same. With a [`Backend`](crate::Backend) below, whatever the middleware, it does.
    pub fn with_client(client: surf::Client) -> Self {
        Self { client, lost_values: Arc::default(), origin: Instant::now() }
    }

    /// How many values of headers were lost on the way through surf, by this transport and its clones.
    ///
    /// http-types holds ASCII only. Over the transport's own backend the others travel beside, and nothing is lost unless a
    /// middleware drops the extensions, as a clone of a request does.
    pub fn lost_header_values(&self) -> u64 {
        self.lost_values.load(Ordering::Relaxed)
    }
}

impl FromSettings for AsyncStdTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::with_client(surf::Client::with_http_client(Backend::new(settings)?)))
    }
}

/// The future of an answer's head. surf's own has no name.
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
            let (request, beside) = request_into(request).map_err(|error| SendError(Reason::Unheld(error)))?;
            let answer = client.send(request).await.map_err(SendError::from)?;
            let mut answer = answer_from(answer.into());
            if !answer.request_was_whole {
                answer.lost += beside;
            }
            lost_values.fetch_add(answer.lost as u64, Ordering::Relaxed);
            let (head, body) = AnswerBody::split(answer);
            Ok(Response::from_parts(head, body))
        })
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Self::Sleep {
        Box::pin(async_std::task::sleep(deadline.saturating_sub(self.now())))
    }

    fn seed(&self) -> u64 {
        // Keys drawn at random for each map are what the standard library has of chance.
        RandomState::new().hash_one(0u8)
    }

    fn classify(error: &SendError) -> TransportError {
        classify(error)
    }
}
