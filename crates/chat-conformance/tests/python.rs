//! The suite on `examples/client.py`, a client of another language. It proves the harness, not the client.

use std::process::Command;

use chat_conformance::{Suite, Wire, command};

/// What the client does not do, with the rows that find it.
const MISSING: [(&str, &[&str]); 0] = [];

#[test]
fn a_client_in_python() {
    if Command::new("python3").arg("--version").output().is_err() {
        return println!("skipped: python3 is not installed");
    }
    let mut suite = Suite::new("client.py", Wire::Http1);
    for (missing, rows) in MISSING {
        suite = rows.iter().fold(suite, |suite, row| suite.except(row, missing));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");
    suite.run_calls(&command("python3").arg("-IS").arg(script));
}
