//! Where the API key comes from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chat_proto::{ApiKey, Error, Source};

/// A source of keys: one that stays, or a callback that is asked before every attempt. It never prints a key.
#[derive(Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// One key for all requests.
    Fixed {
        /// The key.
        key: ApiKey,
        /// Where it was found, for the error that a refused key gives: `the environment variable INKEEP_API_KEY`.
        origin: &'static str,
    },
    /// A function that has the key at hand.
    Callback(Arc<KeyFn>),
    /// A function that may have to wait for it.
    Async(Arc<AsyncKeyFn>),
}

/// See [`KeySource::Callback`].
pub type KeyFn = dyn Fn() -> Result<String, Source> + Send + Sync;

/// See [`KeySource::Async`].
pub type AsyncKeyFn = dyn Fn() -> KeyFuture + Send + Sync;

/// What an async source of keys gives.
pub type KeyFuture = Pin<Box<dyn Future<Output = Result<String, Source>> + Send>>;

impl KeySource {
    /// Where the keys come from, in words that hold no key.
    pub fn origin(&self) -> &'static str {
        match self {
            Self::Fixed { origin, .. } => origin,
            Self::Callback(_) | Self::Async(_) => "a callback",
        }
    }

    /// The key for the next attempt, for drivers that can't wait for a future.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `api_key`, if the callback gave none or one that is
    /// no good, or has to be waited for.
    pub fn key(&self) -> Result<ApiKey, Error> {
        match self.ask() {
            Asked::Key(key) => key,
            Asked::Future(_) => Err(Error::invalid_request("api_key", "comes from an async callback")),
        }
    }

    /// The key for the next attempt, or the future of it.
    pub(crate) fn ask(&self) -> Asked {
        match self {
            Self::Fixed { key, .. } => Asked::Key(Ok(key.clone())),
            Self::Callback(callback) => Asked::Key(take(callback())),
            Self::Async(callback) => Asked::Future(callback()),
        }
    }
}

/// The answer of a source.
pub(crate) enum Asked {
    Key(Result<ApiKey, Error>),
    Future(KeyFuture),
}

/// What a callback gave, as a key.
pub(crate) fn take(given: Result<String, Source>) -> Result<ApiKey, Error> {
    match given {
        Ok(key) => ApiKey::new(key),
        Err(source) => Err(Error::invalid_request("api_key", "could not be had").with_source(source)),
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({})", self.origin())
    }
}
