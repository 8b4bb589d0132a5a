//! Whole clients: ours, and the usual stack of other crates. All decode bytes to typed events.

use std::pin::Pin;

use bytes::Bytes;
use chat_client::driver::FromSettings;
use chat_client::sessions::CreateInput;
use chat_client::{Event, Reply, Transport};
use eventsource_stream::{EventStream, Eventsource as _};
use futures_core::Stream;
use futures_util::StreamExt;
use serde::Deserialize;
use transport_async_std::AsyncStdTransport;
use transport_hyper::HyperTransport;
use transport_smol::SmolTransport;

use crate::limits::{BODY, PATH};
use crate::measure::{Answer, Client, Counts};

/// Ours, on any transport.
impl<T> Client for chat_client::Client<T>
where
    T: Transport + Send + Sync + 'static,
    Reply<T>: Send,
{
    type Answer = Reply<T>;

    async fn ask(&self) -> Reply<T> {
        self.create(&CreateInput::new("i", "How?"))
    }
}

impl<T> Answer for Reply<T>
where
    T: Transport + 'static,
    Self: Send,
{
    async fn next(&mut self, counts: &mut Counts) -> bool {
        match Self::next(self).await {
            Some(event) => {
                let Event::Text(delta) = event.expect("a complete answer") else { panic!("another event") };
                counts.text(&delta.text);
                true
            }
            None => false,
        }
    }
}

/// Ours on hyper.
pub(crate) fn hyper(base_url: &str) -> chat_client::Client<HyperTransport> {
    ours(base_url)
}

/// Ours on async-io.
pub(crate) fn smol(base_url: &str) -> chat_client::Client<SmolTransport> {
    ours(base_url)
}

/// Ours on surf.
pub(crate) fn async_std(base_url: &str) -> chat_client::Client<AsyncStdTransport> {
    ours(base_url)
}

fn ours<T: FromSettings>(base_url: &str) -> chat_client::Client<T> {
    chat_client::Client::<T>::builder().api_key("k").base_url(base_url).build().expect("a client")
}

/// reqwest, eventsource-stream and serde_json.
pub(crate) struct Stack {
    client: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
struct Chunk {
    content_chunk: String,
    #[serde(default)]
    #[allow(dead_code, reason = "a user's type has this field")]
    chat_session_id: Option<String>,
    #[serde(default)]
    #[allow(dead_code, reason = "a user's type has this field")]
    finish_reason: Option<String>,
}

impl Stack {
    pub(crate) fn new(base_url: &str) -> Self {
        Self { client: reqwest::Client::new(), url: format!("{base_url}{PATH}") }
    }
}

/// Events of eventsource-stream. The stream of bytes is boxed because its type has no name: one dynamic call per chunk.
type Events = EventStream<Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>>;

impl Client for Stack {
    type Answer = Events;

    async fn ask(&self) -> Events {
        let request = self.client.post(&self.url).bearer_auth("k").header("content-type", "application/json");
        let response = request.body(BODY).send().await.and_then(reqwest::Response::error_for_status);
        let bytes: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(response.expect("an answer").bytes_stream());
        bytes.eventsource()
    }
}

impl Answer for Events {
    async fn next(&mut self, counts: &mut Counts) -> bool {
        match StreamExt::next(self).await {
            Some(event) => {
                let event = event.expect("a complete answer");
                assert_eq!(event.event, "message_chunk");
                let chunk: Chunk = serde_json::from_str(&event.data).expect("valid JSON");
                counts.text(&chunk.content_chunk);
                true
            }
            None => false,
        }
    }
}
