//! The keys that a call has sent, to redact them.

use chat_proto::{Answer, ApiKey, Error};
use http::HeaderMap;

use crate::key::KeySource;

/// The keys that a call has sent. Errors, traces and `Debug` output must not contain them.
#[derive(Default)]
pub(crate) struct SentKeys(Vec<ApiKey>);

impl SentKeys {
    /// Starts with the fixed key of `source`, if it has one.
    pub(crate) fn new(source: &KeySource) -> Self {
        match source {
            KeySource::Fixed { key, .. } => Self(vec![key.clone()]),
            _ => Self::default(),
        }
    }

    pub(crate) fn add(&mut self, key: &ApiKey) {
        if !self.0.contains(key) {
            self.0.push(key.clone());
        }
    }

    /// Marks response headers that contain a key as sensitive.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        self.0.iter().for_each(|key| key.mark(headers));
    }

    /// Removes the keys from an error. An answer is not changed.
    pub(crate) fn redact(&self, outcome: Result<Answer, Error>) -> Result<Answer, Error> {
        outcome.map_err(|error| self.0.iter().fold(error, Error::redact))
    }

    /// Removes the keys from a text that the server sent.
    #[cfg(feature = "tracing")]
    pub(crate) fn redact_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, key| key.redact(&text).into_owned())
    }
}
