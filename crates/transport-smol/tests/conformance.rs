//! The conformance suite on two executors. The cross-crate tests run it on async-std.

use async_executor::LocalExecutor;
use chat_conformance::{Harness, Setup, Suite, Wire};
use transport_smol::{Error, SmolTransport, tls};

/// No executor: the thread polls one future, and async-io's own thread wakes it.
struct BlockOn;

impl Harness for BlockOn {
    type Transport = SmolTransport;

    fn transport(&self, setup: &Setup) -> Result<SmolTransport, Error> {
        SmolTransport::with_tls(&setup.transport_settings(), setup.cached_tls(|ca| tls::config(ca, None))?)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        async_io::block_on(future)
    }
}

/// smol's executor. The call runs in a task.
struct Executor;

impl Harness for Executor {
    type Transport = SmolTransport;

    fn transport(&self, setup: &Setup) -> Result<SmolTransport, Error> {
        BlockOn.transport(setup)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let executor = LocalExecutor::new();
        async_io::block_on(executor.run(executor.spawn(future)))
    }
}

#[test]
fn over_http1_on_block_on() {
    Suite::new("transport-smol on block_on", Wire::Http1).run(&BlockOn);
}

#[test]
fn over_http1_and_tls_on_an_executor() {
    Suite::new("transport-smol on smol's executor", Wire::Http1Tls).run(&Executor);
}
