//! JSON, as text and as a response.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::body::Body;

pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the contract's types have string keys and cannot fail to serialize")
}

/// Returns a response with a JSON body.
pub(crate) fn response(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::full(to_json(value)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
