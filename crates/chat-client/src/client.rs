//! The client.

use std::fmt;
use std::sync::Arc;

use chat_proto::sessions::{ContinueInput, CreateInput};
use chat_proto::{Error, Request};

use crate::conversation::{Conversation, PendingTurn};
use crate::settings::Settings;
use crate::{ClientBuilder, FromSettings, Reply, Session, Transport, TransportSettings};

/// A client of the chat API on a transport. Cheap to clone; clones share connections.
pub struct Client<T> {
    shared: Arc<Shared<T>>,
}

pub(crate) struct Shared<T> {
    pub(crate) transport: Arc<T>,
    pub(crate) settings: Settings,
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
    /// A client whose key is in `INKEEP_API_KEY`, whose base URL is in `INKEEP_API_BASE_URL` if it is not the service's, and
    /// whose integration, for [`default_session`](Self::default_session), is in `INKEEP_INTEGRATION_ID`.
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
        ClientBuilder::new(T::PRODUCT)
    }

    /// A client with settings that are checked already; [`ClientBuilder::settings`] makes them. Clients that are given
    /// the same `Arc` share its connections.
    pub fn new(settings: Settings, transport: impl Into<Arc<T>>) -> Self {
        Self { shared: Arc::new(Shared { transport: transport.into(), settings }) }
    }

    /// A client with other settings on the same connections: for calls that need them.
    ///
    /// ```
    /// # use chat_client::{Client, CreateInput, Error, Reply, RetryPolicy, Transport};
    /// # fn ask<T: Transport>(client: &Client<T>, input: &CreateInput) -> Result<Reply<T>, Error> {
    /// let once = client.with(|settings| settings.retry(RetryPolicy::default().with_max_retries(0)).header("x-trace", "7f"))?;
    /// let reply = once.create(input);
    /// # Ok(reply)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming the setting that is no good.
    pub fn with(&self, change: impl FnOnce(ClientBuilder<T>) -> ClientBuilder<T>) -> Result<Self, Error> {
        let settings = change(ClientBuilder::from_settings(&self.shared.settings)).settings()?;
        Ok(Self::new(settings, Arc::clone(&self.shared.transport)))
    }

    /// What the client was set to.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The transport it runs on.
    pub fn transport(&self) -> &T {
        &self.shared.transport
    }

    /// Creates a session with its first message. Nothing is sent before the reply is polled; a request that is refused is
    /// the reply's first item.
    pub fn create(&self, input: &CreateInput) -> Reply<T> {
        self.call(Request::create(&self.shared.settings.endpoint, input), None)
    }

    /// Continues a session with one more message. Otherwise as [`create`](Self::create).
    pub fn continue_session(&self, chat_session_id: &str, input: &ContinueInput) -> Reply<T> {
        self.call(Request::continue_session(&self.shared.settings.endpoint, chat_session_id, input), None)
    }

    /// A conversation that remembers its session: its first question creates it, the next continue it.
    pub fn session(&self, integration_id: impl Into<String>) -> Session<T> {
        Session::new(self.clone(), Conversation::new(integration_id, &self.shared.settings.defaults))
    }

    /// A conversation with the integration that the client was set to.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest) if there is none.
    pub fn default_session(&self) -> Result<Session<T>, Error> {
        let conversation = Conversation::with_default_integration(&self.shared.settings.defaults)?;
        Ok(Session::new(self.clone(), conversation))
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

    /// Begins a call. A refused request is the reply's first item. The question of a session is told what comes.
    pub(crate) fn call(&self, request: Result<Request, Error>, question: Option<PendingTurn>) -> Reply<T> {
        Reply::new(Arc::clone(&self.shared), request, question)
    }
}
