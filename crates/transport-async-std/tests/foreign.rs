//! Your own `surf::Client`: middleware over our backend, and a stock backend. Each row of the README's table of differences
//! has a test here.

mod support;

use std::future::Future;
use std::time::{Duration, Instant};

use async_std::io::ReadExt as _;
use async_std::task;
use bytes::Bytes;
use chat_conformance::{Harness, Setup, Suite, Wire};
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{ScriptedReply as Scripted, Step};
use futures_util::future::BoxFuture;
use http::Request;
use http_client::HttpClient as _;
use http_client::h1::H1Client;
use support::{OurBackend, client_on, once, plain, question, run, serve, settings, until};
use transport_async_std::driver::{Config, TransportError, TransportSettings};
use transport_async_std::sessions::CreateInput;
use transport_async_std::surf::middleware::{Middleware, Next, Redirect};
use transport_async_std::{AsyncStdTransport, Backend, Client, Error, ErrorKind, TimeoutKind, Transport as _, surf};

/// The stock backend with these settings.
fn stock(keep_alive: bool, timeout: Option<Duration>) -> AsyncStdTransport {
    let mut backend = H1Client::new();
    backend.set_config(http_client::Config::new().set_http_keep_alive(keep_alive).set_timeout(timeout)).unwrap();
    AsyncStdTransport::with_client(surf::Client::with_http_client(backend))
}

fn stock_with_advised_settings() -> AsyncStdTransport {
    stock(false, None)
}

/// The stock backend on async-std, for the conformance suite.
struct Stock;

impl Harness for Stock {
    type Transport = AsyncStdTransport;

    fn transport(&self, _: &Setup) -> Result<AsyncStdTransport, Error> {
        // It waits forever if the answer is not HTTP. Its own timeout ends that, and is longer than those of the rows.
        Ok(stock(false, Some(Duration::from_secs(8))))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        task::block_on(future)
    }
}

#[test]
fn a_stock_backend_conforms_with_these_exceptions() {
    let by_close = "no body that only the connection's close ends";
    let http10 = "no HTTP/1.0";
    let interim = "takes the first head for the answer's";
    let sends_first = "reads nothing before the whole question is sent";
    let untold = "reports an invalid head as a lost connection";
    let suite = Suite::new("h1-client", Wire::Http1);
    let suite = if cfg!(target_os = "linux") { suite.except("TCP keep-alive", "sets none") } else { suite };
    suite
        .except("100 and 103 before the answer", interim)
        .except("101 headers", "takes more than others")
        .except("2000 drops at random points", by_close)
        .except("HTTP/1.0 by close", http10)
        .except("HTTP/1.0 by close, inside an event", http10)
        .except("32 interim responses", interim)
        .except("33 interim responses", interim)
        .except("413 and a close while the question is sent", sends_first)
        .except("413 while the question is sent and not read", sends_first)
        .except("a flood lets other tasks run", by_close)
        .except("a head of 200 headers", untold)
        .except("a head of 96 KiB", "takes 8 KB")
        .except("a head of another protocol", untold)
        .except("a head of two lengths", "believes the last one")
        .except("a head past the limit", untold)
        .except("a head with a byte 0 in a value", untold)
        .except("a head with a folded line", untold)
        .except("a head with a space in a name", untold)
        .except("a header value that is not text", "refuses it")
        .except("the timeout runs again after the caller's sleep", by_close)
        .except("a slow caller holds a fast server back", by_close)
        .except("chunk extensions", "does not know them")
        .except("cut in a JSON body, by close", by_close)
        .except("cut, by close", by_close)
        .except("cut, chunked", "does not wait for the last line's end")
        .except("empty stream, by close", by_close)
        .except("finish reason, no [DONE], by close", by_close)
        .except("header value beyond ASCII", "panics if it is UTF-8")
        .except("interim responses without end", interim)
        .except("not after unexpected bytes", "takes them for trailers")
        .except("reset, by close", by_close)
        .except("status 599", "accepts only the statuses of a fixed list")
        .except("transfer coding: Chunked", "accepts it only in lower case")
        .except("two content-lengths that differ", "believes the last one")
        .except("reused after [DONE]", "set to keep no connection")
        .except("reused after a complete answer", "set to keep no connection")
        .run(&Stock);
}

#[test]
fn a_stock_backend_adds_a_date_and_a_type() {
    let server = serve(vec![Scripted::head(404, &[("content-length", "0")]).then(Step::KeepAlive)]);
    run(async {
        let transport = stock_with_advised_settings();
        let error = once(&transport, &server.url()).create(&question()).finish().await.unwrap_err();
        let headers = &error.head().unwrap().headers;
        assert!(!headers.contains_key("date"), "{headers:?}");
        assert_eq!(headers["content-type"], "application/octet-stream");
        assert_eq!(transport.lost_header_values(), 0);
    });
}

