//! What the tests of faults and of cancellation share.
#![allow(dead_code, reason = "each test file takes its part")]

pub(crate) mod gateway;
pub(crate) mod raw;
pub(crate) mod tls;

use std::time::{Duration, Instant};

use chat_mock::faults::Fault;
use transport_hyper::TransportSettings;
use transport_hyper::{Client, Config, ContinueInput, CreateInput, FromSettings, HyperTransport, Reply};

/// Longer than anything here may take.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Waits until something that another task brings about holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How many tasks the runtime of this test has.
pub(crate) fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

pub(crate) fn plain_transport() -> HyperTransport {
    HyperTransport::from_settings(&TransportSettings::default()).unwrap()
}

pub(crate) fn client_on(transport: &HyperTransport, url: &str, config: &Config) -> Client {
    Client::builder()
        .base_url(url)
        .api_key("k")
        .timeouts(config.timeouts)
        .retry(config.retry)
        .limits(config.limits)
        .build_on(transport.clone())
        .unwrap()
}

/// A question that asks for a stream.
pub(crate) fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

pub(crate) fn ask(client: &Client, fault: &Fault) -> Reply {
    let Some(session) = fault.session else { return client.create(&question()) };
    let mut input = ContinueInput::new("i", "And then?");
    input.stream = true;
    client.continue_session(session, &input)
}
