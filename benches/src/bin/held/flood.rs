//! Counts the memory of streams that are read at full speed: the buffers between a socket and the events.

use std::cell::Cell;
use std::pin::Pin;

use bytes::Bytes;
use chat_client::driver::FromSettings;
use chat_client::sessions::CreateInput;
use chat_client::{Client, Event, Reply, Transport};
use eventsource_stream::{EventStream, Eventsource as _};
use futures_core::Stream;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use stats_alloc::Region;

use crate::{ALLOCATOR, builder, live};

/// Number of streams at once, and of events of each.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) streams: usize,
    pub(crate) events: usize,
}

/// Events per write of the server.
const PER_WRITE: usize = 50;

const PATH: &str = "/v0/chat_sessions/chat_results";
const BODY: &str =
    r#"{"integration_id":"i","chat_session":{"messages":[{"role":"user","content":"How?"}]},"stream":true}"#;

/// A client under measurement.
pub(crate) trait Reader {
    type Answer: Answer;
    async fn ask(&self) -> Self::Answer;
}

/// An answer that is being read.
pub(crate) trait Answer {
    /// Reads the next event or chunk. Returns `false` at the end.
    async fn next(&mut self) -> bool;

    /// The text that the answer keeps.
    fn text(&self) -> &String {
        const { &String::new() }
    }
}

/// Peak memory per stream in bytes, without the client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Peak {
    /// Without the allocations of the texts.
    pub(crate) without_texts: usize,
    /// Without the bytes of the texts, but with the unused part of their allocations.
    pub(crate) with_growth: usize,
}

/// Reads streams at full speed.
///
/// The memory is sampled after each event. All streams have begun before the first one is read on.
pub(crate) async fn peak<R: Reader>(port: u16, Size { streams, events }: Size, reader: fn(&str) -> R) -> Peak {
    let reader = |events| reader(&format!("http://127.0.0.1:{port}/flood/{events}/{PER_WRITE}"));
    // Causes the allocations that happen only once.
    let mut warm_up = reader(PER_WRITE).ask().await;
    while warm_up.next().await {}

    let reader = reader(events);
    let region = Region::new(ALLOCATOR);
    let (allocated, used, peak) = (Cell::new(0), Cell::new(0), Cell::new(Peak::default()));
    let next = async |answer: &mut R::Answer| {
        let (capacity, length) = (answer.text().capacity(), answer.text().len());
        let is_open = answer.next().await;
        allocated.set(allocated.get() + answer.text().capacity() - capacity);
        used.set(used.get() + answer.text().len() - length);
        let (live, Peak { without_texts, with_growth }) = (live(&region), peak.get());
        peak.set(Peak {
            without_texts: without_texts.max(live.saturating_sub(allocated.get())),
            with_growth: with_growth.max(live.saturating_sub(used.get())),
        });
        is_open
    };
    let answers = (0..streams).map(|_| async {
        let mut answer = reader.ask().await;
        assert!(next(&mut answer).await);
        answer
    });
    let answers = join_all(answers).await.into_iter().map(|mut answer| async {
        while next(&mut answer).await {}
        answer
    });
    // The answers are kept to the end, because their texts are subtracted.
    drop(join_all(answers).await);
    let Peak { without_texts, with_growth } = peak.get();
    Peak { without_texts: without_texts / streams, with_growth: with_growth / streams }
}

/// Ours.
pub(crate) fn ours<T: FromSettings>(base_url: &str) -> Client<T> {
    builder::<T>().base_url(base_url).build().expect("a client")
}

impl<T: Transport> Reader for Client<T> {
    type Answer = Reply<T>;

    async fn ask(&self) -> Reply<T> {
        self.create(&CreateInput::new("i", "How?"))
    }
}

impl<T: Transport> Answer for Reply<T> {
    async fn next(&mut self) -> bool {
        let event = Self::next(self).await.map(|event| event.expect("a complete answer"));
        assert!(matches!(event, Some(Event::Text(_)) | None));
        event.is_some()
    }

    fn text(&self) -> &String {
        self.answer().map_or(const { &String::new() }, |answer| &answer.text)
    }
}

/// hyper's client, which discards the bytes.
pub(crate) struct Plain {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl Plain {
    pub(crate) fn new(base_url: &str) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { client, url: format!("{base_url}{PATH}") }
    }
}

impl Reader for Plain {
    type Answer = Incoming;

    async fn ask(&self) -> Incoming {
        let request = http::Request::post(&self.url).body(Full::from(BODY)).expect("a request");
        self.client.request(request).await.expect("an answer").into_body()
    }
}

impl Answer for Incoming {
    async fn next(&mut self) -> bool {
        self.frame().await.map(|frame| frame.expect("a complete body")).is_some()
    }
}

/// reqwest, eventsource-stream and serde_json, which drop each event.
pub(crate) struct Stack {
    client: reqwest::Client,
    url: String,
}

#[derive(Deserialize)]
struct Chunk {
    #[allow(dead_code, reason = "a user's type has this field")]
    content_chunk: String,
}

impl Stack {
    pub(crate) fn new(base_url: &str) -> Self {
        Self { client: reqwest::Client::new(), url: format!("{base_url}{PATH}") }
    }
}

type Events = EventStream<Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>>;

impl Reader for Stack {
    type Answer = Events;

    async fn ask(&self) -> Events {
        let response = self.client.post(&self.url).body(BODY).send().await.expect("an answer");
        let bytes: Pin<Box<dyn Stream<Item = _>>> = Box::pin(response.bytes_stream());
        bytes.eventsource()
    }
}

impl Answer for Events {
    async fn next(&mut self) -> bool {
        let Some(event) = futures_util::StreamExt::next(self).await else { return false };
        serde_json::from_str::<Chunk>(&event.expect("a complete answer").data).expect("valid JSON");
        true
    }
}
