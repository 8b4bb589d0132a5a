//! Writes v0's requests.

use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{ContinueInput, CreateInput};
use crate::request::{self, Dialect, Idempotency};
use crate::{Endpoint, Error, Request};

/// All characters except the unreserved ones (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

/// The base URL of v1 is not that of v0, and v0 has no query.
fn check_base(endpoint: &Endpoint) -> Result<(), Error> {
    let refuse = |reason: &'static str| Err(Error::invalid_request("base_url", reason));
    if endpoint.query().is_some() {
        return refuse("must not have a query for sessions (v0); only chat completions (v1) can have one");
    }
    if endpoint.is_v1() {
        return refuse("is that of chat completions (v1); for sessions (v0), remove `/v1` and what follows");
    }
    Ok(())
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
    check_base(endpoint)?;
    let uri = Uri::try_from(format!("{}{path}", endpoint.base_url())).map_err(|error| {
        // The base URL is valid and the path has legal characters only, so the URL is too long. The longer part is to
        // blame.
        let field = if endpoint.base_url().len() > path.len() { "base_url" } else { "chat_session_id" };
        Error::invalid_request(field, "makes the URL too long").with_source(error)
    })?;
    let body = serde_json::to_vec(input).expect("the inputs can always be written as JSON");
    let http = request::json(endpoint, Method::POST, uri, body.into(), stream);
    Ok(Request { http: Box::new(http), idempotency, dialect: Dialect::Sessions, model: None })
}
