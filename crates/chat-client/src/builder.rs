//! The builder of a client's settings.

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

use crate::key::KeySource;
use crate::settings::{
    Defaults, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, ENV_OPENAI_API_KEY, ENV_OPENAI_BASE_URL, OPENAI_BASE_URL,
    Settings, missing,
};

/// Builder of a [`Client`](crate::Client).
///
/// ```no_run
/// # fn make<T: chat_client::driver::FromSettings>() -> Result<chat_client::Client<T>, chat_client::Error> {
/// use chat_client::{Client, Timeouts};
///
/// let client = Client::<T>::builder()
///     .env() // INKEEP_API_KEY and the other variables, if set
///     .base_url("https://proxy.example/inkeep/")
///     .user_agent_suffix("my-app/1.2")
///     .header("accept", "application/json")
///     .build()?;
/// # Ok(client)
/// # }
/// ```
#[must_use]
pub struct ClientBuilder<T> {
    /// The last base URL that was set, checked in `settings`, with the environment variable that it came from.
    base_url: Option<(String, Option<&'static str>)>,
    /// The headers, or the first error in them.
    endpoint: Result<Endpoint, Error>,
    key: Option<Result<KeySource, Error>>,
    /// The environment variable that was read for the key.
    key_variable: Option<&'static str>,
    config: Config,
    defaults: Defaults,
    root_certificates: Vec<CertificateDer<'static>>,
    transport: PhantomData<fn() -> T>,
}

/// A client that [`ClientBuilder::build`] can create from settings alone. It is implemented for every
/// [`FromSettings`](crate::driver::FromSettings), and by drivers without a [`Transport`](crate::Transport).
pub trait Build: Sized {
    /// Type of the client.
    type Client;

    /// Creates the client.
    ///
    /// # Errors
    ///
    /// The client can't be created, e.g. because there are no certificate roots.
    fn build(settings: Settings) -> Result<Self::Client, Error>;
}

impl<T> ClientBuilder<T> {
    /// Creates a builder with default settings. `product` is the client's name and version in `User-Agent`, such as
    /// `transport-hyper/0.1.0`.
    pub fn new(product: &str) -> Self {
        Self {
            base_url: None,
            endpoint: Endpoint::new(DEFAULT_BASE_URL).and_then(|endpoint| endpoint.with_product(product)),
            key: None,
            key_variable: None,
            config: Config::default(),
            defaults: Defaults::default(),
            root_certificates: Vec::new(),
            transport: PhantomData,
        }
    }

    /// Creates a builder with the settings of an existing client.
    pub fn from_settings(settings: &Settings) -> Self {
        Self {
            base_url: None,
            endpoint: Ok(settings.endpoint.clone()),
            key: Some(Ok(settings.key.clone())),
            key_variable: None,
            config: settings.config.clone(),
            defaults: settings.defaults.clone(),
            root_certificates: settings.root_certificates.clone(),
            transport: PhantomData,
        }
    }

    /// Reads the environment variables `INKEEP_API_KEY`, `INKEEP_API_BASE_URL` and `INKEEP_INTEGRATION_ID`. White space at
    /// both ends of a value is removed. An empty variable counts as not set.
    pub fn env(mut self) -> Self {
        self.defaults.env_was_read = true;
        self = self.read_env(&INKEEP, &OPENAI);
        if let Some(integration_id) = variable(ENV_INTEGRATION_ID) {
            self = self.integration_id(integration_id);
        }
        self
    }

    /// Reads the environment variables of OpenAI's clients: `OPENAI_API_KEY` and `OPENAI_BASE_URL`. If the latter is not set,
    /// the base URL is that of OpenAI. A key from `INKEEP_API_KEY` is removed. Otherwise like
    /// [`env`](Self::env).
    pub fn openai_env(mut self) -> Self {
        self.base_url = Some((OPENAI.default_url.to_owned(), Some(OPENAI.base_url)));
        self.read_env(&OPENAI, &INKEEP)
    }

    /// Reads a pair of variables. A key and a base URL of the other pair are removed, so that no key goes to the other service.
    fn read_env(mut self, variables: &Variables, other: &Variables) -> Self {
        let has_other_key =
            self.key.as_ref().is_some_and(|key| key.as_ref().is_ok_and(|key| key.origin() == other.origin));
        let has_other_url = matches!(self.base_url, Some((_, Some(variable))) if variable == other.base_url);
        if has_other_key {
            self.key = None;
        }
        if has_other_key && self.base_url.is_none() || has_other_url {
            self.base_url = Some((variables.default_url.to_owned(), None));
        }
        self.key_variable = Some(variables.key);
        if let Some(value) = variable(variables.key) {
            self.key = Some(fixed(value, variables.origin).map_err(|error| from_variable(&error, variables.key)));
        }
        if let Some(value) = variable(variables.base_url) {
            self.base_url = Some((value, Some(variables.base_url)));
        }
        self
    }

    /// Sends requests without an API key, for servers that want none.
    pub fn no_api_key(self) -> Self {
        self.key_source(KeySource::None)
    }

