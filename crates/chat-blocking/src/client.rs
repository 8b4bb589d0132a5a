//! The client.

use transport_smol::driver::{Build, Settings};
use transport_smol::sessions::{ContinueInput, CreateInput};
use transport_smol::{ClientBuilder, Error, SmolTransport};

use crate::{Reply, Session};

/// Name and version for `User-Agent`.
const PRODUCT: &str = concat!("chat-blocking/", env!("CARGO_PKG_VERSION"));

/// A client of the chat API whose calls block. Cheap to clone; clones share connections, and may be used from many threads.
#[derive(Clone, Debug)]
pub struct Client(transport_smol::Client);

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

    /// The settings of a client, to be changed and built.
    pub fn builder() -> ClientBuilder<Self> {
        ClientBuilder::new(PRODUCT)
    }

    /// A client on a transport of your own: other roots, a client certificate, another proxy. [`ClientBuilder::settings`]
    /// makes the settings. The connect timeout is the transport's.
    ///
    /// ```
    /// # fn main() -> Result<(), chat_blocking::Error> {
    /// # let private_ca = Vec::new();
    /// use chat_blocking::{AsyncIo, Client, Connector, Proxy, SmolTransport, tls};
    ///
    /// let settings = Client::builder().api_key("k").settings()?;
    /// let connector = Connector::new(AsyncIo, tls::config(private_ca, None)?, settings.config.timeouts.connect);
    /// let transport = SmolTransport::with_connector(connector.via(Proxy::from_env())?);
    /// let client = Client::new(settings, transport);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(settings: Settings, transport: SmolTransport) -> Self {
        Self(transport_smol::Client::new(settings, transport))
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
    pub fn with(&self, change: impl FnOnce(ClientBuilder<Self>) -> ClientBuilder<Self>) -> Result<Self, Error> {
        let settings = change(ClientBuilder::from_settings(self.settings())).settings()?;
        Ok(Self::new(settings, self.0.transport().clone()))
    }

    /// What the client was set to.
    pub fn settings(&self) -> &Settings {
        self.0.settings()
    }

    /// Creates a session with its first message. Nothing is sent before the reply is asked for its first item; a request
    /// that is refused is that item.
    pub fn create(&self, input: &CreateInput) -> Reply {
        Reply::new(self.0.create(input))
    }

    /// Continues a session with one more message. As [`create`](Self::create) otherwise.
    pub fn continue_session(&self, chat_session_id: &str, input: &ContinueInput) -> Reply {
        Reply::new(self.0.continue_session(chat_session_id, input))
    }

    /// A conversation that remembers its session: its first question creates it, the next continue it.
    pub fn session(&self, integration_id: impl Into<String>) -> Session {
        Session(self.0.session(integration_id))
    }

    /// A conversation with the integration that the client was set to.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if there is none.
    pub fn default_session(&self) -> Result<Session, Error> {
        self.0.default_session().map(Session)
    }

    pub(crate) fn inner(&self) -> &transport_smol::Client {
        &self.0
    }
}

impl Build for Client {
    type Client = Self;

    fn build(settings: Settings) -> Result<Self, Error> {
        SmolTransport::build(settings).map(Self)
    }
}
