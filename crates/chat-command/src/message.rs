//! The messages of errors, with the names of the command's flags.

use chat_client::{Error, ErrorKind};

/// The message of an error with its sources. It names the setting as the user of the command knows it.
pub(crate) fn message(error: &Error, names: &Names) -> String {
    let text = format!("{error:#}");
    match error.kind() {
        ErrorKind::InvalidRequest { field, .. } => text.replacen(&**field, names.of(field), 1),
        _ => text,
    }
}

/// The message of an error and of its sources, as the outcome of a call has it.
pub(crate) fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let sources = std::iter::successors(error.source(), |&error| error.source());
    for source in sources.map(ToString::to_string) {
        if !text.ends_with(&source) {
            text = format!("{text}: {source}");
        }
    }
    text
}

/// The names of settings for the user of the command: the flag or the variable that each value came from.
pub(crate) struct Names {
    pub(crate) api_key: &'static str,
    pub(crate) base_url: &'static str,
    pub(crate) integration_id: &'static str,
    pub(crate) model: &'static str,
}

impl Default for Names {
    fn default() -> Self {
        Self { api_key: "--api-key", base_url: "--server", integration_id: "--integration", model: "--model" }
    }
}

impl Names {
    fn of<'a>(&self, field: &'a str) -> &'a str {
        match field {
            "api_key" => self.api_key,
            "base_url" => self.base_url,
            "integration_id" => self.integration_id,
            "model" => self.model,
            "temperature" => "--temperature",
            "extra" => "--extra",
            "chat_session_id" => "--session",
            "message" | "chat_session.messages" => "the question",
            other => other,
        }
    }
}
