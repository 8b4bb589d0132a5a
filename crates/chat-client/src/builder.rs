//! How a client is made.

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use chat_proto::sessions::ChatMode;
use chat_proto::{
    ApiKey, BoxError, Config, DEFAULT_BASE_URL, Endpoint, Error, ErrorKind, Limits, RetryPolicy, Timeouts,
};
use rustls_pki_types::CertificateDer;

use crate::settings::{Defaults, Settings};
use crate::{Client, FromSettings, KeySource, Transport, TransportSettings};

/// The environment variable of the API key.
pub const ENV_API_KEY: &str = "INKEEP_API_KEY";
/// The environment variable of the base URL.
pub const ENV_BASE_URL: &str = "INKEEP_API_BASE_URL";
/// The environment variable of the integration that answers.
pub const ENV_INTEGRATION_ID: &str = "INKEEP_INTEGRATION_ID";

/// The settings of a [`Client`], to be changed and built.
///
/// ```no_run
/// # fn make<T: chat_client::FromSettings>() -> Result<chat_client::Client<T>, chat_client::Error> {
/// use chat_client::{Client, Timeouts};
///
/// let client = Client::<T>::builder()
///     .env() // INKEEP_API_KEY and the others, where they are set
///     .base_url("https://proxy.example/inkeep/")
///     .user_agent_suffix("my-app/1.2")
///     .header("accept", "application/json")
///     .build()?;
/// # Ok(client)
/// # }
/// ```
#[must_use]
pub struct ClientBuilder<T> {
    /// Where it goes, checked at the end: the last word counts. With the variable that it came from.
    base_url: Option<(String, Option<&'static str>)>,
    /// What goes with it, with the first mistake in it.
    endpoint: Result<Endpoint, Error>,
    key: Option<Result<KeySource, Error>>,
    config: Config,
    defaults: Defaults,
    root_certificates: Vec<CertificateDer<'static>>,
    transport: PhantomData<fn() -> T>,
}

/// What a [`ClientBuilder`] can build a client on from settings alone: every [`FromSettings`], and drivers that have no
/// [`Transport`].
pub trait Build: Sized {
    /// The client that comes of it.
    type Client;

    /// Makes the client.
    ///
    /// # Errors
    ///
    /// What it can't be made without: certificate roots, say.
    fn build(settings: Settings) -> Result<Self::Client, Error>;
}

impl<T: FromSettings> Build for T {
    type Client = Client<T>;

    fn build(settings: Settings) -> Result<Client<T>, Error> {
        Client::make(settings, T::from_settings)
    }
}

impl<T> ClientBuilder<T> {
    /// Settings of which none is set yet, for a client that calls itself `product` in `User-Agent`: name and version, such
    /// as `transport-hyper/0.1.0`.
    pub fn new(product: &str) -> Self {
        Self {
            base_url: None,
            endpoint: Endpoint::new(DEFAULT_BASE_URL).and_then(|endpoint| endpoint.with_product(product)),
            key: None,
            config: Config::default(),
            defaults: Defaults::default(),
            root_certificates: Vec::new(),
            transport: PhantomData,
        }
    }

    /// The settings of a client, to be changed for another one.
    pub fn from_settings(settings: &Settings) -> Self {
        Self {
            base_url: None,
            endpoint: Ok(settings.endpoint.clone()),
            key: Some(Ok(settings.key.clone())),
            config: settings.config.clone(),
            defaults: settings.defaults.clone(),
            root_certificates: settings.root_certificates.clone(),
            transport: PhantomData,
        }
    }

    /// Takes what the environment has: `INKEEP_API_KEY`, `INKEEP_API_BASE_URL`, `INKEEP_INTEGRATION_ID`. White space at
    /// both ends of a value is left out; one with nothing else counts as not set.
    pub fn env(mut self) -> Self {
        // What is no Unicode is refused later on, as what it is, rather than taken for not set: the key would go elsewhere.
        let unicode = |value: OsString| value.into_string().unwrap_or_else(|odd| odd.to_string_lossy().into_owned());
        let trimmed = |value: OsString| unicode(value).trim().to_owned();
        let variable = |name| std::env::var_os(name).map(trimmed).filter(|value| !value.is_empty());
        self.defaults.env_was_read = true;
        if let Some(key) = variable(ENV_API_KEY) {
            let key = fixed(key, "the environment variable INKEEP_API_KEY");
            self.key = Some(key.map_err(|error| from_variable(&error, ENV_API_KEY)));
        }
        if let Some(base_url) = variable(ENV_BASE_URL) {
            self.base_url = Some((base_url, Some(ENV_BASE_URL)));
        }
        if let Some(integration_id) = variable(ENV_INTEGRATION_ID) {
            self = self.integration_id(integration_id);
        }
        self
    }

