//! The conformance suite on the client in Node: the example `program`, which `.ci/web` builds.

use std::env;

use chat_conformance::{Program, Suite, Wire, command};

/// Returns the client. Node then reads `SSL_CERT_FILE`.
fn node() -> Program {
    let script = env::var_os("CHAT_WEB_PROGRAM").expect("`just web` sets this to the path of program.mjs");
    command("node").arg("--use-openssl-ca").arg(script)
}

fn suite(wire: Wire) -> Suite {
    Suite::new("transport-web in Node", wire)
}

#[test]
fn the_client_in_node_conforms() {
    suite(Wire::Http1).run_calls(&node());
}

#[test]
fn the_client_in_node_conforms_over_tls() {
    suite(Wire::Http1Tls).run_calls(&node());
}
