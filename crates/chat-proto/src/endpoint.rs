//! Where requests go, and the headers that go with each of them.

use std::fmt;
use std::str::FromStr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Scheme, Uri};

use crate::Error;

/// The base URL of the service.
pub const DEFAULT_BASE_URL: &str = "https://api.inkeep.com";

const USER_AGENT: &str = concat!("chat-proto/", env!("CARGO_PKG_VERSION"));

/// The server, and the headers that go with each request.
///
/// ```
/// use chat_proto::Endpoint;
///
/// let endpoint = Endpoint::new("https://proxy.example/inkeep/")?;
/// assert_eq!(endpoint.base_url(), "https://proxy.example/inkeep");
/// assert!(Endpoint::new("https://user:secret@proxy.example").is_err());
/// # Ok::<(), chat_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Endpoint {
    base_url: String,
    query: Option<String>,
    headers: HeaderMap,
    key_header: Option<KeyHeader>,
}

/// The header that a request's API key goes into, as an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct KeyHeader(pub(crate) HeaderName);

/// The header of the service's filters.
pub(crate) const INKEEP_FILTERS: HeaderName = HeaderName::from_static("inkeep-filters");

/// The end of the URL of chat completions.
const CHAT_COMPLETIONS: &str = "/chat/completions";

impl Endpoint {
    /// Creates an endpoint from a base URL. A path prefix is kept. A slash at the end does not matter.
    ///
    /// Sessions (v0) add `/v0/…` to it. Chat completions (v1) add `/v1` if it is a host only, and `/chat/completions` unless it
    /// ends so. Only they can have a query, such as `?api-version=1`. (contract-v1.md, section 0)
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming `base_url`, if the URL is not `http` or `https`, has no
    /// host, or has user info or a fragment. Also if its path has a backslash, `.` or `..` (also as `%2e`), or a `%`
    /// without two digits, because URL parsers change such paths.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let (base_url, query) = checked(base_url)?;
        Ok(Self { base_url, query, headers, key_header: None })
    }

    /// Changes the base URL and keeps the headers.
    ///
    /// # Errors
    ///
    /// The same as [`new`](Self::new).
    pub fn with_base_url(self, base_url: &str) -> Result<Self, Error> {
        let (base_url, query) = checked(base_url)?;
        Ok(Self { base_url, query, ..self })
    }

    /// The base URL, without its query and without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The query of the base URL, without the `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The path of the base URL. Empty if it is a host only.
    fn path(&self) -> &str {
        let after_scheme = self.base_url.find("://").map_or(0, |at| at + "://".len());
        self.base_url[after_scheme..].find('/').map_or("", |at| &self.base_url[after_scheme + at..])
    }

    /// Whether the base URL is one of chat completions only.
    pub(crate) fn is_v1(&self) -> bool {
        self.path().ends_with(CHAT_COMPLETIONS) || self.path().ends_with("/v1")
    }

    /// The URL of chat completions.
    pub(crate) fn completions_uri(&self) -> Result<Uri, Error> {
        self.v1_uri(CHAT_COMPLETIONS)
    }

    /// The URL of the list of models.
    pub(crate) fn models_uri(&self) -> Result<Uri, Error> {
        self.v1_uri("/models")
    }

    fn v1_uri(&self, path: &str) -> Result<Uri, Error> {
        let has_ending = self.path().ends_with(CHAT_COMPLETIONS);
        let base = self.base_url.strip_suffix(CHAT_COMPLETIONS).filter(|_| has_ending);
        let version = if self.path().is_empty() { "/v1" } else { "" };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}{version}{path}{query}", base.unwrap_or(&self.base_url));
        Uri::try_from(url)
            .map_err(|error| Error::invalid_request("base_url", "makes the URL too long").with_source(error))
    }

    /// Sends the API key in this header instead of `Authorization: Bearer`, e.g. in `api-key`.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the header, if the name is not valid or the client or its
    /// transport sets the header.
    pub fn with_key_header(mut self, name: &str) -> Result<Self, Error> {
        let refuse = |reason: &'static str| Error::invalid_request(format!("header {name:?}"), reason);
        let parsed = HeaderName::from_str(name).map_err(|_| refuse("is not a valid header name"))?;
        let is_own =
            RESERVED.contains(&parsed) || [header::ACCEPT, header::USER_AGENT, INKEEP_FILTERS].contains(&parsed);
        if is_own && parsed != header::AUTHORIZATION {
            return Err(refuse("is set by the client"));
        }
        self.key_header = Some(KeyHeader(parsed)).filter(|KeyHeader(name)| *name != header::AUTHORIZATION);
        Ok(self)
    }

    pub(crate) fn key_header(&self) -> Option<&KeyHeader> {
        self.key_header.as_ref()
    }

    /// Adds the driver's name and version, e.g. `transport-hyper/0.1.0`, before this crate's in `User-Agent`.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is not a valid header value.
    pub fn with_product(mut self, product: &str) -> Result<Self, Error> {
        let all = [product.as_bytes(), b" ", self.headers[header::USER_AGENT].as_bytes()].concat();
        self.set_user_agent(&all)?;
        Ok(self)
    }

    /// Adds a program's name and version, e.g. `my-app/1.2`, at the end of `User-Agent`.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is not a valid header value.
    pub fn with_user_agent_suffix(mut self, product: &str) -> Result<Self, Error> {
        let all = [self.headers[header::USER_AGENT].as_bytes(), b" ", product.as_bytes()].concat();
        self.set_user_agent(&all)?;
        Ok(self)
    }

    fn set_user_agent(&mut self, value: &[u8]) -> Result<(), Error> {
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| Error::invalid_request("user_agent", "is not a valid header value"))?;
        self.headers.insert(header::USER_AGENT, value);
        Ok(())
    }

    /// Adds a header to each request. Its value is marked as sensitive. `Accept` and `User-Agent` replace this crate's own
    /// values and are not sensitive.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the header, if its name or value is not valid, or if the
    /// client or its transport sets it: `Authorization`, `Content-Type`, `Accept-Encoding` and the headers of framing.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let refuse = |reason: &'static str| Error::invalid_request(format!("header {name:?}"), reason);
        let parsed = HeaderName::from_str(name).map_err(|_| refuse("is not a valid header name"))?;
        if RESERVED.contains(&parsed) {
            return Err(refuse("is set by the client"));
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| refuse("has a value that is not valid in a header"))?;
        if [header::ACCEPT, header::USER_AGENT].contains(&parsed) {
            self.headers.insert(parsed, value);
        } else {
            // It may be a secret, e.g. a cookie or the key of a proxy.
            value.set_sensitive(true);
            self.headers.append(parsed, value);
        }
        Ok(self)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// `Debug` output omits the query, which may contain a secret.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("base_url", &self.base_url)
            .field("has_query", &self.query.is_some())
            .field("headers", &self.headers)
            .field("key_header", &self.key_header)
            .finish()
    }
}

