//! A request as the exchange sees it.

use bytes::Bytes;

/// A request to be sent by an [`Exchange`](crate::Exchange), once per attempt.
///
/// [`Request::create`] and [`Request::continue_session`] make one. It does not hold the API key: see
/// [`ApiKey::authorize`](crate::ApiKey::authorize).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) http: Box<http::Request<Bytes>>,
    pub(crate) idempotency: Idempotency,
    pub(crate) dialect: Dialect,
}

/// How requests are written and answers are read. Closed: each dialect is a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// v0, "chat sessions".
    Sessions,
    /// A script, for tests of the receiver.
    #[cfg(test)]
    Script,
}

/// The effect of sending a request again after the server has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// At worst a session that is not used.
    Harmless,
    /// The question may be in the history twice.
    AddsToHistory,
}

impl Request {
    /// The request as it will be sent, without the API key.
    pub fn http(&self) -> &http::Request<Bytes> {
        &self.http
    }
}
