//! The client on real sockets: requests, answers, and the connections of replies.

mod support;

use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{ScriptedReply as Scripted, Server, Step};
use http::Request;
use http_body::Body as _;
use support::{SERVERS, chain, client_on, once, plain, question, run, serve, until};
use transport_async_std::driver::{Config, DRAIN_BYTES, FromSettings as _, TransportError, TransportSettings};
use transport_async_std::sessions::ContinueInput;
use transport_async_std::{
    AsyncStdTransport, Client, ErrorKind, FinishReason, Reply, Session, TimeoutKind, Transport as _,
};

#[test]
fn a_session_creates_and_then_continues() {
    let server = SERVERS.block_on(Server::builder().api_key("k").bind()).unwrap();
    run(async {
        let client = once(&plain(), &server.url());
        let mut session = client.session("i");
        let first = session.ask("What is a transport?").finish().await.unwrap();
        assert_eq!(first.finish_reason, Some(FinishReason::Stop));
        assert!(!first.citations().is_empty());
        assert!(first.head.request_id().is_some());
        assert_eq!(session.id(), first.session_id);

        let second = session.ask("And then?").finish().await.unwrap();
        assert!(second.text.contains("What is a transport?"), "{}", second.text);

        let mut again = client.session("i").with_id(first.session_id.unwrap()).with_streaming(false);
        let third = again.ask("And then?").finish().await.unwrap();
        assert!(third.text.contains("question 3"), "{}", third.text);
    });
    assert_eq!(server.accepted_connections(), 1);
}

#[test]
fn a_request_is_sent_unchanged() {
    let server = serve(vec![Scripted::json(200, &[], RESULT)]);
    run(async {
        let transport = plain();
        let client = Client::builder().base_url(server.url() + "/a%2Fb").api_key("k").header("x-name", "J\u{fc}rgen");
        let client = client.build_on(transport.clone()).unwrap();
        client.continue_session("a/b c\u{fc}%", &ContinueInput::new("i", "\u{fc}")).finish().await.unwrap();
        assert_eq!(transport.lost_header_values(), 0);
    });
    let request = &server.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, "/a%2Fb/v0/chat_sessions/a%2Fb%20c%C3%BC%25/chat_results");
    let message = r#"{"integration_id":"i","message":{"role":"user","content":"ü"},"stream":false}"#;
    assert_eq!(request.body, message);
    assert_eq!(request.headers["authorization"], "Bearer k");
    assert_eq!(request.headers["x-name"].as_bytes(), "J\u{fc}rgen".as_bytes());
    let agent = request.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("transport-async-std/") && agent.contains(" chat-proto/"), "{agent}");
    // surf and http-types add no headers.
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "x-name"
        ]
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_answer_is_received_unchanged() {
    let headers = [("x-many", "b"), ("x-many", "a"), ("x-many", "b"), ("x-name", "J\u{fc}rgen"), ("date", "yesterday")];
    let server = serve(vec![Scripted::json(299, &headers, "{}")]);
    run(async {
        let transport = plain();
        let error = once(&transport, &server.url()).create(&question()).finish().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 299);
        let headers = &error.head().unwrap().headers;
        assert_eq!(headers.get_all("x-many").iter().collect::<Vec<_>>(), ["b", "a", "b"]);
        assert_eq!(headers["x-name"].as_bytes(), "J\u{fc}rgen".as_bytes());
        assert_eq!(headers["date"], "yesterday");
        assert_eq!(headers.len(), 7);
        assert_eq!(transport.lost_header_values(), 0);
    });
}

#[test]
fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = serve(vec![Scripted::json(status, &[("location", "/elsewhere")], "{}")]);
        run(async {
            let error = once(&plain(), &server.url()).create(&question()).finish().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::UnexpectedResponse { .. }), "{error}");
            assert_eq!(error.status().unwrap(), status);
        });
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn the_connection_of_a_complete_answer_is_used_again() {
    let server = serve(vec![
        Scripted::sse_chunked([FIRST, LAST]),
        Scripted::json(200, &[], RESULT),
        Scripted::json(404, &[], "{}"),
        Scripted::sse(LAST),
    ]);
    run(async {
        let client = once(&plain(), &server.url());
        for _ in 0..4 {
            let _ = client.create(&question()).finish().await;
        }
    });
    assert_eq!((server.requests().len(), server.accepted_connections()), (4, 1));
}

#[test]
fn a_dropped_reply_closes_its_connection() {
    let stalled = || Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    let server = serve(vec![
        stalled().chunk(FIRST).then(Step::Stall),
        Scripted::raw("").then(Step::Stall),
        Scripted::json(200, &[], RESULT),
    ]);
    run(async {
        let client = once(&plain(), &server.url());
        let mut reply = client.create(&question());
        reply.next().await.unwrap().unwrap();
        assert_eq!(server.open_connections(), 1);
        drop(reply);
        until("the close in the body", || server.open_connections() == 0).await;

        let mut reply = client.create(&question());
        assert!(async_std::future::timeout(Duration::from_millis(50), reply.next()).await.is_err());
        until("the request", || server.requests().len() == 2).await;
        drop(reply);
        until("the close before the head", || server.open_connections() == 0).await;

        assert_eq!(client.create(&question()).finish().await.unwrap().text, "Yes, no.");
        assert_eq!(server.accepted_connections(), 3);
    });
}

