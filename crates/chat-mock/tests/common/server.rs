//! A server, and questions to it.

use bytes::Bytes;
use chat_mock::{Server, ServerBuilder};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;

use crate::common::{Http, post, text};

pub(crate) async fn bind(builder: ServerBuilder) -> Server {
    builder.bind().await.expect("loopback has a free port")
}

pub(crate) async fn send(http: &Http, request: Request<Full<Bytes>>) -> Response<Incoming> {
    http.request(request).await.expect("the server answers")
}

/// Posts JSON and reads the answer whole.
pub(crate) async fn ask(http: &Http, url: &str, body: &Value) -> (u16, HeaderMap, String) {
    let response = send(http, post(url, body.to_string())).await;
    (response.status().as_u16(), response.headers().clone(), text(response).await)
}
