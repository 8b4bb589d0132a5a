//! Sources of the API key.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chat_proto::{ApiKey, BoxError, Error};

/// The source of the API key: a fixed key, or a callback that is called before every attempt. Its `Debug` output contains
/// no key.
#[derive(Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// One key for all requests.
    Fixed {
        /// The key.
        key: ApiKey,
        /// Where the key was found. It is part of the error of a rejected key: `the environment variable INKEEP_API_KEY`.
        origin: &'static str,
    },
    /// A function that returns the key at once.
    Callback(Arc<KeyFn>),
    /// A function that returns a future of the key.
    Async(Arc<AsyncKeyFn>),
    /// No key. The server does not want one.
    None,
    /// The transport adds the key, as [`LocalKey`](crate::LocalKey) does.
    Transport,
}

/// The function of [`KeySource::Callback`].
pub type KeyFn = dyn Fn() -> Result<String, BoxError> + Send + Sync;

/// The function of [`KeySource::Async`].
pub type AsyncKeyFn = dyn Fn() -> KeyFuture + Send + Sync;

/// The future that an [`AsyncKeyFn`] returns.
pub type KeyFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

impl KeySource {
    /// Describes where the keys come from. The text contains no key.
    pub fn origin(&self) -> &'static str {
        match self {
            Self::Fixed { origin, .. } => origin,
            Self::None => "nowhere",
            Self::Callback(_) | Self::Async(_) | Self::Transport => "a callback",
        }
    }

    /// Returns the key of the next attempt, for drivers that can't await a future.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming `api_key` if the callback fails, returns an invalid
    /// key or is async, or if the transport adds the key. Also for [`None`](Self::None): send the request without a key.
    pub fn key(&self) -> Result<ApiKey, Error> {
        match self.next_key() {
            NextKey::Ready(key) => key,
            NextKey::Pending(_) => {
                let reason = "comes from an async callback, which this client can't await; use a blocking callback";
                Err(Error::invalid_request("api_key", reason))
            }
            NextKey::None => Err(Error::invalid_request("api_key", "is not used by this client")),
            NextKey::Transport => {
                let reason = "is added by the transport, which this client does not support; set a key or a callback";
                Err(Error::invalid_request("api_key", reason))
            }
        }
    }

    /// Starts to get the key of the next attempt.
    pub(crate) fn next_key(&self) -> NextKey {
        match self {
            Self::Fixed { key, .. } => NextKey::Ready(Ok(key.clone())),
            Self::Callback(callback) => NextKey::Ready(check_key(callback())),
            Self::Async(callback) => NextKey::Pending(callback()),
            Self::None => NextKey::None,
            Self::Transport => NextKey::Transport,
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({})", self.origin())
    }
}

/// The key of the next attempt.
pub(crate) enum NextKey {
    Ready(Result<ApiKey, Error>),
    Pending(KeyFuture),
    None,
    Transport,
}

/// Checks the result of a callback.
pub(crate) fn check_key(key: Result<String, BoxError>) -> Result<ApiKey, Error> {
    match key {
        Ok(key) => ApiKey::new(key),
        Err(source) => {
            Err(Error::invalid_request("api_key", "is not available: the callback failed").with_source(source))
        }
    }
}

/// The key that a [`LocalKey`](crate::LocalKey) transport added to a request. It is an extension of the response, so that
/// the call can redact it.
#[derive(Clone)]
pub(crate) struct SentKey(pub(crate) ApiKey);

/// The error of a [`LocalKey`](crate::LocalKey) transport that got no key. The call ends with it, as with the error of any
/// other callback.
#[derive(Debug)]
pub(crate) struct KeyUnavailable(pub(crate) Error);

impl fmt::Display for KeyUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for KeyUnavailable {}
