//! Whole clients: ours, and the usual stack of other crates. All decode bytes to typed events.

use chat_bench::clients::{Events, MessageChunk, Stack};
use chat_client::driver::FromSettings;
use chat_client::sessions::CreateInput;
use chat_client::{Event, Reply, Transport};
use futures_util::StreamExt;
use transport_async_std::AsyncStdTransport;
use transport_hyper::HyperTransport;
use transport_smol::SmolTransport;

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

impl Client for Stack {
    type Answer = Events;

    async fn ask(&self) -> Events {
        self.ask().await
    }
}

impl Answer for Events {
    async fn next(&mut self, counts: &mut Counts) -> bool {
        match StreamExt::next(self).await {
            Some(event) => {
                let event = event.expect("a complete answer");
                assert_eq!(event.event, "message_chunk");
                let chunk: MessageChunk = serde_json::from_str(&event.data).expect("valid JSON");
                counts.text(&chunk.content_chunk);
                true
            }
            None => false,
        }
    }
}
