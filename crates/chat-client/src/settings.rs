//! What a client was set to, checked.

use chat_proto::sessions::ChatMode;
use chat_proto::{Config, Endpoint};
use rustls_pki_types::CertificateDer;

use crate::KeySource;

/// The checked settings of a client, whatever drives it. Made by [`ClientBuilder::settings`](crate::ClientBuilder::settings).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where requests go, with the headers that go with them.
    pub endpoint: Endpoint,
    /// Where the key comes from.
    pub key: KeySource,
    /// Clocks, retries and bounds.
    pub config: Config,
    /// What sessions begin with.
    pub defaults: Defaults,
    /// Certificates of CAs to trust beside the default ones.
    pub root_certificates: Vec<CertificateDer<'static>>,
}

/// What sessions of a client begin with, unless they are told otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Defaults {
    /// The integration that answers.
    pub integration_id: Option<String>,
    /// How much effort goes into an answer.
    pub chat_mode: Option<ChatMode>,
    /// Whether answers are to be streamed.
    pub streaming: bool,
    /// Whether what is missing was looked for in the environment.
    pub(crate) env_was_read: bool,
}

impl Defaults {
    /// Why a setting is missing that may come from a variable.
    pub(crate) fn missing(&self, variable: &str) -> String {
        if self.env_was_read {
            format!("is missing: the environment variable {variable} is not set")
        } else {
            format!("is not set; {variable} would be read by `env()`")
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self { integration_id: None, chat_mode: None, streaming: true, env_was_read: false }
    }
}
