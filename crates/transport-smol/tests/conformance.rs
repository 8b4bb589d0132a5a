//! The suite that every transport passes, on two executors.

use std::sync::Arc;

use async_executor::LocalExecutor;
use chat_mock::conformance::{Harness, Setup, Suite, Wire};
use transport_smol::rustls::crypto::ring;
use transport_smol::rustls::{ClientConfig, RootCertStore};
use transport_smol::{Error, FromSettings, SmolTransport};

fn transport(setup: &Setup) -> Result<SmolTransport, Error> {
    let settings = setup.transport_settings();
    let Some(ca) = setup.ca() else { return SmolTransport::from_settings(&settings) };
    let mut roots = RootCertStore::empty();
    roots.add(ca).expect("a certificate");
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(SmolTransport::with_tls(&settings, tls))
}

/// No executor at all: the thread polls one future, and async-io's own thread wakes it.
struct BlockOn;

impl Harness for BlockOn {
    type Transport = SmolTransport;

    fn transport(&self, setup: &Setup) -> Result<SmolTransport, Error> {
        transport(setup)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        async_io::block_on(future)
    }
}

/// smol's executor, with the call in a task of it.
struct Executor;

impl Harness for Executor {
    type Transport = SmolTransport;

    fn transport(&self, setup: &Setup) -> Result<SmolTransport, Error> {
        transport(setup)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let executor = LocalExecutor::new();
        async_io::block_on(executor.run(executor.spawn(future)))
    }
}

#[test]
fn conforms_on_block_on() {
    Suite::new("smol, block_on", Wire::Http1).run(&BlockOn);
}

#[test]
fn conforms_on_an_executor_over_tls() {
    Suite::new("smol, executor", Wire::Http1Tls).run(&Executor);
}