    /// Sends the API key in this header, such as `api-key`, instead of `Authorization: Bearer`.
    pub fn api_key_header(mut self, name: impl AsRef<str>) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_key_header(name.as_ref()));
        self
    }

    /// Sets the API key.
    ///
    /// A client needs a key: set this or one of the callbacks, or call [`env`](Self::env).
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(fixed(key.into(), "the client's settings"));
        self
    }

    /// Sets the source of the API key. Use it to choose the [origin](KeySource::Fixed) that the error of a rejected key
    /// names.
    pub fn key_source(mut self, source: KeySource) -> Self {
        self.key = Some(Ok(source));
        self
    }

    /// Sets a callback for the API key. It is called before every attempt, so the key may change. Its result is wiped once
    /// it is sent.
    pub fn api_key_fn(mut self, key: impl Fn() -> Result<String, BoxError> + Send + Sync + 'static) -> Self {
        self.key = Some(Ok(KeySource::Callback(Arc::new(key))));
        self
    }

    /// Sets an async callback for the API key. Otherwise like [`api_key_fn`](Self::api_key_fn). The time it takes counts
    /// towards the head timeout. For a future that is not `Send`, see [`LocalKey`](crate::LocalKey).
    pub fn api_key_async<F>(mut self, key: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.key = Some(Ok(KeySource::Async(Arc::new(move || Box::pin(key())))));
        self
    }

    /// Sets the base URL, with or without a path prefix. The default is the URL of the Inkeep service. [`Endpoint`] says how
    /// sessions and chats use it.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some((base_url.into(), None));
        self
    }

    /// Adds a header to every request. `Accept` and `User-Agent` replace the client's own. [`Endpoint::with_header`] lists
    /// the headers that are rejected.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_header(name.as_ref(), value.as_ref()));
        self
    }

    /// Appends a program's name and version, such as `my-app/1.2`, to `User-Agent`.
    pub fn user_agent_suffix(mut self, product: impl AsRef<str>) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_user_agent_suffix(product.as_ref()));
        self
    }

    /// Sets the timeouts. The connect timeout only applies to a transport that is created with this client.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// Sets the retry policy.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.config.retry = retry;
        self
    }

    /// Sets the memory limits of an answer.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets whether a chat completion is also complete if its stream ends in order, but without a finish reason. Default:
    /// `false`. See [`Config::accept_unfinished`].
    pub fn accept_unfinished(mut self, accept_unfinished: bool) -> Self {
        self.config.accept_unfinished = accept_unfinished;
        self
    }

    /// Sets whether the JSON of each chunk of a chat completion is also returned. Default: `false`. See
    /// [`Config::raw_chunks`].
    pub fn raw_chunks(mut self, raw_chunks: bool) -> Self {
        self.config.raw_chunks = raw_chunks;
        self
    }

    /// Adds CA certificates to trust, such as a company's own. To read them from a file, use the transport's
    /// `tls::pem_file`. They only apply to a transport that is created with this client.
    pub fn root_certificates(mut self, roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        self.root_certificates.extend(roots);
        self
    }

    /// Sets the integration of [`Client::default_session`](crate::Client::default_session).
    pub fn integration_id(mut self, integration_id: impl Into<String>) -> Self {
        self.defaults.integration_id = Some(integration_id.into());
        self
    }

    /// Sets the default chat mode of sessions. If it is not set, the server decides.
    pub fn chat_mode(mut self, chat_mode: impl Into<ChatMode>) -> Self {
        self.defaults.chat_mode = Some(chat_mode.into());
        self
    }

    /// Sets whether sessions request streamed answers by default. The default is `true`.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.defaults.streaming = streaming;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming the setting that is missing or invalid.
    pub fn settings(self) -> Result<Settings, Error> {
        let no_key = || {
            Error::invalid_request(
                "api_key",
                missing(self.key_variable.unwrap_or(ENV_API_KEY), self.key_variable.is_some()),
            )
        };
        let key = self.key.ok_or_else(no_key)??;
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
    /// Creates the client and its transport.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming the setting that is missing or invalid, and the
    /// errors of [`Build::build`].
    pub fn build(self) -> Result<T::Client, Error> {
        T::build(self.settings()?)
    }
}

/// The environment variables of a service.
struct Variables {
    key: &'static str,
    /// The origin of a key from `key`.
    origin: &'static str,
    base_url: &'static str,
    default_url: &'static str,
}

const INKEEP: Variables = Variables {
    key: ENV_API_KEY,
    origin: "the environment variable INKEEP_API_KEY",
    base_url: ENV_BASE_URL,
    default_url: DEFAULT_BASE_URL,
};

const OPENAI: Variables = Variables {
    key: ENV_OPENAI_API_KEY,
    origin: "the environment variable OPENAI_API_KEY",
    base_url: ENV_OPENAI_BASE_URL,
    default_url: OPENAI_BASE_URL,
};

/// The value of an environment variable, trimmed. `None` if it is not set or empty.
///
/// A value that is not Unicode is kept, and rejected later. If it counted as not set, the key might go to another server.
fn variable(name: &str) -> Option<String> {
    let value: OsString = std::env::var_os(name)?;
    let value = value.into_string().unwrap_or_else(|bytes| bytes.to_string_lossy().into_owned());
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn fixed(key: String, origin: &'static str) -> Result<KeySource, Error> {
    Ok(KeySource::Fixed { key: ApiKey::new(key)?, origin })
}

/// Adds the name of the environment variable that the value came from.
fn from_variable(error: &Error, variable: &str) -> Error {
    match error.kind() {
        ErrorKind::InvalidRequest { field, reason } => {
            Error::invalid_request(field.clone(), format!("{reason} (from the environment variable {variable})"))
        }
        _ => error.clone(),
    }
}

impl<T> fmt::Debug for ClientBuilder<T> {
    /// Omits headers and the unchecked base URL: they may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("key", &self.key)
            .field("config", &self.config)
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}
