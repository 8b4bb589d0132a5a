//! The OpenAI-style API under `/v1`: chat completions and the list of models.

mod answer;
mod error;
mod field;
mod request;
mod schema;
mod tools;

use std::time::Duration;

use chat_proto::sessions::AssistantMessage;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) use self::answer::events_of_text;
pub(crate) use self::error::Error;

use self::answer::Answer;
use self::request::Request;
use crate::body::Body;
use crate::sessions::History;
use crate::{events, json};

/// The models of the list. Requests may name others.
const MODELS: [&str; 3] = ["inkeep-qa-expert", "inkeep-context-expert", "inkeep-base-expert"];

/// When everything was created, in seconds since 1970. It is fixed, so that equal requests have equal answers.
const CREATED: u64 = 1_735_689_600;

/// The headers of the rate limit. The limit is never reached.
const RATE_LIMIT: [(&str, &str); 3] = [
    ("x-ratelimit-limit-requests", "1000"),
    ("x-ratelimit-remaining-requests", "999"),
    ("x-ratelimit-reset-requests", "60ms"),
];

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A chat completion.
    Chat,
    /// The list of models.
    Models,
}

impl Endpoint {
    pub(crate) fn of(path: &str, method: &Method) -> Result<Self, Error> {
        let (endpoint, allowed) = match path {
            "/v1/chat/completions" => (Self::Chat, "POST"),
            "/v1/models" => (Self::Models, "GET"),
            _ => return Err(Error::unknown_path()),
        };
        if method == allowed { Ok(endpoint) } else { Err(Error::wrong_method(allowed)) }
    }
}

/// Returns whether a path belongs to this API.
pub(crate) fn is_path(path: &str) -> bool {
    path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the response, or that of the error, with the headers that all responses have.
pub(crate) fn finish(result: Result<Response<Body>, Error>) -> Response<Body> {
    let mut response = result.unwrap_or_else(Error::into_response);
    for (name, value) in RATE_LIMIT {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns the list of models.
pub(crate) fn models() -> Response<Body> {
    let models: Vec<Value> = MODELS
        .iter()
        .map(|id| json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "inkeep" }))
        .collect();
    json::response(StatusCode::OK, &json!({ "object": "list", "data": models }))
}

/// Answers a request for a chat completion. The number is that of the request.
pub(crate) fn chat(
    number: u64,
    body: &[u8],
    delay: Duration,
    respond: impl FnOnce(&History, &str) -> AssistantMessage,
) -> Result<Response<Body>, Error> {
    let body = serde_json::from_slice(body).map_err(|error| Error::not_json(&error))?;
    let request = Request::read(&body)?;
    let answer = Answer::new(number, &request, respond);
    Ok(match &request.stream {
        None => json::response(StatusCode::OK, &answer.object()),
        Some(options) => events::response(answer.events(options.include_usage), delay),
    })
}