    /// The API key. This, one of the callbacks or [`env`](Self::env) is needed.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(fixed(key.into(), "the client's settings"));
        self
    }

    /// Where the key comes from, as a value: for one whose [origin](KeySource::Fixed) a refusal is to name in words of one's
    /// own, say.
    pub fn key_source(mut self, source: KeySource) -> Self {
        self.key = Some(Ok(source));
        self
    }

    /// A function that is asked for the key before every attempt, so that a key may change while the client lives. What it
    /// returns is wiped once it is sent.
    pub fn api_key_fn(mut self, key: impl Fn() -> Result<String, BoxError> + Send + Sync + 'static) -> Self {
        self.key = Some(Ok(KeySource::Callback(Arc::new(key))));
        self
    }

    /// As [`api_key_fn`](Self::api_key_fn), for a key that has to be waited for. The time it takes counts as the head's.
    pub fn api_key_async<F>(mut self, key: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.key = Some(Ok(KeySource::Async(Arc::new(move || Box::pin(key())))));
        self
    }

    /// The base URL, with or without a path prefix; the service's own if not set.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some((base_url.into(), None));
        self
    }

    /// Adds a header to every request; `Accept` and `User-Agent` are replaced. [`Endpoint::with_header`] says which are
    /// refused.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_header(name.as_ref(), value.as_ref()));
        self
    }

    /// Puts a program's name and version, such as `my-app/1.2`, behind the client's own in `User-Agent`.
    pub fn user_agent_suffix(mut self, product: impl AsRef<str>) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_user_agent_suffix(product.as_ref()));
        self
    }

    /// How long to wait for what. The connect timeout is the transport's, fixed when it is made.
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

    /// Trusts these CAs too, such as a company's own, beside the default ones. A transport's module `tls` reads them from a
    /// file: `tls::pem_file`. Like the connect timeout they are the transport's, fixed when it is made.
    pub fn root_certificates(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.root_certificates.extend(roots);
        self
    }

    /// The integration that answers in [`Client::default_session`].
    pub fn integration_id(mut self, integration_id: impl Into<String>) -> Self {
        self.defaults.integration_id = Some(integration_id.into());
        self
    }

    /// How much effort goes into the answers of sessions, unless they say otherwise; the server decides if not set.
    pub fn chat_mode(mut self, chat_mode: impl Into<ChatMode>) -> Self {
        self.defaults.chat_mode = Some(chat_mode.into());
        self
    }

    /// Whether sessions ask for streams, unless they say otherwise. They do, by default.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.defaults.streaming = streaming;
        self
    }

    /// The settings, checked.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting, if one is missing or no good.
    pub fn settings(self) -> Result<Settings, Error> {
        let missing = || Error::invalid_request("api_key", self.defaults.missing(ENV_API_KEY));
        let key = self.key.ok_or_else(missing)??;
        let mut endpoint = self.endpoint?;
        if let Some((base_url, variable)) = &self.base_url {
            let named = |error: Error| variable.map_or(error.clone(), |variable| from_variable(&error, variable));
            endpoint = endpoint.with_base_url(base_url).map_err(named)?;
        }
        let Self { config, defaults, root_certificates, .. } = self;
        Ok(Settings { endpoint, key, config, defaults, root_certificates })
    }
}

impl<T: Build> ClientBuilder<T> {
    /// Makes the client, and its transport from the settings.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting, if one is missing or no good; what
    /// [`Build::build`] says.
    pub fn build(self) -> Result<T::Client, Error> {
        T::build(self.settings()?)
    }
}

impl<T: Transport> ClientBuilder<T> {
    /// Makes the client on a transport that `make` makes from the client's settings: one with options of its own.
    ///
    /// # Errors
    ///
    /// As [`build_on`](Self::build_on), and what `make` says.
    pub fn build_with(self, make: impl FnOnce(&TransportSettings) -> Result<T, Error>) -> Result<Client<T>, Error> {
        Client::make(self.settings()?, make)
    }

    /// Makes the client on a transport that is there already.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting, if one is missing or no good.
    pub fn build_on(self, transport: T) -> Result<Client<T>, Error> {
        Ok(Client::new(self.settings()?, transport))
    }
}

fn fixed(key: String, origin: &'static str) -> Result<KeySource, Error> {
    Ok(KeySource::Fixed { key: ApiKey::new(key)?, origin })
}

/// The same error, saying which variable the value came from.
fn from_variable(error: &Error, variable: &str) -> Error {
    match error.kind() {
        ErrorKind::InvalidRequest { field, reason } => Error::invalid_request(
            field.clone(),
            format!("{reason} (it came from the environment variable {variable})"),
        ),
        _ => error.clone(),
    }
}

impl<T> fmt::Debug for ClientBuilder<T> {
    /// Values of headers may be secrets, and a base URL that is not checked yet may hold one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("key", &self.key)
            .field("config", &self.config)
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}
