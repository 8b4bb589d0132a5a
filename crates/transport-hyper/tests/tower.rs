//! Services and layers in the place of hyper's client.

#![cfg(feature = "tower")]

use bytes::Bytes;
use chat_mock::conformance::{Harness, Setup, Suite, Wire};
use chat_mock::{Reply, ScriptServer};
use http::{HeaderName, HeaderValue};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Runtime};
use tower::limit::ConcurrencyLimit;
use tower::{BoxError, ServiceBuilder};
use tower_http::set_header::SetRequestHeaderLayer;
use transport_hyper::{Error, ErrorKind, HyperTransport, Proxy, ServiceTransport};

fn layer() -> SetRequestHeaderLayer<HeaderValue> {
    SetRequestHeaderLayer::overriding(HeaderName::from_static("x-team"), HeaderValue::from_static("docs"))
}

async fn ask<S>(service: S, url: &str) -> Result<String, Error>
where
    ServiceTransport<S>: transport_hyper::Transport,
{
    let client = client(service, url)?;
    Ok(client.session("docs").ask("Is it?").finish().await?.content)
}

fn client<S>(service: S, url: &str) -> Result<chat_client::Client<ServiceTransport<S>>, Error>
where
    ServiceTransport<S>: transport_hyper::Transport,
{
    chat_client::Client::builder().base_url(url).api_key("k").build_on(ServiceTransport::new(service))
}

fn answer() -> Reply {
    Reply::json(200, &[], r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Yes."}}"#)
}

#[tokio::test]
async fn layers_fit_over_our_client_and_over_any() {
    let ours = HyperTransport::builder().proxy(Proxy::none()).build(&Default::default()).unwrap();
    let plain: legacy::Client<HttpConnector, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build_http();
    let server = ScriptServer::start(vec![answer(), answer()]).unwrap();
    assert_eq!(ask(ServiceBuilder::new().layer(layer()).service(ours), &server.url()).await.unwrap(), "Yes.");
    assert_eq!(ask(ServiceBuilder::new().layer(layer()).service(plain), &server.url()).await.unwrap(), "Yes.");
    for request in server.requests() {
        assert_eq!(request.headers["x-team"], "docs");
    }
}

#[tokio::test]
async fn errors_are_known_below_layers() {
    let nobody = "http://127.0.0.1:9";
    let ours = HyperTransport::builder().proxy(Proxy::none()).build(&Default::default()).unwrap();
    let boxed = ServiceBuilder::new().map_err(|error| -> BoxError { Box::new(error) }).service(ours);
    let plain: legacy::Client<HttpConnector, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build_http();
    for error in [ask(boxed, nobody).await.unwrap_err(), ask(plain, nobody).await.unwrap_err()] {
        assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Connect, 3), "refused, and tried again: {error:?}");
    }
    // Of an error that nobody knows, the worst is assumed.
    let odd = tower::service_fn(|_: http::Request<Full<Bytes>>| async {
        Err::<http::Response<Full<Bytes>>, BoxError>("odd".into())
    });
    let error = ask(odd, nobody).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Transport, 1));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "odd");
}

struct Layered(Runtime);

impl Harness for Layered {
    type Transport = ServiceTransport<ConcurrencyLimit<HyperTransport>>;

    fn transport(&self, setup: &Setup) -> Result<Self::Transport, Error> {
        let hyper = HyperTransport::builder().proxy(Proxy::none()).root_certificates(setup.ca());
        let hyper = hyper.build(&setup.transport_settings())?;
        Ok(ServiceTransport::new(ServiceBuilder::new().concurrency_limit(10_000).service(hyper)))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

#[test]
fn conforms_below_a_layer() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Suite::new("tower, a layer over hyper", Wire::Http1).run(&Layered(runtime));
}
