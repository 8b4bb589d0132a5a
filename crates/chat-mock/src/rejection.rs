//! Why a request to `/v0` is rejected, and the response that says so.

use chat_proto::sessions::HttpValidationError;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::api_key::KeyError;
use crate::body::{Body, BodyError};
use crate::json;

/// Why a request is rejected.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The path is unknown.
    UnknownPath,
    /// The path exists, but not for this method.
    WrongMethod,
    /// The API key is not accepted.
    Key(KeyError),
    /// The body could not be read.
    Body(BodyError),
    /// The body does not match the contract.
    Invalid(HttpValidationError),
    /// The session does not exist, or the server has forgotten it.
    UnknownSession,
}

impl Rejection {
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::UnknownPath => detail(StatusCode::NOT_FOUND, "Not Found"),
            Self::UnknownSession => detail(StatusCode::NOT_FOUND, "Chat session not found"),
            Self::Key(KeyError::Missing) => unauthorized("Not authenticated"),
            Self::Key(KeyError::Wrong) => unauthorized("Invalid API key"),
            Self::Body(BodyError::TooLarge) => detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Body(BodyError::Incomplete) => detail(StatusCode::BAD_REQUEST, "Request body incomplete"),
            Self::Invalid(error) => json::response(StatusCode::UNPROCESSABLE_ENTITY, &error),
            Self::WrongMethod => {
                let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
        }
    }
}

fn unauthorized(reason: &str) -> Response<Body> {
    let mut response = detail(StatusCode::UNAUTHORIZED, reason);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn detail(status: StatusCode, detail: &str) -> Response<Body> {
    json::response(status, &json!({ "detail": detail }))
}
