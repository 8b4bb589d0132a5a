//! Why a request gets no answer, and the status and headers that say so.

use chat_proto::sessions::HttpValidationError;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::body::{Body, Unread};
use crate::service::json;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No such path.
    Path,
    /// A path that takes another method.
    Method,
    /// No key.
    NoKey,
    /// A key that is not the server's.
    WrongKey,
    /// A body that could not be taken.
    Body(Unread),
    /// A body that is not what the contract calls for.
    Invalid(HttpValidationError),
    /// A session that there is not, or no longer.
    Session,
}

impl Refusal {
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::Path => detail(StatusCode::NOT_FOUND, "Not Found"),
            Self::Session => detail(StatusCode::NOT_FOUND, "Chat session not found"),
            Self::NoKey => unauthorized("Not authenticated"),
            Self::WrongKey => unauthorized("Invalid API key"),
            Self::Body(Unread::TooLarge) => detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Body(Unread::Broken) => detail(StatusCode::BAD_REQUEST, "Request body broke off"),
            Self::Invalid(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &error),
            Self::Method => {
                let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
        }
    }
}

fn unauthorized(why: &str) -> Response<Body> {
    let mut response = detail(StatusCode::UNAUTHORIZED, why);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn detail(status: StatusCode, detail: &str) -> Response<Body> {
    json(status, &json!({ "detail": detail }))
}
