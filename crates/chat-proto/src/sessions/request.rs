//! Writes v0's requests.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{ContinueInput, CreateInput};
use crate::request::{Dialect, Idempotency};
use crate::{Endpoint, Error, Request};

/// All characters except the unreserved ones (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The server may answer in either form, so both are accepted.
const STREAM_OR_JSON: HeaderValue = HeaderValue::from_static("text/event-stream, application/json;q=0.9");

impl Request {
    /// Creates the request for a new session with its first message.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the field, if the integration id is empty or there is not
    /// exactly one message.
    ///
    /// ```
    /// use chat_proto::sessions::CreateInput;
    /// use chat_proto::{Endpoint, Request};
    ///
    /// let endpoint = Endpoint::new("https://api.example/prefix/")?;
    /// let request = Request::create(&endpoint, &CreateInput::new("int-1", "Hello?"))?;
    /// assert_eq!(request.http().method(), "POST");
    /// assert_eq!(request.http().uri(), "https://api.example/prefix/v0/chat_sessions/chat_results");
    /// # Ok::<(), chat_proto::Error>(())
    /// ```
    pub fn create(endpoint: &Endpoint, input: &CreateInput) -> Result<Self, Error> {
        check_integration(&input.integration_id)?;
        let messages = input.chat_session.messages.len();
        if messages != 1 {
            let reason = format!("must hold exactly one message, not {messages}");
            return Err(Error::invalid_request("chat_session.messages", reason));
        }
        build(endpoint, "/v0/chat_sessions/chat_results", input, input.stream, Idempotency::Harmless)
    }

    /// Creates the request for one more message of a session.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the field, if the integration id is empty, or if the
    /// session id is empty, `.` or `..`. URL parsers change a path with `.` or `..`, encoded or not.
    ///
    /// ```
    /// use chat_proto::sessions::ContinueInput;
    /// use chat_proto::{Endpoint, Request};
    ///
    /// let endpoint = Endpoint::new("https://api.example")?;
    /// let request = Request::continue_session(&endpoint, "a/b", &ContinueInput::new("int-1", "And then?"))?;
    /// assert_eq!(request.http().uri(), "https://api.example/v0/chat_sessions/a%2Fb/chat_results");
    /// # Ok::<(), chat_proto::Error>(())
    /// ```
    pub fn continue_session(endpoint: &Endpoint, chat_session_id: &str, input: &ContinueInput) -> Result<Self, Error> {
        check_integration(&input.integration_id)?;
        match chat_session_id {
            "" => return Err(Error::invalid_request("chat_session_id", "is empty")),
            "." | ".." => {
                return Err(Error::invalid_request(
                    "chat_session_id",
                    "must not be `.` or `..`, because URL parsers change such paths",
                ));
            }
            _ => {}
        }
        let id = utf8_percent_encode(chat_session_id, RESERVED);
        let path = format!("/v0/chat_sessions/{id}/chat_results");
        build(endpoint, &path, input, input.stream, Idempotency::AddsToHistory)
    }
}

fn check_integration(id: &str) -> Result<(), Error> {
    if id.is_empty() { Err(Error::invalid_request("integration_id", "is empty")) } else { Ok(()) }
}

fn build<T: Serialize>(
    endpoint: &Endpoint,
    path: &str,
    input: &T,
    stream: bool,
    idempotency: Idempotency,
) -> Result<Request, Error> {
    let uri = Uri::try_from(format!("{}{path}", endpoint.base_url())).map_err(|error| {
        // The base URL is valid and the path has legal characters only, so the URL is too long. The longer part is to
        // blame.
        let field = if endpoint.base_url().len() > path.len() { "base_url" } else { "chat_session_id" };
        Error::invalid_request(field, "makes the URL too long").with_source(error)
    })?;
    let body = serde_json::to_vec(input).expect("the inputs can always be written as JSON");
    let mut http = http::Request::new(Bytes::from(body));
    *http.method_mut() = Method::POST;
    *http.uri_mut() = uri;
    let headers = http.headers_mut();
    headers.insert(header::ACCEPT, if stream { STREAM_OR_JSON } else { JSON });
    headers.insert(header::CONTENT_TYPE, JSON);
    // No encoding is decoded here. Without this header, a proxy may choose any.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // These replace the headers above.
    headers.extend(endpoint.headers().clone());
    Ok(Request { http: Box::new(http), idempotency, dialect: Dialect::Sessions })
}