/// Sends a request, reads the first chunk of the answer, and drains the rest.
async fn drain(transport: &AsyncStdTransport, url: &str) {
    let request = Request::post(url).body(Bytes::from_static(b"{}")).unwrap();
    let mut body = transport.send(request).await.unwrap().into_body();
    let first = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), FIRST);
    transport.drain(Box::pin(body));
}

#[test]
fn a_drained_body_keeps_its_connection_only_if_it_ends_soon() {
    let begun =
        || Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]).chunk(FIRST);
    let large = "x".repeat(DRAIN_BYTES + 1);
    for (rest, accepted) in
        [(begun().last_chunk(), 1), (begun().then(Step::Stall), 2), (begun().chunk(large).then(Step::Stall), 2)]
    {
        let server = serve(vec![rest, begun().last_chunk()]);
        run(async {
            let transport = plain();
            drain(&transport, &server.url()).await;
            if accepted == 1 {
                until("the end of the answer", || server.idle_connections() == 1).await;
            } else {
                // Without another call: a task closes it.
                until("the close", || server.open_connections() == 0).await;
            }
            drain(&transport, &server.url()).await;
            assert_eq!(server.accepted_connections(), accepted);
        });
    }
}

#[test]
fn a_refused_connection_keeps_its_cause_and_its_class() {
    run(async {
        let transport = plain();
        // No server listens on port 1.
        let request = Request::post("http://127.0.0.1:1/").body(Bytes::new()).unwrap();
        let error = transport.send(request).await.unwrap_err();
        assert_eq!(AsyncStdTransport::classify(&error), TransportError::Connect);
        // surf's own Debug prints a backtrace.
        assert!(!format!("{error:?}").contains('\n'), "{error:?}");

        let error = once(&transport, "http://127.0.0.1:1").create(&question()).finish().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Connect);
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let refused = |io: &io::Error| io.kind() == io::ErrorKind::ConnectionRefused;
        assert!(causes.filter_map(|cause| cause.downcast_ref()).any(refused), "{}", chain(&error));
    });
}

#[test]
fn an_error_in_the_body_keeps_its_cause() {
    let stream = Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    let server = serve(vec![stream.chunk(FIRST).then(Step::Write("zz\r\n".into())).then(Step::Stall)]);
    run(async {
        let error = once(&plain(), &server.url()).create(&question()).finish().await.unwrap_err();
        assert_eq!(error.partial().unwrap().text, "Yes, ");
        // hyper's own error, without the I/O error that carried it.
        let cause = error.source().unwrap();
        assert!(cause.downcast_ref::<io::Error>().is_none(), "{cause:?}");
        assert!(chain(&error).contains("Invalid chunk size"), "{}", chain(&error));
    });
}

#[test]
fn a_silent_tls_handshake_is_a_connect_timeout() {
    // The system accepts connections for a listener.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let after = Duration::from_millis(100);
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(after);
    let mut config = Config::default();
    config.timeouts.connect = Some(after);
    config.retry.max_retries = 0;
    run(async {
        let transport = AsyncStdTransport::from_settings(&settings).unwrap();
        let url = format!("https://{}", silent.local_addr().unwrap());
        let error = client_on(&transport, &url, &config).create(&question()).finish().await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Connect, after: is, .. } if *is == after),
            "{error}"
        );
    });
}

#[test]
fn a_request_that_surf_does_not_support_is_unsent() {
    run(async {
        let request = Request::builder().method("ASK").uri("http://127.0.0.1:1/").body(Bytes::new()).unwrap();
        let error = plain().send(request).await.unwrap_err();
        assert_eq!(AsyncStdTransport::classify(&error), TransportError::Unsent);
        assert!(error.to_string().contains("ASK"), "{error}");
    });
}

#[test]
fn the_timer_fires_at_its_deadline() {
    let transport = plain();
    run(async {
        let deadline = transport.now() + Duration::from_millis(20);
        transport.sleep_until(deadline).await;
        assert!(transport.now() >= deadline);
        // A deadline in the past, and one that is never reached.
        transport.sleep_until(Duration::ZERO).await;
        let never = transport.sleep_until(Duration::MAX);
        assert!(async_std::future::timeout(Duration::from_millis(20), never).await.is_err());
    });
}

#[test]
fn replies_and_errors_are_send() {
    fn sent<T: Send + 'static>() {}
    fn shared<T: Send + Sync + 'static>() {}
    fn unpinned<T: Unpin>() {}
    sent::<Reply>();
    sent::<Session>();
    shared::<Client>();
    shared::<AsyncStdTransport>();
    shared::<transport_async_std::SendError>();
    unpinned::<Reply>();
}
