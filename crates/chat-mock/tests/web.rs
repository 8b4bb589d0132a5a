//! What web pages need of the server: CORS, and with the feature `files` a folder of files.

#[expect(dead_code, reason = "these tests wait for nothing")]
mod common;
#[path = "common/server.rs"]
mod server;

use chat_mock::Server;
use common::{http, post};
use http::{HeaderValue, Method, Request};
use server::{ask, bind, send};

const PAGE: HeaderValue = HeaderValue::from_static("https://page.example");

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask() {
    let server = bind(Server::builder().allow_origin(PAGE)).await;
    let url = format!("{}/v1/chat/completions", server.url());
    let preflight = Request::options(&url)
        .header("origin", PAGE)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .body(Default::default())
        .expect("a request");
    let response = send(&http(), preflight).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-origin"], PAGE);
    assert_eq!(response.headers()["access-control-allow-methods"], "POST");
    assert_eq!(response.headers()["access-control-allow-headers"], "authorization,content-type");

    let body = serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": "Is it?" }] });
    let (status, headers, _) = ask(&http(), &url, &body).await;
    assert_eq!((status, &headers["access-control-allow-origin"]), (200, &PAGE));
    assert_eq!(headers["access-control-expose-headers"], "*");
    // The page can read errors, too.
    let response = send(&http(), post(&format!("{}/nothing", server.url()), "{}".to_owned())).await;
    assert_eq!((response.status().as_u16(), &response.headers()["access-control-allow-origin"]), (404, &PAGE));
}

#[tokio::test]
async fn no_origin_is_allowed_by_default() {
    let server = bind(Server::builder()).await;
    let preflight = Request::options(format!("{}/v1/chat/completions", server.url()))
        .header("origin", PAGE)
        .header("access-control-request-method", "POST")
        .body(Default::default())
        .expect("a request");
    let response = send(&http(), preflight).await;
    assert_eq!(response.status(), 405);
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[cfg(feature = "files")]
#[tokio::test]
async fn files_of_a_folder_are_served_beside_the_apis() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../transport-web/examples/page");
    let server = bind(Server::builder().files(dir)).await;
    let get = |method: Method, path: &str| {
        let url = format!("{}{path}", server.url());
        let request = Request::builder().method(method).uri(url).body(Default::default()).expect("a request");
        async {
            let response = send(&http(), request).await;
            let content_type = response.headers().get("content-type").map(|value| value.as_bytes().to_vec());
            let status = response.status().as_u16();
            (status, String::from_utf8(content_type.unwrap_or_default()).expect("ASCII"), common::text(response).await)
        }
    };
    let (status, content_type, page) = get(Method::GET, "/").await;
    assert_eq!((status, content_type.as_str()), (200, "text/html"));
    assert!(page.contains("<!doctype html>"));
    assert_eq!(get(Method::HEAD, "/index.html").await, (200, "text/html".to_owned(), String::new()));
    assert_eq!(get(Method::GET, "/app.js?v=1").await.1, "text/javascript");
    assert_eq!(get(Method::GET, "/style.css").await.1, "text/css");
    assert_eq!(get(Method::POST, "/index.html").await.0, 405);
    // What the folder does not have.
    let (status, content_type, page) = get(Method::GET, "/nothing").await;
    assert_eq!((status, content_type.as_str()), (404, "text/html; charset=utf-8"));
    assert!(page.contains("There is no such file."));
    for path in ["/../program/main.rs", "/%2e%2e/program/main.rs", "/..%2fprogram%2fmain.rs", "//etc/passwd"] {
        assert_eq!(get(Method::GET, path).await.0, 404, "{path}");
    }
    // The APIs stay.
    assert_eq!(get(Method::GET, "/v0/nothing").await.1, "application/json");
    assert_eq!(get(Method::GET, "/v1/models").await.0, 401);
}
