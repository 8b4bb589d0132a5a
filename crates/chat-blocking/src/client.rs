//! The client.

use std::future::Future as _;
use std::pin::pin;

use transport_smol::completions::{CompletionInput, Model};
use transport_smol::driver::{Build, Settings};
use transport_smol::sessions::{ContinueInput, CreateInput};
use transport_smol::{ClientBuilder, Error, SmolTransport};

use crate::block_on::block_on;
use crate::reply::Reply;

/// Name and version for `User-Agent`.
const PRODUCT: &str = concat!("chat-blocking/", env!("CARGO_PKG_VERSION"));

/// A client of the chat API whose calls block. It is cheap to clone, clones share connections, and many threads can use it.
#[derive(Clone, Debug)]
pub struct Client(transport_smol::Client);

impl Client {
    /// Creates a client from environment variables: the API key from `INKEEP_API_KEY`, the base URL from
    /// `INKEEP_API_BASE_URL` (optional), and the integration of [`default_session`](Self::default_session) from
    /// `INKEEP_INTEGRATION_ID` (optional).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the key is missing or a value is invalid.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }

    /// Creates a client for chat completions from the environment variables of OpenAI's clients: the API key from
    /// `OPENAI_API_KEY`, and the base URL from `OPENAI_BASE_URL` (optional).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the key is missing or a value is invalid.
    pub fn openai_from_env() -> Result<Self, Error> {
        Self::builder().openai_env().build()
    }

    /// Returns a builder with default settings.
    pub fn builder() -> ClientBuilder<Self> {
        ClientBuilder::new(PRODUCT)
    }

    /// Creates a client on an existing transport. Use it for other certificate roots, a client certificate or another
    /// proxy. [`ClientBuilder::settings`] makes the settings. Their connect timeout is not used: the transport has its own.
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

    /// Creates a client with changed settings on the same connections. Use it for calls that need other settings.
    ///
    /// ```
    /// # use chat_blocking::sessions::CreateInput;
    /// # use chat_blocking::{Client, Error, Reply};
    /// # fn ask(client: &Client, input: &CreateInput) -> Result<Reply, Error> {
    /// let traced = client.with(|settings| settings.header("x-trace", "7f"))?;
    /// let reply = traced.create(input);
    /// # Ok(reply)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) naming the setting that is invalid.
    pub fn with(&self, change: impl FnOnce(ClientBuilder<Self>) -> ClientBuilder<Self>) -> Result<Self, Error> {
        let settings = change(ClientBuilder::from_settings(self.settings())).settings()?;
        Ok(Self::new(settings, self.transport().clone()))
    }

    /// Returns the client's settings.
    pub fn settings(&self) -> &Settings {
        self.0.settings()
    }

    /// Returns the client's transport.
    pub fn transport(&self) -> &SmolTransport {
        self.0.transport()
    }

    /// Creates a session with its first message. Nothing is sent until the reply is read. If the request is invalid, the
    /// reply's first item is the error.
    pub fn create(&self, input: &CreateInput) -> Reply {
        Reply::new(self.0.create(input))
    }

    /// Continues a session with another message. Otherwise like [`create`](Self::create).
    pub fn continue_session(&self, chat_session_id: &str, input: &ContinueInput) -> Reply {
        Reply::new(self.0.continue_session(chat_session_id, input))
    }

    /// Makes a chat completion, without a history. Otherwise like [`create`](Self::create). For a conversation, use
    /// [`chat`](Self::chat).
    pub fn complete(&self, input: &CompletionInput) -> Reply {
        Reply::new(self.0.complete(input))
    }

    /// Returns the models of the server.
    ///
    /// # Errors
    ///
    /// The errors of any call.
    pub fn list_models(&self) -> Result<Vec<Model>, Error> {
        let mut models = pin!(self.0.list_models());
        block_on(|cx| models.as_mut().poll(cx))?
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
