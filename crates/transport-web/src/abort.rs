//! Aborts a fetch when it is dropped.

use wasm_bindgen::JsValue;
use web_sys::{AbortController, AbortSignal};

/// Aborts its fetch when it is dropped, unless the response is complete.
#[derive(Debug)]
pub(crate) struct Abort {
    controller: AbortController,
    is_complete: bool,
}

impl Abort {
    pub(crate) fn new() -> Result<Self, JsValue> {
        Ok(Self { controller: AbortController::new()?, is_complete: false })
    }

    pub(crate) fn signal(&self) -> AbortSignal {
        self.controller.signal()
    }

    /// The response is complete, so its connection may be used again.
    pub(crate) fn complete(mut self) {
        self.is_complete = true;
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        if !self.is_complete {
            self.controller.abort();
        }
    }
}
