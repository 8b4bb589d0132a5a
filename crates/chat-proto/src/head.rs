//! The status and headers of a response.

use http::{HeaderMap, StatusCode, header};

/// The status and headers of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
}

impl Head {
    /// Creates a head. Cookies are marked as sensitive, so that they are not printed.
    pub fn new(status: StatusCode, mut headers: HeaderMap) -> Self {
        let cookies = headers.iter_mut().filter(|(name, _)| *name == header::SET_COOKIE);
        cookies.for_each(|(_, value)| value.set_sensitive(true));
        Self { status, headers }
    }

    /// The server's id for the request: the first of `x-request-id`, `request-id` and `cf-ray` that is present.
    pub fn request_id(&self) -> Option<&str> {
        ["x-request-id", "request-id", "cf-ray"].iter().find_map(|name| self.text(name))
    }

    /// The value of a header, if it is present and text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
