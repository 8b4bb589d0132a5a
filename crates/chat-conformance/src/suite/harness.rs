//! The interface between the suite and the client under test.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use chat_client::Transport;
use chat_client::completions::CompletionInput;
use chat_client::driver::Config;
use chat_client::driver::TransportSettings;
use chat_client::sessions::{ContinueInput, CreateInput};
use chat_client::{ClientBuilder, Error};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::transcript::Transcript;
use super::wire::Wire;

/// A transport under test, with the executor that it runs on.
///
/// The suite calls its methods from many threads at once.
pub trait Harness: Sync {
    /// The transport.
    type Transport: Transport;

    /// Creates a transport that shares no connections with others.
    ///
    /// # Errors
    ///
    /// Returns the transport's error. The row fails.
    fn transport(&self, setup: &Setup) -> Result<Self::Transport, Error>;

    /// Runs a future to completion.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Returns the number of tasks that are alive on the executor, if it can count them. The suite checks that no task
    /// leaks.
    fn tasks(&self) -> Option<usize> {
        None
    }
}

/// A client under test whose calls block.
///
/// Most rows need only this. Implement it for a client without an executor, and use [`Suite::run_calls`].
///
/// The suite calls its methods from many threads at once.
///
/// [`Suite::run_calls`]: crate::Suite::run_calls
pub trait Caller: Sync {
    /// The client.
    type Client;

    /// Creates a client that shares no connections with others. [`Setup::apply`] configures a [`ClientBuilder`].
    ///
    /// # Errors
    ///
    /// Returns the client's error. The row fails.
    fn client(&self, setup: &Setup) -> Result<Self::Client, Error>;

    /// Makes a call and reads the answer, to its end or until [`TestCall::take`] events.
    fn call(&self, client: &Self::Client, call: &TestCall) -> Transcript;

    /// Returns the ids of the server's models.
    ///
    /// # Errors
    ///
    /// Returns the message of the client's error.
    fn list_models(&self, client: &Self::Client) -> Result<Vec<String>, String>;

    /// Returns the names of rows that this client cannot run, each with the reason. They are in the report.
    fn not_run(&self) -> &[(&'static str, &'static str)] {
        &[]
    }

    /// Waits. Override it if the client has tasks that run only while a thread waits for them.
    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// The TLS configuration of a suite's clients, once it is built.
pub(crate) type TlsCache = Arc<Mutex<Option<ClientConfig>>>;

/// Where a client sends its API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// In `Authorization`.
    Bearer,
    /// In this header.
    Header(&'static str),
    /// Nowhere: the client has no key.
    Nowhere,
}

/// The settings of a row's client. Its API key is `k`, if it has one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The protocol to use.
    pub wire: Wire,
    /// The base URL.
    pub base_url: String,
    /// Timeouts, retries and limits.
    pub config: Config,
    /// Headers of every request.
    pub headers: Vec<(&'static str, &'static str)>,
    pub(crate) key: KeyPlace,
    pub(crate) ca: Option<CertificateDer<'static>>,
    pub(crate) ca_pem: Option<String>,
    pub(crate) tls_cache: TlsCache,
}

impl Setup {
    /// Returns the CA certificate (DER) to trust, or `None` without TLS.
    pub fn ca(&self) -> Option<CertificateDer<'static>> {
        self.ca.clone()
    }

    /// Returns a TLS configuration for transports on rustls. It trusts only [`ca`](Self::ca), and sets no ALPN protocols.
    pub fn tls(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.ca());
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports all versions")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// Returns the TLS configuration that `build` makes from [`ca`](Self::ca). It is built once per suite, because reading
    /// the system's certificates for each of a thousand clients takes long.
    ///
    /// # Errors
    ///
    /// Returns the error of `build`.
    pub fn cached_tls<E>(
        &self,
        build: impl FnOnce(Option<CertificateDer<'static>>) -> Result<ClientConfig, E>,
    ) -> Result<ClientConfig, E> {
        let mut cache = self.tls_cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut config = match &*cache {
            Some(config) => config.clone(),
            None => cache.insert(build(self.ca())?).clone(),
        };
        // Clients do not resume each other's sessions.
        config.resumption = Resumption::default();
        Ok(config)
    }

    /// Returns the settings of the transport.
    pub fn transport_settings(&self) -> TransportSettings {
        let mut settings = TransportSettings::default();
        settings.connect_timeout = self.config.timeouts.connect;
        settings
    }

    /// Configures a client.
    pub fn apply<T>(&self, builder: ClientBuilder<T>) -> ClientBuilder<T> {
        let Config { timeouts, retry, limits, accept_unfinished, raw_chunks, .. } = self.config;
        let builder = builder.base_url(&self.base_url).timeouts(timeouts).retry(retry).limits(limits);
        let builder = builder.accept_unfinished(accept_unfinished).raw_chunks(raw_chunks);
        let builder = match self.key {
            KeyPlace::Bearer => builder.api_key("k"),
            KeyPlace::Header(name) => builder.api_key("k").api_key_header(name),
            KeyPlace::Nowhere => builder.no_api_key(),
        };
        self.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value))
    }
}

/// A call that the suite makes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestCall {
    /// The operation and its input.
    pub operation: Operation,
    /// The number of events after which the call is dropped. If `None`, the answer is read to its end.
    pub take: Option<usize>,
}

/// An operation and its input.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Creates a session.
    Create(CreateInput),
    /// Continues the session of this id.
    Continue(String, ContinueInput),
    /// Makes a chat completion.
    Complete(Box<CompletionInput>),
}

impl TestCall {
    pub(crate) fn create(stream: bool) -> Self {
        let mut input = CreateInput::new("i", "What is a chunk?");
        input.stream = stream;
        Self { operation: Operation::Create(input), take: None }
    }

    /// Returns a call with a question of this text.
    pub(crate) fn with_text(text: String) -> Self {
        Self { operation: Operation::Create(CreateInput::new("i", text)), take: None }
    }

    pub(crate) fn continue_session(session: &str, stream: bool) -> Self {
        let mut input = ContinueInput::new("i", "And then?");
        input.stream = stream;
        Self { operation: Operation::Continue(session.to_owned(), input), take: None }
    }

    pub(crate) fn complete(model: &str, stream: bool) -> Self {
        let input = CompletionInput::new(model, ["What is a chunk?"]).with_stream(stream);
        Self { operation: Operation::Complete(Box::new(input)), take: None }
    }

    /// Returns whether a call that has read this many events must be dropped.
    pub fn is_enough(&self, events: usize) -> bool {
        self.take.is_some_and(|take| events >= take)
    }
}
