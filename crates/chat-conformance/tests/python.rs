//! The suite on `examples/client.py`, a client of another language. It proves the harness, not the client.

use std::process::Command;

use chat_conformance::{Suite, Wire, command};

/// What the client does not do, with the rows that find it.
const MISSING: [(&str, &[&str]); 7] = [
    ("it opens a connection for each request", &["reused after a complete answer", "TCP keep-alive"]),
    (
        "it does not retry",
        &[
            "connection refused",
            "429, then 200",
            "429 that closes, then 200",
            "429 that is cut, then 200",
            "429 for ever",
            "503, then 200",
            "503, then a cut",
            "503 that stalls, then 200",
            "503 without end, then 200",
            "500 on create, then 200",
            "502 on create, then 200",
            "504 on create, then 200",
            "500 on continue, allowed",
            "close before the head, allowed",
        ],
    ),
    (
        "it has no limits",
        &["endless line", "endless comment", "an answer past its limit", "a JSON body past its limit"],
    ),
    (
        "it needs the whole body of an error",
        &["stall in an error's body", "cut in an error's body", "an error page without end"],
    ),
    ("it does not read the details of an error", &["422 of the API's form"]),
    (
        "it waits for the end of an invalid chunk, and takes any coding for `chunked`",
        &[
            "chunk size past 64 bits",
            "chunk longer than its size",
            "transfer coding: identity",
            "transfer coding: chunked, chunked",
            "transfer coding: chunked in two lines",
            "transfer coding: gzip, chunked",
        ],
    ),
    ("it reads any number of interim responses", &["33 interim responses", "interim responses without end"]),
];

#[test]
fn a_client_in_python() {
    if Command::new("python3").arg("--version").output().is_err() {
        return println!("skipped: python3 is not installed");
    }
    let suite = Suite::new("client.py", Wire::Http1).every_nth_byte(7);
    let suite = MISSING
        .iter()
        .fold(suite, |suite, (reason, rows)| rows.iter().fold(suite, |suite, row| suite.except(row, reason)));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");
    suite.run_calls(&command("python3").arg("-IS").arg(script));
}
