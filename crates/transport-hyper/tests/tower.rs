//! `tower` services and layers as transports.

#![cfg(feature = "tower")]

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_conformance::{Harness, Setup, Suite, Wire};
use chat_mock::{ScriptServer, ScriptedReply as Reply};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Runtime};
use tower::limit::ConcurrencyLimit;
use tower::{BoxError, Service, ServiceBuilder};
use tower_http::set_header::SetRequestHeaderLayer;
use tower_http::trace::TraceLayer;
use transport_hyper::{
    Error, ErrorKind, HyperTransport, Proxy, RetryPolicy, ServiceTransport, TimeoutKind, Timeouts, tls,
};

fn layer() -> SetRequestHeaderLayer<HeaderValue> {
    SetRequestHeaderLayer::overriding(HeaderName::from_static("x-team"), HeaderValue::from_static("docs"))
}

async fn ask<S>(service: S, url: &str) -> Result<String, Error>
where
    ServiceTransport<S>: transport_hyper::Transport,
{
    let client = client(service, url)?;
    Ok(client.session("docs").ask("Is it?").finish().await?.text)
}

fn client<S>(service: S, url: &str) -> Result<chat_client::Client<ServiceTransport<S>>, Error>
where
    ServiceTransport<S>: transport_hyper::Transport,
{
    chat_client::Client::builder().base_url(url).api_key("k").build_on(ServiceTransport::new(service))
}

const ANSWER: &str = r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Yes."}}"#;

fn answer() -> Reply {
    Reply::json(200, &[], ANSWER)
}

#[tokio::test]
async fn layers_work_over_our_client_and_any_other() {
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
async fn a_layer_may_wrap_the_body() {
    let ours = HyperTransport::builder().proxy(Proxy::none()).build(&Default::default()).unwrap();
    let server = ScriptServer::start(vec![answer()]).unwrap();
    let traced = ServiceBuilder::new().layer(TraceLayer::new_for_http()).service(ours);
    assert_eq!(ask(traced, &server.url()).await.unwrap(), "Yes.");
}

#[tokio::test]
async fn errors_are_classified_below_layers() {
    let closed_port = "http://127.0.0.1:9";
    let ours = HyperTransport::builder().proxy(Proxy::none()).build(&Default::default()).unwrap();
    let boxed = ServiceBuilder::new().map_err(|error| -> BoxError { Box::new(error) }).service(ours);
    let plain: legacy::Client<HttpConnector, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build_http();
    for error in [ask(boxed, closed_port).await.unwrap_err(), ask(plain, closed_port).await.unwrap_err()] {
        assert_eq!(
            (error.kind(), error.attempts()),
            (&ErrorKind::Connect, 3),
            "a refused connection is retried: {error:?}"
        );
    }
    // After an unknown error, the server may have read the request.
    let unknown =
        tower::service_fn(|_: Request<Full<Bytes>>| async { Err::<Response<Full<Bytes>>, BoxError>("odd".into()) });
    let error = ask(unknown, closed_port).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Transport, 1));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "odd");
}

/// A service that is ready at its `ready`th poll, and counts the polls.
#[derive(Clone)]
struct Slow {
    polls: Arc<AtomicUsize>,
    ready: usize,
}

impl Service<Request<Full<Bytes>>> for Slow {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.polls.fetch_add(1, Ordering::Relaxed) + 1 >= self.ready {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        assert!(self.polls.load(Ordering::Relaxed) >= self.ready, "called before it was ready");
        ready(Ok(Response::builder().header("content-type", "application/json").body(ANSWER.into()).unwrap()))
    }
}

#[tokio::test]
async fn an_attempt_waits_until_its_service_is_ready() {
    let slow = Slow { polls: Arc::default(), ready: 5 };
    assert_eq!(ask(slow.clone(), "http://unused.example").await.unwrap(), "Yes.");
    assert_eq!(slow.polls.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_service_that_is_never_ready_causes_a_head_timeout() {
    let never = Slow { polls: Arc::default(), ready: usize::MAX };
    let client = client(never, "http://unused.example").unwrap();
    let impatient = client
        .with(|settings| {
            let timeouts = Timeouts::default().with_head(Duration::from_millis(50));
            settings.timeouts(timeouts).retry(RetryPolicy::default().with_max_retries(0))
        })
        .unwrap();
    let error = impatient.session("docs").ask("Is it?").finish().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Head, .. }), "{error:?}");
}

#[tokio::test]
async fn a_reply_over_layers_can_move_to_another_task() {
    let slow = Slow { polls: Arc::default(), ready: 1 };
    let client = client(ServiceBuilder::new().concurrency_limit(1).service(slow), "http://unused.example").unwrap();
    let reply = client.session("docs").ask("Is it?");
    let answer = tokio::spawn(reply.finish()).await.unwrap().unwrap();
    assert_eq!(answer.text, "Yes.");
}

struct Layered(Runtime);

impl Harness for Layered {
    type Transport = ServiceTransport<ConcurrencyLimit<HyperTransport>>;

    fn transport(&self, setup: &Setup) -> Result<Self::Transport, Error> {
        let hyper = HyperTransport::builder().proxy(Proxy::none()).tls(setup.cached_tls(|ca| tls::config(ca, None))?);
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

struct Plain(Runtime);

impl Harness for Plain {
    type Transport = ServiceTransport<legacy::Client<HttpConnector, Full<Bytes>>>;

    fn transport(&self, setup: &Setup) -> Result<Self::Transport, Error> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(setup.transport_settings().connect_timeout);
        connector.set_keepalive(Some(std::time::Duration::from_secs(15)));
        Ok(ServiceTransport::new(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

#[test]
fn conforms_over_a_plain_client() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    Suite::new("tower, a plain client of hyper-util", Wire::Http1)
        .except_race("413 and a close while the question is sent", "hyper reports the write that failed")
        .except("413 while the question is sent and not read", "hyper sends the rest as long as the server is there")
        .except("a head past the limit", "its limit is the client's own")
        .except("33 interim responses", "hyper takes any number")
        // The row passes unless the machine is busy.
        .except_race(
            "interim responses without end",
            "hyper takes any number, and may not notice that the call is over",
        )
        .run(&Plain(runtime));
}