/// Checks a base URL. Returns it without a slash at the end, and its query.
fn checked(base_url: &str) -> Result<(String, Option<String>), Error> {
    let refuse = |reason: &'static str| Err(Error::invalid_request("base_url", reason));
    // Checked in the raw string, because the parser drops a fragment.
    if base_url.contains('#') {
        return refuse("must not have a fragment");
    }
    let Some((_, rest)) = base_url.split_once("://") else {
        return refuse("must begin with https:// or http://");
    };
    let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let authority = address.split(['/', '\\']).next().unwrap_or(address);
    if authority.contains('@') {
        return refuse("must not have user info; the API key is sent in a header");
    }
    if !base_url.is_ascii() {
        return refuse("has non-ASCII characters; write the host in punycode and percent-encode the path");
    }
    let is_encoded = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !rest.split('%').skip(1).all(is_encoded) {
        return refuse("has a `%` without two hexadecimal digits after it");
    }
    // Some transports use URL parsers that change such paths. They take an encoded dot for a dot.
    let is_dots = |segment: &str| matches!(&*segment.replace("%2e", ".").replace("%2E", "."), "." | "..");
    if address.contains('\\') || address.split('/').skip(1).any(is_dots) {
        return refuse("must not have a backslash, `.` or `..` in its path, encoded or not");
    }
    let Ok(uri) = Uri::from_str(base_url) else { return refuse("is not a valid URL") };
    if ![Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme()) {
        return refuse("must begin with https:// or http://");
    }
    if uri.host().is_none_or(|host| matches!(host, "" | "[]")) {
        return refuse("has no host");
    }
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    // Digits only, because `parse` would accept a sign.
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if port.is_some_and(|port| !is_port(port)) {
        return refuse("has a port that is not a number up to 65535");
    }
    let without_query = base_url.split('?').next().unwrap_or(base_url);
    let query = query.filter(|query| !query.is_empty()).map(str::to_owned);
    Ok((without_query.trim_end_matches('/').to_owned(), query))
}

/// Headers that the client or its transport sets.
const RESERVED: [HeaderName; 14] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::HOST,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
