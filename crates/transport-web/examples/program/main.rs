//! A client for the conformance suite of other processes, in Node: `program.mjs` passes it the calls that it reads.
//!
//! `tests/program.rs` runs it. The protocol is in PROTOCOL.md of chat-conformance.

use std::cell::RefCell;

use chat_conformance::program::CallLine;
use js_sys::Function;
use transport_web::{Client, Error};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

thread_local! {
    /// All calls have the same settings.
    static CLIENT: RefCell<Option<Result<Client, Error>>> = const { RefCell::new(None) };
}

/// Makes the call of a line, and passes each line of the answer to `print`.
#[wasm_bindgen]
pub async fn run(line: String, print: Function) -> Result<(), JsError> {
    let print = |line: &str| _ = print.call1(&JsValue::NULL, &JsValue::from_str(line));
    let call = CallLine::parse(&line)?;
    match client(&call) {
        Ok(client) => call.run(&client, print).await,
        Err(error) => print(&call.error_line(error)),
    }
    Ok(())
}

fn client(call: &CallLine) -> Result<Client, Error> {
    let build = || call.configure(Client::builder()).build();
    CLIENT.with_borrow_mut(|client| client.get_or_insert_with(build).clone())
}
