//! Why a request has no answer.

use std::error::Error;
use std::fmt;

use chat_client::driver::TransportError;
use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::fetch;

/// Why a request has no answer, or why its body ended early.
#[derive(Clone, Debug)]
pub struct FetchError {
    class: TransportError,
    message: String,
}

impl FetchError {
    /// The platform rejects the request, and would reject it again.
    pub(crate) fn rejected(thrown: &JsValue) -> Self {
        Self { class: TransportError::Permanent, message: describe(thrown) }
    }

    /// There is no response. Fetch does not tell whether there was a connection.
    pub(crate) fn lost(thrown: &JsValue) -> Self {
        let mut message = describe(thrown);
        if fetch::is_page() {
            message += " (no connection, or the server does not allow this page to read its answer: CORS)";
        }
        Self { class: TransportError::MaybeSent, message }
    }

    /// The connection was lost in the body.
    pub(crate) fn body(thrown: &JsValue) -> Self {
        Self { class: TransportError::Body, message: describe(thrown) }
    }

    /// The response is a redirect, of which a browser shows nothing.
    pub(crate) fn redirect() -> Self {
        let message = "the server redirects, and the browser hides where to; set the base URL to the final address";
        Self { class: TransportError::BadHead, message: message.to_owned() }
    }

    /// The head is not valid.
    pub(crate) fn head(error: &http::Error) -> Self {
        Self { class: TransportError::BadHead, message: error.to_string() }
    }

    /// The class of the error. Without a head it is mostly [`TransportError::MaybeSent`].
    pub fn class(&self) -> TransportError {
        self.class
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FetchError {}

/// Returns the message of what was thrown. Node gives its reason in a `cause`, which may have a code only.
fn describe(thrown: &JsValue) -> String {
    let text = |of: &JsValue, name| Reflect::get(of, &JsValue::from_str(name)).ok()?.as_string();
    let message = |of| text(of, "message").filter(|message| !message.is_empty()).or_else(|| text(of, "code"));
    let own = message(thrown).unwrap_or_else(|| "fetch failed".to_owned());
    let cause = Reflect::get(thrown, &JsValue::from_str("cause")).ok();
    match cause.as_ref().and_then(message) {
        Some(cause) => format!("{own}: {cause}"),
        None => own,
    }
}
