//! The clients that ours are compared with: plain hyper, and the usual stack of other crates.

use std::pin::Pin;

use bytes::Bytes;
use eventsource_stream::{EventStream, Eventsource as _};
use futures_core::Stream;
use http::Uri;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

/// The body of a request.
const BODY: &str =
    r#"{"integration_id":"i","chat_session":{"messages":[{"role":"user","content":"How?"}]},"stream":true}"#;

/// The path of a request.
const PATH: &str = "/v0/chat_sessions/chat_results";

/// The URL of a request.
pub fn uri(base_url: &str) -> Uri {
    format!("{base_url}{PATH}").parse().expect("a valid URL")
}

/// A request for hyper.
pub fn request(uri: &Uri) -> http::Request<Full<Bytes>> {
    let request = http::Request::post(uri.clone())
        .header("host", uri.authority().expect("a valid URL").as_str())
        .header("authorization", "Bearer k")
        .header("content-type", "application/json");
    request.body(Full::from(BODY)).expect("a request")
}

/// hyper-util's client: pooled connections with a task each.
#[derive(Debug)]
pub struct Pooled {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

impl Pooled {
    /// Creates a client.
    pub fn new(base_url: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: legacy::Client::builder(TokioExecutor::new()).build(connector), uri: uri(base_url) }
    }

    /// Sends a request. Returns the body of the answer.
    pub async fn ask(&self) -> Incoming {
        self.client.request(request(&self.uri)).await.expect("an answer").into_body()
    }
}

/// reqwest, eventsource-stream and serde_json.
#[derive(Debug)]
pub struct Stack {
    client: reqwest::Client,
    url: String,
}

/// Events of eventsource-stream. The stream of bytes is boxed because its type has no name: one dynamic call per chunk.
pub type Events = EventStream<Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>>;

impl Stack {
    /// Creates a client.
    pub fn new(base_url: &str) -> Self {
        Self { client: reqwest::Client::new(), url: format!("{base_url}{PATH}") }
    }

    /// Sends a request. Returns the events of the answer.
    pub async fn ask(&self) -> Events {
        let request = self.client.post(&self.url).bearer_auth("k").header("content-type", "application/json");
        let response = request.body(BODY).send().await.and_then(reqwest::Response::error_for_status);
        let bytes: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(response.expect("an answer").bytes_stream());
        bytes.eventsource()
    }
}

/// An event of a session, as a user of the stack would derive it.
#[derive(Debug, Deserialize)]
pub struct MessageChunk {
    /// A piece of the text.
    pub content_chunk: String,
    /// The session.
    #[serde(default)]
    pub chat_session_id: Option<String>,
    /// Why the answer ends here.
    #[serde(default)]
    pub finish_reason: Option<String>,
}
