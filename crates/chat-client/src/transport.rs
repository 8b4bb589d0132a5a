//! The interface to a runtime.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{BoxError, Error, TransportError};
use http::Uri;
use rustls_pki_types::CertificateDer;

/// Maximum time that [`Transport::drain`] waits for the end of a body.
pub const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Maximum number of bytes that [`Transport::drain`] reads.
pub const DRAIN_BYTES: usize = 64 << 10;

/// The I/O and the clock of a [`Client`](crate::Client).
///
/// Implement it to run the client on a runtime of your own. Nothing needs to be `Send`: a [`Reply`](crate::Reply) is `Send` if
/// the transport and its associated types are.
///
/// A transport sends each request unchanged:
///
/// - It does not follow redirects, decode content, or repeat a request that a server may have read. It may resend a request
///   on another connection if the first connection returned it unsent.
/// - It has no timeout but the connect timeout.
/// - It adds `Host` and `Content-Length` as the protocol needs them. The request's URI is absolute.
/// - It skips up to 32 interim responses, such as 103. After that it stops reading, and the client's timeouts end the call.
/// - It returns a response that is received before the whole request is sent.
/// - Dropping a `Send` or a `Body` closes or resets its connection, unless the response is complete. A body whose rest is not
///   needed goes to [`drain`](Self::drain) instead.
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
    /// Future of a response's head.
    type Send: Future<Output = Result<http::Response<Self::Body>, Self::Error>>;
    /// Body of a response. It ends without an error only if its framing shows that it is complete.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>>;
    /// Error of [`Send`](Self::Send).
    type Error: Into<BoxError>;
    /// Timer future.
    type Sleep: Future<Output = ()>;

    /// Name and version for `User-Agent`, such as `transport-hyper/0.1.0`.
    const PRODUCT: &'static str;

    /// Sends one request.
    fn send(&self, request: http::Request<Bytes>) -> Self::Send;

    /// Takes a body whose rest is not needed: the call is complete, and the body has not ended.
    ///
    /// The transport may read up to [`DRAIN_BYTES`](crate::driver::DRAIN_BYTES) for up to
    /// [`DRAIN_TIME`](crate::driver::DRAIN_TIME). If the body ends, its connection can be used again. Otherwise the transport
    /// drops the body. This method does not wait. By default, it drops the body at once.
    fn drain(&self, body: Pin<Box<Self::Body>>) {
        drop(body);
    }

    /// Returns the time since any fixed origin. It must be monotonic.
    fn now(&self) -> Duration;

    /// Sleeps until [`now`](Self::now) is `deadline` or later.
    fn sleep_until(&self, deadline: Duration) -> Self::Sleep;

    /// Returns a random number. It is the seed of the backoff's jitter, and need not be secret.
    fn seed(&self) -> u64;

    /// Classifies an error. If in doubt, return [`TransportError::MaybeSent`]. If a head was received and rejected, return
    /// [`TransportError::BadHead`].
    fn classify(error: &Self::Error) -> TransportError;
}

/// Settings that a transport applies when it is created.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TransportSettings {
    /// Maximum time to connect: name lookup, TCP, proxy and TLS. `None` means no limit. Classify the error as
    /// [`TransportError::ConnectTimeout`].
    pub connect_timeout: Option<Duration>,
    /// Base URL of the client, if there is one. Use it to report a setting that can't work with this server, such as its
    /// proxy, at once. Requests may still go to other servers.
    pub base_url: Option<Uri>,
    /// Additional CA certificates to trust.
    pub root_certificates: Vec<CertificateDer<'static>>,
}

/// A transport that can be created from settings alone. [`ClientBuilder::build`](crate::ClientBuilder::build) uses it.
pub trait FromSettings: Transport + Sized {
    /// Creates the transport.
    ///
    /// # Errors
    ///
    /// The transport can't be created, e.g. because there are no certificate roots.
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error>;
}
