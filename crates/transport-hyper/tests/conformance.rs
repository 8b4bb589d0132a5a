//! The script that every transport passes, on each wire.

use chat_mock::conformance::{Harness, Setup, Suite, Wire};
use tokio::runtime::{Builder, Runtime};
#[cfg(feature = "http2")]
use transport_hyper::Http2;
use transport_hyper::{Error, HyperTransport, Proxy};

struct Hyper(Runtime);

impl Harness for Hyper {
    type Transport = HyperTransport;

    fn transport(&self, setup: &Setup) -> Result<HyperTransport, Error> {
        let builder = HyperTransport::builder().proxy(Proxy::none()).root_certificates(setup.ca());
        #[cfg(feature = "http2")]
        let builder = builder.http2(if setup.wire == Wire::Http2 { Http2::PriorKnowledge } else { Http2::Alpn });
        builder.build(&setup.transport_settings())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn tasks(&self) -> Option<usize> {
        Some(self.0.metrics().num_alive_tasks())
    }
}

fn conforms(wire: Wire) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Suite::new("transport-hyper", wire).run(&Hyper(runtime));
}

#[test]
fn over_http1() {
    conforms(Wire::Http1);
}

#[test]
fn over_http1_and_tls() {
    conforms(Wire::Http1Tls);
}

#[test]
#[cfg(feature = "http2")]
fn over_http2() {
    conforms(Wire::Http2);
}

#[test]
#[cfg(feature = "http2")]
fn over_http2_and_tls() {
    conforms(Wire::Http2Tls);
}

/// On one thread, where connections make their way only while a call is waited for.
#[test]
fn on_a_runtime_of_one_thread() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    Suite::new("transport-hyper on one thread", Wire::Http1).run(&Hyper(runtime));
}
