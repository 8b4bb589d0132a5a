//! The suite on `examples/client.py`, a client of another language. It proves the harness, not the client.

use std::process::Command;

use chat_conformance::{Suite, Wire, command};

fn run(wire: Wire) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");
    if Command::new("python3").arg("--version").output().is_err() {
        return println!("skipped: python3 is not installed");
    }
    let suite = Suite::new("client.py", wire);
    suite.run_calls(&command("python3").arg("-IS").arg(script));
}

#[test]
fn a_client_in_python() {
    run(Wire::Http1);
}

#[test]
fn a_client_in_python_over_tls() {
    run(Wire::Http1Tls);
}
