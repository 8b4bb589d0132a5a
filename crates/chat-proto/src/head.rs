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

    /// The server's id for the request: the first of `x-request-id`, `request-id`, `x-litellm-call-id`, `x-generation-id` and
    /// `cf-ray` that is present.
    pub fn request_id(&self) -> Option<&str> {
        ["x-request-id", "request-id", "x-litellm-call-id", "x-generation-id", "cf-ray"]
            .iter()
            .find_map(|name| self.text(name))
    }

    /// What the server says about its limits on requests.
    pub fn request_limit(&self) -> RateLimit<'_> {
        self.rate_limit(["limit-requests", "remaining-requests", "reset-requests"])
    }

    /// What the server says about its limits on tokens.
    pub fn token_limit(&self) -> RateLimit<'_> {
        self.rate_limit(["limit-tokens", "remaining-tokens", "reset-tokens"])
    }

    fn rate_limit(&self, names: [&str; 3]) -> RateLimit<'_> {
        let [limit, remaining, reset] = names.map(|name| self.text(&format!("x-ratelimit-{name}")));
        RateLimit { limit, remaining, reset }
    }

    /// The value of a header, if it is present and text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The `x-ratelimit-*` headers of a response, as text, because servers write them in different units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit<'a> {
    /// The maximum.
    pub limit: Option<&'a str>,
    /// What is left of it.
    pub remaining: Option<&'a str>,
    /// The time until it is the maximum again, such as `6m0s`, `17ms` or plain seconds.
    pub reset: Option<&'a str>,
}
