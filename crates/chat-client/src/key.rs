//! Where the API key comes from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chat_proto::{Answer, ApiKey, BoxError, Error};
use http::HeaderMap;

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
pub type KeyFn = dyn Fn() -> Result<String, BoxError> + Send + Sync;

/// See [`KeySource::Async`].
pub type AsyncKeyFn = dyn Fn() -> KeyFuture + Send + Sync;

/// What an async source of keys gives.
pub type KeyFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

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
pub(crate) fn take(given: Result<String, BoxError>) -> Result<ApiKey, Error> {
    match given {
        Ok(key) => ApiKey::new(key),
        Err(source) => Err(Error::invalid_request("api_key", "could not be had").with_source(source)),
    }
}

/// The keys that a call was sent with, for which nothing that is told of it has a place.
#[derive(Default)]
pub(crate) struct SentKeys(Vec<ApiKey>);

impl SentKeys {
    /// The key that is known before anything is sent.
    pub(crate) fn of(source: &KeySource) -> Self {
        match source {
            KeySource::Fixed { key, .. } => Self(vec![key.clone()]),
            KeySource::Callback(_) | KeySource::Async(_) => Self::default(),
        }
    }

    pub(crate) fn add(&mut self, key: &ApiKey) {
        if !self.0.contains(key) {
            self.0.push(key.clone());
        }
    }

    /// Keeps the headers of an answer that have a key from being printed.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        self.0.iter().for_each(|key| key.mark(headers));
    }

    /// The outcome without the keys. An answer is as it came.
    pub(crate) fn redact(&self, outcome: Result<Answer, Error>) -> Result<Answer, Error> {
        outcome.map_err(|error| self.0.iter().fold(error, Error::redact))
    }

    /// A text of the server's without the keys.
    #[cfg(feature = "tracing")]
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, key| key.redact(&text).into_owned())
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({})", self.origin())
    }
}
