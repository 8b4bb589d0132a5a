//! transport-smol under an executor that it does not know: async-std's.

use async_std::task;
use chat_conformance::{Harness, Setup, Suite, Wire};
use transport_smol::{Error, SmolTransport};

struct AsyncStd;

impl Harness for AsyncStd {
    type Transport = SmolTransport;

    fn transport(&self, setup: &Setup) -> Result<SmolTransport, Error> {
        SmolTransport::with_tls(&setup.transport_settings(), setup.tls())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        task::block_on(future)
    }
}

#[test]
fn transport_smol_conforms_under_async_std() {
    Suite::new("transport-smol under async-std", Wire::Http1).run(&AsyncStd);
}

#[test]
fn transport_smol_conforms_under_async_std_over_tls() {
    Suite::new("transport-smol under async-std", Wire::Http1Tls).run(&AsyncStd);
}
