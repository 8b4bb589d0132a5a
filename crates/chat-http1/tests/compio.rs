//! The example on compio passes the conformance suite.

#[path = "../examples/compio/runtime.rs"]
mod runtime;
#[path = "../examples/compio/socket.rs"]
mod socket;
#[path = "../examples/compio/transport.rs"]
mod transport;

use chat_client::Error;
use chat_conformance::{Harness, Setup, Suite, Wire};
use chat_http1::{Connector, tls};
use compio::runtime::Runtime;

use runtime::Compio;
use transport::CompioTransport;

thread_local! {
    /// The runtime of this thread. A row makes its client and all calls of it on one thread.
    static RUNTIME: Runtime = Runtime::new().unwrap();
}

struct PerThread;

impl Harness for PerThread {
    type Transport = CompioTransport;

    fn transport(&self, setup: &Setup) -> Result<CompioTransport, Error> {
        let tls = setup.cached_tls(|ca| tls::config(ca, None))?;
        Ok(CompioTransport::new(Connector::with_tls(Compio, tls, &setup.transport_settings())?))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        RUNTIME.with(|runtime| runtime.block_on(future))
    }
}

/// The suite. Its name has the driver: io_uring, or polling if the system forbids io_uring.
fn suite(wire: Wire) -> Suite {
    let driver = RUNTIME.with(Runtime::driver_type);
    Suite::new(format!("chat-http1 on compio ({driver:?})"), wire)
}

#[test]
fn over_http1() {
    suite(Wire::Http1).run(&PerThread);
}

#[test]
fn over_http1_and_tls() {
    suite(Wire::Http1Tls).run(&PerThread);
}