#[test]
fn a_stock_backend_rejects_heads_over_8_kb() {
    let server = serve(vec![Scripted::json(200, &[("x-long", &"x".repeat(9 << 10))], RESULT)]);
    run(async {
        let error = once(&stock_with_advised_settings(), &server.url()).create(&question()).finish().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Transport);
        // Our backend reads it.
        once(&plain(), &server.url()).create(&question()).finish().await.unwrap();
    });
}

#[test]
fn a_stock_backend_reuses_a_stalled_connection() {
    let stalled = Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    let replies = vec![stalled.chunk(FIRST).then(Step::Stall), Scripted::sse_chunked([LAST])];
    for (keep_alive, closes) in [(true, false), (false, true)] {
        let server = serve(replies.clone());
        run(async {
            let mut config = Config::default();
            config.timeouts.head = Some(Duration::from_secs(1));
            config.retry.max_retries = 0;
            let client = client_on(&stock(keep_alive, None), &server.url(), &config);
            let mut reply = client.create(&question());
            reply.next().await.unwrap().unwrap();
            drop(reply);
            if closes {
                until("the close", || server.open_connections() == 0).await;
            }
            assert_eq!(client.create(&question()).finish().await.is_ok(), closes);
            assert_eq!(server.accepted_connections(), if closes { 2 } else { 1 });
        });
    }
}

#[test]
fn a_stock_backend_reports_a_refused_connection_only_without_its_pool() {
    run(async {
        for (keep_alive, class) in [(true, TransportError::MaybeSent), (false, TransportError::Connect)] {
            // No server listens on port 1.
            let request = Request::post("http://127.0.0.1:1/").body(Bytes::new()).unwrap();
            let error = stock(keep_alive, None).send(request).await.unwrap_err();
            assert_eq!(AsyncStdTransport::classify(&error), class);
            assert!(!format!("{error:?}").contains('\n'), "{error:?}");
        }
    });
}

#[test]
fn a_stock_backend_has_its_own_timeout() {
    let server = serve(vec![Scripted::raw("").then(Step::Stall)]);
    run(async {
        let transport = stock(false, Some(Duration::from_millis(100)));
        let error = once(&transport, &server.url()).create(&question()).finish().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Transport);
    });
}

/// A backend that never connects.
#[derive(Debug)]
struct NeverConnects;

#[http_client::async_trait]
impl http_client::HttpClient for NeverConnects {
    async fn send(&self, _: http_client::Request) -> Result<http_client::Response, http_client::Error> {
        std::future::pending().await
    }
}

#[test]
fn the_head_timeout_replaces_the_connect_timeout() {
    let mut config = Config::default();
    config.timeouts.connect = Some(Duration::from_millis(10));
    config.timeouts.head = Some(Duration::from_millis(100));
    config.retry.max_retries = 0;
    run(async {
        let transport = AsyncStdTransport::with_client(surf::Client::with_http_client(NeverConnects));
        let begun = Instant::now();
        let error = client_on(&transport, "http://h.example", &config).create(&question()).finish().await.unwrap_err();
        let after = Duration::from_millis(100);
        assert!(
            matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Head, after: is, .. } if *is == after),
            "{error}"
        );
        assert!(begun.elapsed() >= after);
    });
}

#[test]
fn values_beyond_ascii_lost_by_a_stock_backend_are_counted() {
    let server = serve(vec![Scripted::json(200, &[], RESULT)]);
    run(async {
        let transport = stock_with_advised_settings();
        let client = Client::builder().base_url(server.url()).api_key("k").header("x-name", "J\u{fc}rgen");
        let client = client.build_on(transport.clone()).unwrap();
        for lost in [1, 2] {
            client.create(&CreateInput::new("i", "m")).finish().await.unwrap();
            assert_eq!(transport.lost_header_values(), lost);
        }
    });
    assert!(!server.requests()[0].headers.contains_key("x-name"));
}

#[test]
fn a_stock_backend_gets_a_normalized_path() {
    let server = serve(vec![Scripted::json(200, &[], RESULT)]);
    run(async {
        for transport in [stock_with_advised_settings(), plain()] {
            let request = Request::post(server.url() + "/a%2Fb|{c}").body(Bytes::new()).unwrap();
            transport.send(request).await.unwrap();
        }
    });
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/a%2Fb|%7Bc%7D", "/a%2Fb|{c}"]);
}

