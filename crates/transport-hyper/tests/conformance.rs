//! Runs the conformance suite, with each protocol and on each kind of runtime.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_conformance::{Harness, Setup, Suite, Wire};
use hyper::body::Body;
use tokio::runtime::{Builder, Runtime};
#[cfg(feature = "http2")]
use transport_hyper::Http2;
use transport_hyper::driver::TransportError;
use transport_hyper::{Error, HyperTransport, Proxy, Transport, tls};

struct Hyper(Runtime);

impl Harness for Hyper {
    type Transport = HyperTransport;

    fn transport(&self, setup: &Setup) -> Result<HyperTransport, Error> {
        let builder = HyperTransport::builder().proxy(Proxy::none()).tls(setup.cached_tls(|ca| tls::config(ca, None))?);
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

/// On one thread, connections make progress only while a call is awaited.
#[test]
fn on_a_runtime_of_one_thread() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    Suite::new("transport-hyper on one thread", Wire::Http1).run(&Hyper(runtime));
}

/// Checks that the suite detects errors: this transport takes truncation for the end, and requests an encoding that it can't
/// decode.
#[test]
fn a_broken_transport_fails() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = Suite::new("a wrong one", Wire::Http1)
        .except("cut, chunked", "takes them for ends")
        .except("404", "there is nothing wrong with it")
        .except("405", "there is no such row")
        .report(&Wrong(Hyper(runtime)));
    println!("{report}");
    let failures = report.failures();
    let fails = |row: &str| failures.iter().any(|failure| failure.starts_with(row));
    for row in ["create, as sent: accept-encoding", "reset between events: ", "404: excepted"] {
        assert!(fails(row), "{row}: {failures:#?}");
    }
    assert!(fails("405: excepted (there is no such row), but there is no such row"), "{failures:#?}");
    for row in ["cut, chunked", "a conversation", "slow trickle"] {
        assert!(!fails(row), "{row}: {failures:#?}");
    }
}

struct Wrong(Hyper);

impl Harness for Wrong {
    type Transport = WrongTransport;

    fn transport(&self, setup: &Setup) -> Result<WrongTransport, Error> {
        self.0.transport(setup).map(WrongTransport)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

struct WrongTransport(HyperTransport);

type Sent = Result<http::Response<WrongBody>, <HyperTransport as Transport>::Error>;

impl Transport for WrongTransport {
    type Send = Pin<Box<dyn Future<Output = Sent> + Send>>;
    type Body = WrongBody;
    type Error = <HyperTransport as Transport>::Error;
    type Sleep = <HyperTransport as Transport>::Sleep;

    const PRODUCT: &'static str = "wrong/0.0.0";

    fn send(&self, mut request: http::Request<Bytes>) -> Self::Send {
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        let sending = self.0.send(request);
        Box::pin(async { Ok(sending.await?.map(WrongBody)) })
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Duration) -> Self::Sleep {
        self.0.sleep_until(deadline)
    }

    fn seed(&self) -> u64 {
        self.0.seed()
    }

    fn classify(error: &Self::Error) -> TransportError {
        HyperTransport::classify(error)
    }
}

struct WrongBody(<HyperTransport as Transport>::Body);

impl Body for WrongBody {
    type Data = Bytes;
    type Error = <<HyperTransport as Transport>::Body as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx).map(|frame| frame.filter(Result::is_ok))
    }
}
