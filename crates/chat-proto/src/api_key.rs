//! The API key.

use std::fmt;

use http::header::{self, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::Error;
use crate::endpoint::KeyHeader;

/// An API key. It is never printed, and its memory is cleared when it is dropped.
///
/// ```
/// use chat_proto::ApiKey;
///
/// let key = ApiKey::new("sk-1")?;
/// assert_eq!(format!("{key:?}"), "ApiKey(***)");
/// # Ok::<(), chat_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Creates a key.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming `api_key`, if it is empty or has white space, control
    /// characters or non-ASCII characters, which cannot be part of a header.
    pub fn new(key: impl Into<String>) -> Result<Self, Error> {
        let key = Zeroizing::new(key.into());
        if key.is_empty() {
            Err(Error::invalid_request("api_key", "is empty"))
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "is not a valid header value: it has white space, control characters or non-ASCII characters";
            Err(Error::invalid_request("api_key", reason))
        } else {
            Ok(Self(key))
        }
    }

    /// The key itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds the key to a request, marked as sensitive: as `Authorization: Bearer`, or in the header that the
    /// [endpoint](crate::Endpoint::with_key_header) names. The driver does this for every
    /// [`Output::Send`](crate::Output::Send), so that each attempt uses the current key.
    pub fn authorize<B>(&self, request: &mut http::Request<B>) {
        let name: Option<HeaderName> = request.extensions().get().map(|KeyHeader(name)| name.clone());
        let prefix = if name.is_some() { "" } else { "Bearer " };
        let text = Zeroizing::new(format!("{prefix}{}", *self.0));
        let mut value = HeaderValue::from_str(&text).expect("a key is graphic ASCII");
        value.set_sensitive(true);
        request.headers_mut().insert(name.unwrap_or(header::AUTHORIZATION), value);
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}