#[test]
fn the_redirect_middleware_sends_twice() {
    let server = serve(vec![Scripted::json(200, &[], RESULT)]);
    run(async {
        let client = once(&below(Redirect::new(1), &settings()), &server.url());
        client.create(&question()).finish().await.unwrap();
    });
    // Once without the body, to check for a redirect, and then once more.
    let lengths: Vec<bool> = server.requests().iter().map(|request| request.body.is_empty()).collect();
    assert_eq!(lengths, [true, false]);
}

/// Middleware that adds a header to the request and another to the answer.
fn tag(
    mut request: surf::Request,
    client: surf::Client,
    next: Next<'_>,
) -> BoxFuture<'_, surf::Result<surf::Response>> {
    Box::pin(async move {
        request.insert_header("x-asked", "a");
        let mut answer = next.run(request, client).await?;
        answer.insert_header("x-answered", "b");
        Ok(answer)
    })
}

/// Our backend below middleware.
fn below(middleware: impl Middleware, settings: &TransportSettings) -> AsyncStdTransport {
    AsyncStdTransport::with_client(surf::Client::with_http_client(Backend::new(settings).unwrap()).with(middleware))
}

/// Middleware that changes nothing.
fn pass(request: surf::Request, client: surf::Client, next: Next<'_>) -> BoxFuture<'_, surf::Result<surf::Response>> {
    next.run(request, client)
}

#[test]
fn our_backend_conforms_below_a_middleware() {
    let below = |backend| AsyncStdTransport::with_client(surf::Client::with_http_client(backend).with(pass));
    Suite::new("middleware", Wire::Http1).run(&OurBackend(below));
}

#[test]
fn the_settings_of_our_backend_are_readable_and_fixed() {
    let mut backend = Backend::new(&settings()).unwrap();
    assert!(backend.set_config(http_client::Config::new()).is_err());
    assert_eq!((backend.config().timeout, backend.config().tcp_no_delay), (None, true));
}

#[test]
fn middleware_headers_are_applied_and_nothing_is_lost() {
    let server = serve(vec![Scripted::json(599, &[("x-name", "J\u{fc}rgen")], "{}")]);
    run(async {
        let transport = below(tag, &settings());
        let error = once(&transport, &server.url()).create(&question()).finish().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 599);
        let headers = &error.head().unwrap().headers;
        assert_eq!(headers["x-answered"], "b");
        assert_eq!(headers["x-name"].as_bytes(), "J\u{fc}rgen".as_bytes());
        assert_eq!(transport.lost_header_values(), 0);
    });
    assert_eq!(server.requests()[0].headers["x-asked"], "a");
}

/// Middleware that reads the whole answer and passes on a new body.
fn buffered(
    request: surf::Request,
    client: surf::Client,
    next: Next<'_>,
) -> BoxFuture<'_, surf::Result<surf::Response>> {
    Box::pin(async move {
        let mut answer = next.run(request, client).await?;
        let mut body = Vec::new();
        answer.take_body().into_reader().read_to_end(&mut body).await?;
        answer.set_body(body);
        Ok(answer)
    })
}

#[test]
fn middleware_may_read_the_answer() {
    let server = serve(vec![Scripted::json(200, &[], RESULT)]);
    run(async {
        let answer = once(&below(buffered, &settings()), &server.url()).create(&question()).finish().await;
        assert_eq!(answer.unwrap().text, "Yes, no.");
    });
}

/// Middleware that passes on a clone, which has no extensions.
#[allow(clippy::needless_pass_by_value, reason = "middleware has this signature")]
fn cloned(request: surf::Request, client: surf::Client, next: Next<'_>) -> BoxFuture<'_, surf::Result<surf::Response>> {
    next.run(request.clone(), client)
}

#[test]
fn values_lost_by_middleware_are_counted() {
    let server = serve(vec![Scripted::json(200, &[], RESULT)]);
    run(async {
        let transport = below(cloned, &settings());
        let client = Client::builder().base_url(server.url()).api_key("k").header("x-name", "J\u{fc}rgen");
        client.build_on(transport.clone()).unwrap().create(&question()).finish().await.unwrap();
        assert_eq!(transport.lost_header_values(), 1);
    });
    assert!(!server.requests()[0].headers.contains_key("x-name"));
}

#[test]
fn middleware_keeps_the_errors_of_our_backend() {
    run(async {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut settings = TransportSettings::default();
        settings.connect_timeout = Some(Duration::from_millis(50));
        let transport = below(tag, &settings);
        let url = format!("https://{}/", silent.local_addr().unwrap());
        for (url, class) in
            [(url.as_str(), TransportError::ConnectTimeout), ("http://127.0.0.1:1/", TransportError::Connect)]
        {
            let error = transport.send(Request::post(url).body(Bytes::new()).unwrap()).await.unwrap_err();
            assert_eq!(AsyncStdTransport::classify(&error), class, "{error}");
        }
    });
}
