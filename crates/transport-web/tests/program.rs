//! The conformance suite on the client in Node: the example `program`, which `.ci/web` builds.

use std::env;

use chat_conformance::{Program, Suite, Wire, command};

/// What fetch, or Node's fetch, does differently, with the rows that show it.
const DIFFERENCES: [(&str, &[&str]); 10] = [
    ("fetch does not tell that there was no connection", &["connection refused"]),
    (
        "fetch adds headers",
        &[
            "create, as sent",
            "continue, as sent",
            "complete, as sent",
            "v1 of a host, with a key",
            "v1 of a host, with a key in another header",
            "v1 of a host, without a key",
        ],
    ),
    ("fetch decodes content", &["gzip that was not requested", "gzip of events"]),
    (
        "fetch hides the framing",
        &[
            "transfer coding: identity",
            "transfer coding: chunked, chunked",
            "transfer coding: chunked in two lines",
            "transfer coding: gzip, chunked",
        ],
    ),
    (
        "fetch does not tell that a head was received and rejected, so it is requested again",
        &[
            "a head past the limit",
            "a head of two lengths",
            "a head with a byte 0 in a value",
            "a head of another protocol",
        ],
    ),
    ("Node accepts it", &["101 headers", "a head of 200 headers", "a head with a folded line"]),
    ("Node rejects it", &["100 and 103 before the answer", "chunk extensions"]),
    ("Node accepts heads up to 16 KiB", &["a head of 96 KiB"]),
    ("fetch hides interim responses, and Node reads any number", &["33 interim responses"]),
    ("Node waits for more bytes", &["chunk longer than its size", "chunk extension without end"]),
];

/// The same, where it depends on timing.
const RACES: [(&str, &[&str]); 3] = [
    (
        "Node opens another connection after an aborted one",
        &[
            "closed if the body stays open after [DONE]",
            "not after a drop",
            "endless comments",
            "503 without end, then 200",
            "503 that stalls, then 200",
        ],
    ),
    ("Node takes a reset for the end of a body without a length", &["reset, by close"]),
    ("Node fails to send before it reads the answer", &["413 and a close while the question is sent"]),
];

/// Returns the client. Node then reads `SSL_CERT_FILE`.
fn node() -> Program {
    let script = env::var_os("CHAT_WEB_PROGRAM").expect("`just web` sets this to the path of program.mjs");
    command("node").arg("--use-openssl-ca").arg(script)
}

fn suite(wire: Wire) -> Suite {
    // Each row starts Node, which takes most of the time, so only every 21st byte of a response has its rows.
    let suite = Suite::new("transport-web in Node", wire).every_nth_byte(21).at_once(8);
    let suite = DIFFERENCES
        .iter()
        .fold(suite, |suite, (reason, rows)| rows.iter().fold(suite, |suite, row| suite.except(row, reason)));
    RACES
        .iter()
        .fold(suite, |suite, (reason, rows)| rows.iter().fold(suite, |suite, row| suite.except_race(row, reason)))
}

#[test]
fn the_client_in_node_conforms() {
    suite(Wire::Http1).run_calls(&node());
}

#[test]
fn the_client_in_node_conforms_over_tls() {
    // A TLS connection without `close_notify` looks complete to Node.
    let reason = "Node does not check for `close_notify`";
    suite(Wire::Http1Tls)
        .except("no close_notify, by close, between events", reason)
        .except("no close_notify, by close, after the last event", reason)
        .run_calls(&node());
}
