//! Why a request to `/v1` is rejected, and the response that says so.

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::api_key::KeyError;
use crate::body::{Body, BodyError};
use crate::json;

/// Why a request is rejected.
#[derive(Debug)]
pub(crate) struct Error {
    status: StatusCode,
    message: String,
    /// The field of the request that is wrong.
    param: Option<String>,
    code: Option<&'static str>,
    header: Option<(HeaderName, &'static str)>,
}

impl Error {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None, header: None }
    }

    pub(crate) fn unknown_path() -> Self {
        let message = "Unknown path. This API has POST /v1/chat/completions and GET /v1/models.";
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        let message = format!("This path has no such method. Use {allowed}.");
        Self { header: Some((ALLOW, allowed)), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    pub(crate) fn not_json(error: &serde_json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {error}."))
    }

    /// A field is wrong. Without a field, it is the body.
    pub(crate) fn invalid(param: Option<String>, message: impl Into<String>) -> Self {
        Self { param, ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let error = json!({
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        });
        let mut response = json::response(self.status, &json!({ "error": error }));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        let message = match error {
            KeyError::Missing => "The request has no API key. Send it as `Authorization: Bearer KEY`.",
            KeyError::Wrong => "The API key is not valid.",
        };
        Self {
            code: Some("invalid_api_key"),
            header: Some((WWW_AUTHENTICATE, "Bearer")),
            ..Self::new(StatusCode::UNAUTHORIZED, message)
        }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
            BodyError::Incomplete => Self::new(StatusCode::BAD_REQUEST, "The body is incomplete."),
        }
    }
}
