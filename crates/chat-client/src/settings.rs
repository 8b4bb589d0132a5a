//! The checked settings of a client.

use chat_proto::sessions::ChatMode;
use chat_proto::{Config, Endpoint};
use rustls_pki_types::CertificateDer;

use crate::key::KeySource;

/// Environment variable with the API key.
pub const ENV_API_KEY: &str = "INKEEP_API_KEY";
/// Environment variable with the base URL.
pub const ENV_BASE_URL: &str = "INKEEP_API_BASE_URL";
/// Environment variable with the API key of OpenAI's clients.
pub const ENV_OPENAI_API_KEY: &str = "OPENAI_API_KEY";
/// Environment variable with the base URL of OpenAI's clients.
pub const ENV_OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";
/// The base URL of OpenAI.
pub(crate) const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";
/// Environment variable with the id of the default integration.
pub const ENV_INTEGRATION_ID: &str = "INKEEP_INTEGRATION_ID";

/// The checked settings of a client. Made by [`ClientBuilder::settings`](crate::ClientBuilder::settings).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Base URL and headers of all requests.
    pub endpoint: Endpoint,
    /// Source of the API key.
    pub key: KeySource,
    /// Timeouts, retry policy and limits.
    pub config: Config,
    /// Defaults of new sessions.
    pub defaults: Defaults,
    /// Additional CA certificates to trust.
    pub root_certificates: Vec<CertificateDer<'static>>,
}

/// Default settings of a client's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Defaults {
    /// Id of the integration that answers.
    pub integration_id: Option<String>,
    /// Chat mode of new sessions. `None` lets the server decide.
    pub chat_mode: Option<ChatMode>,
    /// Whether sessions request streamed answers.
    pub streaming: bool,
    /// Whether the environment was read.
    pub(crate) env_was_read: bool,
}

impl Defaults {
    /// The reason for an error about a missing setting that an environment variable may provide.
    pub(crate) fn missing(&self, variable: &str) -> String {
        missing(variable, self.env_was_read)
    }
}

/// The reason for an error about a missing setting that this environment variable may provide.
pub(crate) fn missing(variable: &str, was_read: bool) -> String {
    if was_read {
        format!("is missing: the environment variable {variable} is not set")
    } else {
        format!("is not set; set it, or call `env()` to read {variable}")
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self { integration_id: None, chat_mode: None, streaming: true, env_was_read: false }
    }
}
