//! A server of frames, and a client that trusts it.

pub(crate) mod raw;

use std::time::{Duration, Instant};

use chat_conformance::Identity;
use transport_hyper::sessions::CreateInput;
use transport_hyper::{Client, Config, HyperTransport, Proxy, TransportSettings};

/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(30);

/// Waits until something that another task brings about holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A client with a pool of its own.
pub(crate) fn client_on(identity: &Identity, url: &str, config: &Config) -> Client {
    let builder = HyperTransport::builder().proxy(Proxy::none()).root_certificates([identity.ca()]);
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(LONG);
    Client::builder()
        .base_url(url)
        .api_key("k")
        .timeouts(config.timeouts)
        .retry(config.retry)
        .limits(config.limits)
        .build_on(builder.build(&settings).unwrap())
        .unwrap()
}

/// A question that asks for a stream.
pub(crate) fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}
