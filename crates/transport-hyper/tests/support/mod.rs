//! An HTTP/2 server that writes single frames, and a client that trusts it.

pub(crate) mod frame_server;

use std::time::{Duration, Instant};

use chat_conformance::Identity;
use transport_hyper::driver::{Config, TransportSettings};
use transport_hyper::sessions::CreateInput;
use transport_hyper::{Client, HyperTransport, Proxy};

/// Longer than any step of a test takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until another task has made the condition true.
pub(crate) async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < TIMEOUT, "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A client with its own pool.
pub(crate) fn client_on(identity: &Identity, url: &str, config: &Config) -> Client {
    let builder = HyperTransport::builder().proxy(Proxy::none()).root_certificates([identity.ca()]);
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(TIMEOUT);
    Client::builder()
        .base_url(url)
        .api_key("k")
        .timeouts(config.timeouts)
        .retry(config.retry)
        .limits(config.limits)
        .build_on(builder.build(&settings).unwrap())
        .unwrap()
}

/// A question with a streamed answer.
pub(crate) fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}
