//! A folder of files, for a page that asks the server.

use std::path::Path;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tower_http::services::ServeDir;
use tower_service::Service as _;

use crate::body::Body;

/// The files of a folder, by path. A folder's file is its `index.html`.
#[derive(Debug)]
pub(crate) struct Files(ServeDir);

impl Files {
    pub(crate) fn new(dir: impl AsRef<Path>) -> Self {
        Self(ServeDir::new(dir))
    }

    /// Answers a request for a file. It is read whole.
    pub(crate) async fn respond(&self, head: &Parts) -> Response<Body> {
        let request = Request::from_parts(head.clone(), Body::full(""));
        let Ok(response) = self.0.clone().call(request).await;
        let (head, body) = response.into_parts();
        match (head.status, body.collect().await) {
            (StatusCode::NOT_FOUND, _) => text(StatusCode::NOT_FOUND, "There is no such file."),
            (_, Ok(body)) => Response::from_parts(head, Body::full(body.to_bytes())),
            (_, Err(_)) => text(StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read."),
        }
    }
}

fn text(status: StatusCode, sentence: &'static str) -> Response<Body> {
    let page =
        format!("<!doctype html><html lang=\"en\"><title>{status}</title><h1>{status}</h1><p>{sentence}</p></html>\n");
    let mut response = Response::new(Body::full(page));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
