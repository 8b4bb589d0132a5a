//! What the tests share.
#![allow(dead_code, reason = "each test file takes its part")]

use std::thread;
use std::time::{Duration, Instant};

use chat_blocking::sessions::CreateInput;
use chat_blocking::{Client, Config, RetryPolicy};
use chat_mock::ScriptedReply as Script;
use tokio::runtime::{Builder, Runtime};

/// Longer than anything here may take.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The runtime of the mock servers, which the client knows nothing of.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Waits until something that another thread brings about holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} did not come about");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn client(url: &str, config: &Config) -> Client {
    Client::builder()
        .base_url(url)
        .api_key("k")
        .timeouts(config.timeouts)
        .retry(config.retry)
        .limits(config.limits)
        .build()
        .unwrap()
}

/// A client that tries once.
pub(crate) fn once(url: &str) -> Client {
    let mut config = Config::default();
    config.retry = never();
    client(url, &config)
}

/// No attempt but the first.
pub(crate) fn never() -> RetryPolicy {
    let mut retry = RetryPolicy::default();
    retry.max_retries = 0;
    retry
}

/// A question that asks for a stream.
pub(crate) fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

/// The head of an endless stream.
pub(crate) fn stream() -> Script {
    Script::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
}
