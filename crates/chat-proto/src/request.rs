//! A request as the exchange sees it: what to send, whether to repeat it, how to read what comes.

use bytes::Bytes;

use crate::dialect::Dialect;

/// A request ready to be sent by an [`Exchange`](crate::Exchange), any number of times.
///
/// Made by [`Request::create`] and [`Request::continue_session`], which refuse what the API would. It does not hold the
/// key: see [`ApiKey::authorize`](crate::ApiKey::authorize).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) http: Box<http::Request<Bytes>>,
    pub(crate) idempotency: Idempotency,
    pub(crate) dialect: Dialect,
}

/// What repeating a request does where the server has read it the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Nothing that matters: at worst a session nobody uses.
    Harmless,
    /// The question may stand in the history twice.
    AddsToHistory,
}

impl Request {
    /// The request as it will be sent, without its key.
    pub fn http(&self) -> &http::Request<Bytes> {
        &self.http
    }
}
