//! Shared by the tests.
#![allow(dead_code, reason = "no test uses all of it")]

use std::thread;
use std::time::{Duration, Instant};

use chat_blocking::driver::Config;
use chat_blocking::sessions::CreateInput;
use chat_blocking::{Client, RetryPolicy};
use chat_mock::ScriptedReply as Script;
use tokio::runtime::{Builder, Runtime};

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The runtime of the mock servers. The client does not use it.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "timed out waiting for {what}");
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

/// A client without retries.
pub(crate) fn once(url: &str) -> Client {
    let mut config = Config::default();
    config.retry = never();
    client(url, &config)
}

/// A retry policy without retries.
pub(crate) fn never() -> RetryPolicy {
    let mut retry = RetryPolicy::default();
    retry.max_retries = 0;
    retry
}

/// A question with a streamed answer.
pub(crate) fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

/// The head of an endless stream.
pub(crate) fn stream() -> Script {
    Script::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
}
