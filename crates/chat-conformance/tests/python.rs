//! The suite on `examples/client.py`, a client of another language. It proves the harness, not the client.

use std::process::Command;

use chat_conformance::{Suite, Wire, command};

#[test]
#[ignore = "the list of what the client does not do is not complete, and its rows take minutes"]
fn a_client_in_python() {
    if Command::new("python3").arg("--version").output().is_err() {
        return println!("skipped: python3 is not installed");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");
    Suite::new("client.py", Wire::Http1).run_calls(&command("python3").arg("-IS").arg(script));
}
