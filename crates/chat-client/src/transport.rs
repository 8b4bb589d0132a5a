//! What a runtime has to bring.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{BoxError, Error, TransportError};
use http::Uri;
use rustls_pki_types::CertificateDer;

/// The I/O and the time that a [`Client`](crate::Client) runs on.
///
/// Nothing here asks for `Send`: a [`Reply`](crate::Reply) is `Send` where the transport's parts are.
///
/// A transport sends what it is given as it is: it follows no redirect, repeats no request that a server may have read
/// (one that is handed back unsent may go out again on another connection), decodes no content, and keeps no clock but
/// the connect timeout. What a wire wants besides is added here: a request's URI is absolute, and it has neither `Host`
/// nor `Content-Length`. Interim answers, such as 103, are skipped, at most 32 of them; after that nothing more is read
/// for the request, and the call's clocks end it. An answer counts even if it comes before the whole request is sent.
/// Dropping a `Send` or a `Body` closes or resets what it runs on unless the answer was whole.
///
/// # Responses that the platform has decoded
///
/// Some platforms, such as a browser's `fetch`, decode content and remove HTTP's framing before they hand out a response,
/// but leave its headers as they were. The client trusts the headers: it refuses a content encoding, and compares the body
/// with its length. Remove `Content-Encoding`, `Content-Length` and `Transfer-Encoding` from such a response before you
/// return it:
///
/// ```
/// use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
///
/// fn decoded<B>(mut response: http::Response<B>) -> http::Response<B> {
///     for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
///         response.headers_mut().remove(name);
///     }
///     response
/// }
/// # decoded(http::Response::new(()));
/// ```
pub trait Transport {
    /// The future of an answer's head.
    type Send: Future<Output = Result<http::Response<Self::Body>, Self::Error>>;
    /// The body of an answer. It ends without an error only where its framing says that it is whole.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>>;
    /// Why there is no head.
    type Error: Into<BoxError>;
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

    /// Sorts an error. If in doubt, return [`TransportError::MaybeSent`]. A head that was received and rejected is a
    /// [`TransportError::BadHead`].
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
