//! The API key that clients must send.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Why a request's key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// The request has no key.
    Missing,
    /// The key is not the server's.
    Wrong,
}

/// Checks the key of a request. If none is expected, any key that is not empty is accepted.
pub(crate) fn check(expected: Option<&ApiKey>, headers: &HeaderMap) -> Result<(), KeyError> {
    let key = bearer(headers).ok_or(KeyError::Missing)?;
    match expected {
        Some(expected) if !expected.matches(key) => Err(KeyError::Wrong),
        _ => Ok(()),
    }
}

/// Returns the key of `Authorization: Bearer KEY`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !key.is_empty()).then_some(key)
}

/// An API key. It prints as `ApiKey(***)`.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    pub(crate) fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    fn matches(&self, other: &[u8]) -> bool {
        self.0.as_bytes() == other
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_must_not_be_empty() {
        let key = |authorization: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, authorization.parse().expect("a header value"));
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(key("Bearer k"), Some(b"k".to_vec()));
        assert_eq!(key("BEARER  k "), Some(b"k".to_vec()));
        for none in ["", "Bearer", "Bearer ", "Bearer  ", "Bearerk", "Basic k"] {
            assert_eq!(key(none), None, "{none}");
        }
    }
}
