//! The conformance suite, with and without TLS.

mod support;

use chat_conformance::{Suite, Wire};
use support::OurBackend;
use transport_async_std::{AsyncStdTransport, surf};

fn conforms(wire: Wire) {
    let bare = |backend| AsyncStdTransport::with_client(surf::Client::with_http_client(backend));
    Suite::new("transport-async-std", wire).run(&OurBackend(bare));
}

#[test]
fn over_http1() {
    conforms(Wire::Http1);
}

#[test]
fn over_http1_and_tls() {
    conforms(Wire::Http1Tls);
}
