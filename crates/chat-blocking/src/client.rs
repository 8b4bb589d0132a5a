//! The client.

use std::fmt;
use std::sync::Arc;

use chat_client::{Asks, ClientBuilder, Conversation, Question, Settings};
use chat_proto::{ContinueInput, CreateInput, Error, Request};

use crate::{Connector, Reply, Session};

/// Name and version for `User-Agent`.
const PRODUCT: &str = concat!("chat-blocking/", env!("CARGO_PKG_VERSION"));

/// A client of the chat API whose calls block. Cheap to clone; clones share connections, and may be used from many threads.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) connector: Arc<Connector>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { endpoint, key, config, defaults, .. } = &self.shared.settings;
        f.debug_struct("Client")
            .field("base_url", &endpoint.base_url())
            .field("key", key)
            .field("config", config)
            .field("defaults", defaults)
            .field("connector", &self.shared.connector)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client whose key is in `INKEEP_API_KEY`, whose base URL is in `INKEEP_API_BASE_URL` if it is not the service's, and
    /// whose integration, for [`default_session`](Self::default_session), is in `INKEEP_INTEGRATION_ID`.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if there is no key or one of them is no good.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }

    /// The settings of a client, to be changed and built. An async callback for the key can't be waited for here: a client
    /// that has one refuses its calls.
    pub fn builder() -> ClientBuilder<Connector> {
        ClientBuilder::new(PRODUCT)
    }

    /// A client whose connections are another [`Connector`]'s; [`ClientBuilder::settings`] makes the settings.
    pub fn new(settings: Settings, connector: Connector) -> Self {
        Self::on(settings, Arc::new(connector))
    }

    /// A client with other settings on the same connections: for calls that need them.
    ///
    /// ```
    /// # use chat_blocking::{Client, CreateInput, Error, Reply};
    /// # fn ask(client: &Client, input: &CreateInput) -> Result<Reply, Error> {
    /// let traced = client.with(|settings| settings.header("x-trace", "7f"))?;
    /// let reply = traced.create(input);
    /// # Ok(reply)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the setting that is no good.
    pub fn with(
        &self,
        change: impl FnOnce(ClientBuilder<Connector>) -> ClientBuilder<Connector>,
    ) -> Result<Self, Error> {
        let settings = change(ClientBuilder::from_settings(self.settings())).settings()?;
        Ok(Self::on(settings, Arc::clone(&self.shared.connector)))
    }

    fn on(settings: Settings, connector: Arc<Connector>) -> Self {
        Self { shared: Arc::new(Shared { settings, connector }) }
    }

    /// What the client was set to.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Creates a session with its first message. Nothing is sent before the reply is asked for its first item; a request
    /// that is refused is that item.
    pub fn create(&self, input: &CreateInput) -> Reply {
        self.call(Request::create(&self.settings().endpoint, input), None)
    }

    /// Continues a session with one more message. As [`create`](Self::create) otherwise.
    pub fn continue_session(&self, chat_session_id: &str, input: &ContinueInput) -> Reply {
        self.call(Request::continue_session(&self.settings().endpoint, chat_session_id, input), None)
    }

    /// A conversation that remembers its session: its first question creates it, the next continue it.
    pub fn session(&self, integration_id: impl Into<String>) -> Session {
        Session::new(self.clone(), Conversation::new(integration_id, &self.settings().defaults))
    }

    /// A conversation with the integration that the client was set to.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if there is none.
    pub fn default_session(&self) -> Result<Session, Error> {
        Ok(Session::new(self.clone(), Conversation::with_default_integration(&self.settings().defaults)?))
    }
}

impl Asks for Client {
    type Reply = Reply;

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn call(&self, request: Result<Request, Error>, question: Option<Question>) -> Reply {
        Reply::new(Arc::clone(&self.shared), request, question)
    }
}
