//! What a runtime has to bring.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{Error, Source, TransportError};
use http::Uri;
use rustls_pki_types::CertificateDer;

/// The I/O and the time that a [`Client`](crate::Client) runs on.
///
/// Nothing here asks for `Send`: a [`Reply`](crate::Reply) is `Send` where the transport's parts are.
///
/// A transport sends what it is given as it is: it follows no redirect, repeats no request that a server may have read
/// (one that is handed back unsent may go out again on another connection), decodes no content, and keeps no clock but
/// the connect timeout. What a wire wants besides is added here: a request's URI is absolute, and it has neither `Host`
/// nor `Content-Length`. Interim answers, such as 103, are skipped. Dropping a `Send` or a `Body` closes or resets what
/// it runs on unless the answer was whole.
pub trait Transport {
    /// The future of an answer's head.
    type Send: Future<Output = Result<http::Response<Self::Body>, Self::Error>>;
    /// The body of an answer. It ends without an error only where its framing says that it is whole.
    type Body: http_body::Body<Data = Bytes, Error: Into<Source>>;
    /// Why there is no head.
    type Error: Into<Source>;
    /// The future of a moment.
    type Sleep: Future<Output = ()>;

    /// Name and version for `User-Agent`, such as `transport-hyper/0.1.0`.
    const PRODUCT: &'static str;

    /// Sends one request.
    fn send(&self, request: http::Request<Bytes>) -> Self::Send;

    /// The time: monotonic, from any origin.
    fn now(&self) -> Duration;

    /// Sleeps until [`now`](Self::now) is `deadline` or later.
    fn sleep_until(&self, deadline: Duration) -> Self::Sleep;

    /// A number that other clients are not likely to have at the same time. It spreads retries and need not be secret.
    fn seed(&self) -> u64;

    /// Sorts an error. Whoever is unsure says [`TransportError::MaybeSent`].
    fn classify(error: &Self::Error) -> TransportError;
}

/// Settings that only a transport can act on.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TransportSettings {
    /// How long a connection may take to come about: name, TCP, proxy and TLS. `None` is for ever. When it is over, the
    /// error is classified as [`TransportError::ConnectTimeout`].
    pub connect_timeout: Option<Duration>,
    /// The base URL of the client that the transport is made for, if there is one: what is wrong with a setting for this
    /// server, such as its proxy, can be told at once. Requests may go elsewhere all the same.
    pub base_url: Option<Uri>,
    /// Certificates of CAs to trust beside the default ones.
    pub root_certificates: Vec<CertificateDer<'static>>,
}

/// A transport that can be made from settings alone, so that [`Client::builder`](crate::Client::builder) needs no more.
pub trait FromSettings: Transport + Sized {
    /// Makes the transport.
    ///
    /// # Errors
    ///
    /// As the transport says: no certificate roots, say.
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error>;
}
