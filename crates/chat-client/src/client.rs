//! The client and how it is made.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chat_proto::{ApiKey, Config, ContinueInput, CreateInput, DEFAULT_BASE_URL, Endpoint, Error, Limits, Request};
use chat_proto::{RetryPolicy, Timeouts};

use crate::session::Asking;
use crate::transport::TransportSettings;
use crate::{FromSettings, Reply, Session, Transport};

/// The environment variable of the API key.
pub const ENV_API_KEY: &str = "INKEEP_API_KEY";
/// The environment variable of the base URL.
pub const ENV_BASE_URL: &str = "INKEEP_API_BASE_URL";

/// A client of the chat API on a transport. Cheap to clone; clones share connections.
pub struct Client<T> {
    shared: Arc<Shared<T>>,
}

pub(crate) struct Shared<T> {
    pub(crate) transport: T,
    pub(crate) key: ApiKey,
    pub(crate) config: Config,
    endpoint: Endpoint,
}

impl<T> Clone for Client<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.shared.endpoint.base_url())
            .field("key", &self.shared.key)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl<T: FromSettings> Client<T> {
    /// A client whose key is in `INKEEP_API_KEY`, and whose base URL is in `INKEEP_API_BASE_URL` if it is not the service's.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if there is no key or one of them is no good.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }
}

impl<T: Transport> Client<T> {
    /// The settings of a client, to be changed and built.
    pub fn builder() -> ClientBuilder<T> {
        ClientBuilder::new()
    }

    /// Creates a session with its first message. Nothing is sent before the reply is polled; a request that is refused is
    /// the reply's first item.
    pub fn create(&self, input: &CreateInput) -> Reply<T> {
        self.call(Request::create(&self.shared.endpoint, input), None)
    }

    /// Continues a session with one more message. As [`create`](Self::create) otherwise.
    pub fn continue_session(&self, chat_session_id: &str, input: &ContinueInput) -> Reply<T> {
        self.call(Request::continue_session(&self.shared.endpoint, chat_session_id, input), None)
    }

    /// A conversation that remembers its session: its first question creates it, the next continue it.
    pub fn session(&self, integration_id: impl Into<String>) -> Session<T> {
        Session::new(self.clone(), integration_id.into(), None)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    pub(crate) fn call(&self, request: Result<Request, Error>, asking: Option<Asking>) -> Reply<T> {
        Reply::new(Arc::clone(&self.shared), request, asking)
    }
}

/// The settings of a [`Client`].
#[derive(Debug)]
#[must_use]
pub struct ClientBuilder<T> {
    base_url: Option<String>,
    key: Option<Result<ApiKey, Error>>,
    headers: Vec<(String, String)>,
    config: Config,
    transport: PhantomData<fn() -> T>,
}

impl<T: Transport> ClientBuilder<T> {
    fn new() -> Self {
        Self { base_url: None, key: None, headers: Vec::new(), config: Config::default(), transport: PhantomData }
    }

    /// Takes what the environment has: `INKEEP_API_KEY`, `INKEEP_API_BASE_URL`.
    pub fn env(mut self) -> Self {
        // A variable that is set to nothing is one that is not set.
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        if let Some(key) = variable(ENV_API_KEY) {
            self = self.api_key(key);
        }
        if let Some(base_url) = variable(ENV_BASE_URL) {
            self = self.base_url(base_url);
        }
        self
    }

    /// The API key. Needed.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(ApiKey::new(key));
        self
    }

    /// The base URL, with or without a path prefix; the service's own if not set.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// Adds a header to every request. [`Endpoint::with_header`] says which are refused.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long to wait for what.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// What to try again, how often and when.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.config.retry = retry;
        self
    }

    /// What an answer may hold in memory.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Makes the client, and its transport from the settings.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting, if one is missing or no good; what
    /// [`FromSettings`] says.
    pub fn build(self) -> Result<Client<T>, Error>
    where
        T: FromSettings,
    {
        let settings = TransportSettings { connect_timeout: self.config.timeouts.connect };
        let transport = T::from_settings(&settings)?;
        self.build_on(transport)
    }

    /// Makes the client on a transport of one's own.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting, if one is missing or no good.
    pub fn build_on(self, transport: T) -> Result<Client<T>, Error> {
        let missing =
            || Error::invalid_request("api_key", format!("is not set; {ENV_API_KEY} would be read by `env()`"));
        let key = self.key.ok_or_else(missing)??;
        let base_url = self.base_url.as_deref().unwrap_or(DEFAULT_BASE_URL);
        let endpoint = Endpoint::new(base_url)?.with_product(T::PRODUCT)?;
        let endpoint = self.headers.iter().try_fold(endpoint, |all, (name, value)| all.with_header(name, value))?;
        Ok(Client { shared: Arc::new(Shared { transport, key, config: self.config, endpoint }) })
    }
}
