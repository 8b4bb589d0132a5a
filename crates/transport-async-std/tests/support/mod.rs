//! Shared by the tests: mock servers, which run on tokio, and their clients.
#![allow(dead_code, reason = "each test file uses a part")]

use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_std::task;
use chat_conformance::{Harness, Setup};
use chat_mock::{ScriptServer, ScriptedReply as Scripted};
use tokio::runtime::Runtime;
use transport_async_std::driver::{Config, FromSettings, TransportSettings};
use transport_async_std::rustls::ClientConfig;
use transport_async_std::rustls::pki_types::CertificateDer;
use transport_async_std::sessions::CreateInput;
use transport_async_std::{AsyncStdTransport, Backend, Client, Error, tls};

/// Longer than any test may take.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The runtime of the servers.
pub(crate) static SERVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

pub(crate) fn serve(replies: Vec<Scripted>) -> ScriptServer {
    let _inside = SERVERS.enter();
    ScriptServer::start(replies).unwrap()
}

/// Runs a test on async-std with a timeout.
pub(crate) fn run(test: impl Future<Output = ()>) {
    task::block_on(async_std::future::timeout(LONG, test)).expect("the test hangs");
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "timed out waiting for {what}");
        task::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn settings() -> TransportSettings {
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(LONG);
    settings
}

pub(crate) fn plain() -> AsyncStdTransport {
    AsyncStdTransport::from_settings(&settings()).unwrap()
}

/// TLS that also trusts this CA.
pub(crate) fn trusting(ca: CertificateDer<'static>) -> ClientConfig {
    tls::config([ca], None).unwrap()
}

pub(crate) fn client_on(transport: &AsyncStdTransport, url: &str, config: &Config) -> Client {
    Client::builder()
        .base_url(url)
        .api_key("k")
        .timeouts(config.timeouts)
        .retry(config.retry)
        .limits(config.limits)
        .build_on(transport.clone())
        .unwrap()
}

/// A client without retries.
pub(crate) fn once(transport: &AsyncStdTransport, url: &str) -> Client {
    let mut config = Config::default();
    config.retry.max_retries = 0;
    client_on(transport, url, &config)
}

/// A question for a streamed answer.
pub(crate) fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a chunk?");
    input.stream = true;
    input
}

/// The texts of an error and its sources.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!("; {cause}");
        source = cause.source();
    }
    text
}

/// The harness of the conformance suite: async-std, and a transport over our backend.
pub(crate) struct OurBackend(pub(crate) fn(Backend) -> AsyncStdTransport);

impl Harness for OurBackend {
    type Transport = AsyncStdTransport;

    fn transport(&self, setup: &Setup) -> Result<AsyncStdTransport, Error> {
        let settings = setup.transport_settings();
        let tls = setup.cached_tls(|ca| tls::config(ca, None))?;
        Ok((self.0)(Backend::with_tls(&settings, tls)?))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        task::block_on(future)
    }
}
