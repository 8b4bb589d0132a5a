//! The client.

use std::fmt;
use std::sync::Arc;

use chat_proto::completions::{CompletionInput, Model};
use chat_proto::sessions::{ContinueInput, CreateInput};
use chat_proto::{Error, Request};

use crate::builder::{Build, ClientBuilder};
use crate::reply::Reply;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::transport::{FromSettings, Transport, TransportSettings};
use crate::turn::PendingTurn;

/// A client of the chat API on a transport. It is cheap to clone, and clones share connections.
pub struct Client<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Client<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { endpoint, key, config, defaults, .. } = &self.shared.settings;
        f.debug_struct("Client")
            .field("base_url", &endpoint.base_url())
            .field("key", key)
            .field("config", config)
            .field("defaults", defaults)
            .finish_non_exhaustive()
    }
}

impl<T: FromSettings> Client<T> {
    /// Creates a client from environment variables: the API key from `INKEEP_API_KEY`, the base URL from
    /// `INKEEP_API_BASE_URL` (optional), and the integration of [`default_session`](Self::default_session) from
    /// `INKEEP_INTEGRATION_ID` (optional).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if the key is missing or a value is invalid.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }

    /// Creates a client for chat completions from the environment variables of OpenAI's clients: the API key from
    /// `OPENAI_API_KEY`, and the base URL from `OPENAI_BASE_URL` (optional).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if the key is missing or a value is invalid.
    pub fn openai_from_env() -> Result<Self, Error> {
        Self::builder().openai_env().build()
    }
}

impl<T: Transport> Client<T> {
    /// Returns a builder with default settings.
    pub fn builder() -> ClientBuilder<T> {
        ClientBuilder::new(T::PRODUCT)
    }

    /// Creates a client from checked settings, which [`ClientBuilder::settings`] makes. Clients with the same `Arc` share
    /// the transport's connections.
    pub fn new(settings: Settings, transport: impl Into<Arc<T>>) -> Self {
        Self { shared: Arc::new(Shared { transport: transport.into(), settings }) }
    }

    /// Creates a client with changed settings on the same connections. Use it for calls that need other settings.
    ///
    /// ```
    /// # use chat_client::sessions::CreateInput;
    /// # use chat_client::{Client, Error, Reply, RetryPolicy, Transport};
    /// # fn ask<T: Transport>(client: &Client<T>, input: &CreateInput) -> Result<Reply<T>, Error> {
    /// let once = client.with(|settings| settings.retry(RetryPolicy::default().with_max_retries(0)).header("x-trace", "7f"))?;
    /// let reply = once.create(input);
    /// # Ok(reply)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming the setting that is invalid.
    pub fn with(&self, change: impl FnOnce(ClientBuilder<T>) -> ClientBuilder<T>) -> Result<Self, Error> {
        let settings = change(ClientBuilder::from_settings(&self.shared.settings)).settings()?;
        Ok(Self::new(settings, Arc::clone(&self.shared.transport)))
    }

    /// Returns the client's settings.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Returns the client's transport.
    pub fn transport(&self) -> &T {
        &self.shared.transport
    }

    /// Creates a session with its first message. Nothing is sent until the reply is polled. If the request is invalid, the
    /// reply's first item is the error.
    pub fn create(&self, input: &CreateInput) -> Reply<T> {
        self.call(Request::create(&self.shared.settings.endpoint, input), None)
    }

    /// Continues a session with another message. Otherwise like [`create`](Self::create).
    pub fn continue_session(&self, chat_session_id: &str, input: &ContinueInput) -> Reply<T> {
        self.call(Request::continue_session(&self.shared.settings.endpoint, chat_session_id, input), None)
    }

    /// Makes a chat completion, without a history. Otherwise like [`create`](Self::create). For a conversation, use
    /// [`chat`](Self::chat).
    pub fn complete(&self, input: &CompletionInput) -> Reply<T> {
        self.call(Request::complete(&self.shared.settings.endpoint, input), None)
    }

    /// Returns the models of the server.
    ///
    /// # Errors
    ///
    /// The errors of any call.
    pub async fn list_models(&self) -> Result<Vec<Model>, Error> {
        let answer = self.call(Request::models(&self.shared.settings.endpoint), None).finish().await?;
        Ok(Model::list(&answer.text))
    }

    pub(crate) fn make(
        settings: Settings,
        make: impl FnOnce(&TransportSettings) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let transport = make(&TransportSettings {
            connect_timeout: settings.config.timeouts.connect,
            base_url: settings.endpoint.base_url().parse().ok(),
            root_certificates: settings.root_certificates.clone(),
        })?;
        Ok(Self::new(settings, transport))
    }

    /// Starts the call of a conversation.
    pub(crate) fn start(&self, asked: Result<(Request, PendingTurn), Error>) -> Reply<T> {
        match asked {
            Ok((request, turn)) => self.call(Ok(request), Some(turn)),
            Err(error) => self.call(Err(error), None),
        }
    }

    /// Starts a call. If `request` is an error, it is the reply's first item. `turn` records the events and the outcome.
    pub(crate) fn call(&self, request: Result<Request, Error>, turn: Option<PendingTurn>) -> Reply<T> {
        Reply::new(Arc::clone(&self.shared), request, turn)
    }
}

impl<T: FromSettings> Build for T {
    type Client = Client<T>;

    fn build(settings: Settings) -> Result<Client<T>, Error> {
        Client::make(settings, T::from_settings)
    }
}

impl<T: Transport> ClientBuilder<T> {
    /// Creates the client on a transport that `make` creates from the client's settings. Use it for a transport with
    /// options of its own.
    ///
    /// # Errors
    ///
    /// The errors of [`build_on`](Self::build_on) and of `make`.
    pub fn build_with(self, make: impl FnOnce(&TransportSettings) -> Result<T, Error>) -> Result<Client<T>, Error> {
        Client::make(self.settings()?, make)
    }

    /// Creates the client on an existing transport.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) naming the setting that is missing or invalid.
    pub fn build_on(self, transport: T) -> Result<Client<T>, Error> {
        Ok(Client::new(self.settings()?, transport))
    }
}
