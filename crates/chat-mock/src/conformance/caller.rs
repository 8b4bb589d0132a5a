//! What is tested, seen from the suite: something that makes a client, and calls.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chat_client::Transport;
use chat_client::driver::Config;
use chat_client::driver::TransportSettings;
use chat_client::sessions::{ContinueInput, CreateInput};
use chat_client::{Answer, Client, ClientBuilder, Error, Event};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Wire;
use super::host::Host;

/// A transport under test, with the executor that it is tested on.
///
/// Its methods are called from many threads at once.
pub trait Harness: Sync {
    /// The transport.
    type Transport: Transport;

    /// Makes a transport whose connections are its own.
    ///
    /// # Errors
    ///
    /// As the transport says; the row fails then.
    fn transport(&self, setup: &Setup) -> Result<Self::Transport, Error>;

    /// Runs a future to its end.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// How many tasks the executor has, where it can tell. Rows that look for leaked tasks run while nothing else does.
    fn tasks(&self) -> Option<usize> {
        None
    }
}

/// What makes calls that run to their end before they return: what most rows need, and all that a client without an executor
/// can be asked for.
///
/// Its methods are called from many threads at once.
pub trait Caller: Sync {
    /// The client.
    type Client;

    /// Makes a client whose connections are its own. [`Setup::apply`] sets what a [`ClientBuilder`] can hold.
    ///
    /// # Errors
    ///
    /// As the client says; the row fails then.
    fn client(&self, setup: &Setup) -> Result<Self::Client, Error>;

    /// Asks, and takes the answer to its end or as far as [`Question::take`] says.
    fn call(&self, client: &Self::Client, question: &Question) -> Transcript;

    /// Lets some time pass. Whoever has tasks that run only when they are waited for runs them meanwhile.
    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// What a client of one row is made for. Its API key is `k`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// What is spoken. A transport that speaks more is told by this what to offer.
    pub wire: Wire,
    /// The base URL.
    pub base_url: String,
    /// Clocks, retries and limits.
    pub config: Config,
    /// Headers that go with every request.
    pub headers: Vec<(&'static str, &'static str)>,
    pub(super) ca: Option<CertificateDer<'static>>,
}

impl Setup {
    /// The certificate of the CA that vouches for the server (DER), to be trusted; none where there is no TLS.
    pub fn ca(&self) -> Option<CertificateDer<'static>> {
        self.ca.clone()
    }

    /// The client's side of TLS for transports on rustls: it trusts that CA and no other, and names no protocol.
    pub fn tls(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.ca());
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has all versions")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// The settings that are the transport's own.
    pub fn transport_settings(&self) -> TransportSettings {
        let mut settings = TransportSettings::default();
        settings.connect_timeout = self.config.timeouts.connect;
        settings
    }

    /// Sets a client to this.
    pub fn apply<T>(&self, builder: ClientBuilder<T>) -> ClientBuilder<T> {
        let Config { timeouts, retry, limits, .. } = self.config;
        let builder = builder.base_url(&self.base_url).api_key("k").timeouts(timeouts).retry(retry).limits(limits);
        self.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value))
    }
}

/// What is asked in one call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// The operation with its input.
    pub ask: Ask,
    /// After so many events the call is dropped as it is. Without it the answer is taken to its end.
    pub take: Option<usize>,
}

/// An operation with its input.
#[derive(Clone, Debug)]
pub enum Ask {
    /// To create a session.
    Create(CreateInput),
    /// To continue the session of this id.
    Continue(String, ContinueInput),
}

impl Question {
    pub(super) fn create(stream: bool) -> Self {
        let mut input = CreateInput::new("i", "What is a chunk?");
        input.stream = stream;
        Self { ask: Ask::Create(input), take: None }
    }

    /// A question of this text.
    pub(super) fn about(text: String) -> Self {
        Self { ask: Ask::Create(CreateInput::new("i", text)), take: None }
    }

    pub(super) fn go_on(session: &str, stream: bool) -> Self {
        let mut input = ContinueInput::new("i", "And then?");
        input.stream = stream;
        Self { ask: Ask::Continue(session.to_owned(), input), take: None }
    }

    /// Whether a call that has taken this many events is to be dropped.
    pub fn is_enough(&self, events: usize) -> bool {
        self.take.is_some_and(|take| events >= take)
    }
}

/// What a call handed out.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The answer or the error; none if the call was dropped.
    pub result: Option<Result<Answer, Error>>,
}

/// The calls of a [`Harness`]: each is one future, run to its end.
pub(super) struct Blocking<'a, H> {
    pub(super) harness: &'a H,
    pub(super) host: Arc<Host>,
}

impl<H: Harness> Caller for Blocking<'_, H> {
    type Client = Client<H::Transport>;

    fn client(&self, setup: &Setup) -> Result<Self::Client, Error> {
        // A transport may want its executor's context.
        self.harness.block_on(async { setup.apply(Client::builder()).build_on(self.harness.transport(setup)?) })
    }

    fn call(&self, client: &Self::Client, question: &Question) -> Transcript {
        self.harness.block_on(async {
            let mut reply = match &question.ask {
                Ask::Create(input) => client.create(input),
                Ask::Continue(id, input) => client.continue_session(id, input),
            };
            let mut events = Vec::new();
            while let Some(Ok(event)) = reply.next().await {
                events.push(event);
                if question.is_enough(events.len()) {
                    return Transcript { events, result: None };
                }
            }
            Transcript { events, result: Some(reply.finish().await) }
        })
    }

    fn pause(&self, time: Duration) {
        // The timer is the host's; whoever waits for it may be any executor.
        self.harness.block_on(self.host.sleep(time));
    }
}
