//! A request as the exchange sees it.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Uri};

use crate::Endpoint;

/// A request to be sent by an [`Exchange`](crate::Exchange), once per attempt.
///
/// [`Request::create`] and [`Request::continue_session`] make one for v0, [`Request::complete`] and [`Request::models`] for
/// v1. It does not hold the API key: see
/// [`ApiKey::authorize`](crate::ApiKey::authorize).
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) http: Box<http::Request<Bytes>>,
    pub(crate) idempotency: Idempotency,
    pub(crate) dialect: Dialect,
    pub(crate) model: Option<Box<str>>,
}

/// How requests are written and answers are read. Closed: each dialect is a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// v0, "chat sessions".
    Sessions,
    /// v1, "chat completions".
    Completions,
    /// The list of models of v1.
    Models,
}

/// The effect of sending a request again after the server has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// At worst a session that is not used.
    Harmless,
    /// The question may be in the history twice.
    AddsToHistory,
}

impl Request {
    /// The request as it will be sent, without the API key.
    pub fn http(&self) -> &http::Request<Bytes> {
        &self.http
    }

    /// The model that is asked for, if it is a chat completion.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The server may answer in either form, so both are accepted.
const STREAM_OR_JSON: HeaderValue = HeaderValue::from_static("text/event-stream, application/json;q=0.9");

/// Creates a request with the headers of the endpoint, and a JSON body unless it is empty.
pub(crate) fn json(endpoint: &Endpoint, method: Method, uri: Uri, body: Bytes, stream: bool) -> http::Request<Bytes> {
    let has_body = !body.is_empty();
    let mut http = http::Request::new(body);
    *http.method_mut() = method;
    *http.uri_mut() = uri;
    let headers = http.headers_mut();
    headers.insert(header::ACCEPT, if stream { STREAM_OR_JSON } else { JSON });
    if has_body {
        headers.insert(header::CONTENT_TYPE, JSON);
    }
    // No encoding is decoded here. Without this header, a proxy may choose any.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // These replace the headers above.
    headers.extend(endpoint.headers().clone());
    if let Some(placement) = endpoint.key_header() {
        http.extensions_mut().insert(placement.clone());
    }
    http
}
