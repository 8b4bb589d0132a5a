//! Counts the memory of streams that are read at full speed: the buffers between a socket and the events.

use std::cell::Cell;

use chat_bench::clients::{Events, MessageChunk, Pooled, Stack};
use chat_client::driver::FromSettings;
use chat_client::sessions::CreateInput;
use chat_client::{Client, Event, Reply, Transport};
use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
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

/// Discards the bytes.
impl Reader for Pooled {
    type Answer = Incoming;

    async fn ask(&self) -> Incoming {
        self.ask().await
    }
}

impl Answer for Incoming {
    async fn next(&mut self) -> bool {
        self.frame().await.map(|frame| frame.expect("a complete body")).is_some()
    }
}

/// Drops each event.
impl Reader for Stack {
    type Answer = Events;

    async fn ask(&self) -> Events {
        self.ask().await
    }
}

impl Answer for Events {
    async fn next(&mut self) -> bool {
        let Some(event) = futures_util::StreamExt::next(self).await else { return false };
        serde_json::from_str::<MessageChunk>(&event.expect("a complete answer").data).expect("valid JSON");
        true
    }
}
