//! The client on real sockets: replies, sessions and timeouts. `conformance.rs` tests what all transports have in common.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_mock::{ScriptServer, ScriptedReply as Scripted, Step};
use transport_hyper::sessions::CreateInput;
use transport_hyper::{Client, ErrorKind, Timeouts};

const CHUNK: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Hel\",\"chat_session_id\":\"s-1\"}\n\n";
const LAST: &str =
    "event: message_chunk\ndata: {\"content_chunk\":\"lo\",\"chat_session_id\":\"s-1\",\"finish_reason\":\"stop\"}\n\n";
const RESULT: &str = r#"{"chat_session_id":"s-1","message":{"role":"assistant","content":"Hello"}}"#;

fn client(url: &str) -> Client {
    Client::builder().base_url(url).api_key("k").build().unwrap()
}

/// Waits until another task has made the condition true.
async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_cancel_keeps_the_partial_answer() {
    let server = ScriptServer::start(vec![
        Scripted::head(200, &[("content-type", "text/event-stream")])
            .then(Step::Write(Bytes::from(CHUNK)))
            .then(Step::Stall),
    ])
    .unwrap();
    let mut reply = client(&server.url()).create(&CreateInput::new("i", "m"));
    reply.next().await.unwrap().unwrap();
    assert_eq!(reply.answer().unwrap().text, "Hel");
    let error = reply.cancel().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Cancelled);
    assert_eq!(error.partial().unwrap().text, "Hel");
    assert_eq!(error.partial().unwrap().session_id.as_deref(), Some("s-1"));
    wait_until("the close", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn text_is_the_same_for_streams_and_json() {
    let server =
        ScriptServer::start(vec![Scripted::sse_chunked([CHUNK, ": ping\n\n", LAST]), Scripted::json(200, &[], RESULT)]);
    let server = server.unwrap();
    let client = client(&server.url());
    for want in [vec!["Hel", "lo"], vec!["Hello"]] {
        let mut text = client.create(&CreateInput::new("i", "m")).text();
        let mut pieces = Vec::new();
        while let Some(piece) = text.next().await {
            pieces.push(piece.unwrap());
        }
        assert_eq!(pieces, want);
        assert_eq!(text.into_reply().finish().await.unwrap().text, "Hello");
    }
}

#[tokio::test]
async fn an_error_is_the_last_item_and_the_outcome() {
    let server = ScriptServer::start(vec![Scripted::sse([CHUNK, "event: mess"].concat())]).unwrap();
    let mut reply = client(&server.url()).create(&CreateInput::new("i", "m"));
    assert!(reply.next().await.unwrap().is_ok());
    assert_eq!(reply.head().unwrap().status, 200);
    let error = reply.next().await.unwrap().unwrap_err();
    assert!(reply.next().await.is_none());
    assert_eq!(error.partial().unwrap().text, "Hel");
    assert_eq!(reply.finish().await.unwrap_err().kind(), error.kind());
}

#[tokio::test]
async fn an_io_error_keeps_its_cause() {
    // No server listens on port 1.
    let mut retry = transport_hyper::RetryPolicy::default();
    retry.max_retries = 0;
    let client = Client::builder().base_url("http://127.0.0.1:1").api_key("k").retry(retry).build().unwrap();
    let error = client.create(&CreateInput::new("i", "m")).finish().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    let mut source = std::error::Error::source(&error);
    let mut refused = false;
    while let Some(cause) = source {
        refused |=
            cause.downcast_ref().is_some_and(|io: &std::io::Error| io.kind() == std::io::ErrorKind::ConnectionRefused);
        source = cause.source();
    }
    assert!(refused, "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_handshake_is_a_connect_timeout() {
    // The system accepts connections for this listener.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut timeouts = Timeouts::default();
    timeouts.connect = Some(Duration::from_millis(100));
    let mut retry = transport_hyper::RetryPolicy::default();
    retry.max_retries = 0;
    let url = format!("https://{}", silent.local_addr().unwrap());
    let client = Client::builder().base_url(url).api_key("k").timeouts(timeouts).retry(retry).build().unwrap();
    let error = client.create(&CreateInput::new("i", "m")).finish().await.unwrap_err();
    let after = Duration::from_millis(100);
    assert!(
        matches!(error.kind(), ErrorKind::Timeout { kind: transport_hyper::TimeoutKind::Connect, after: is, .. } if *is == after),
        "{error}"
    );
}

#[test]
fn replies_and_errors_can_go_to_other_threads() {
    fn sent<T: Send + 'static>() {}
    fn shared<T: Send + Sync + 'static>() {}
    sent::<transport_hyper::Reply>();
    sent::<transport_hyper::Session>();
    shared::<Client>();
    shared::<transport_hyper::Error>();
    fn unpinned<T: Unpin>() {}
    unpinned::<transport_hyper::Reply>();
}

#[tokio::test]
async fn an_unusable_session_id_is_reported_and_does_not_start_another_session() {
    let bad = CHUNK.replace("s-1", "");
    let server = ScriptServer::start(vec![Scripted::sse(bad), Scripted::sse(LAST)]).unwrap();
    let mut session = client(&server.url()).session("i");
    session.ask("one").finish().await.unwrap();
    assert_eq!((session.id(), session.unusable_id().as_deref()), (None, Some("")));
    let refused = session.ask("two").finish().await.unwrap_err();
    assert_eq!((refused.kind().name(), server.requests().len()), ("invalid_request", 1));
    session = session.with_id("s-0");
    session.ask("two").finish().await.unwrap();
    assert_eq!(session.id().as_deref(), Some("s-1"));
}

#[tokio::test(start_paused = true)]
async fn tests_can_pause_the_clock_because_it_is_tokios() {
    // The listener never answers. The paused clock skips the hour.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let timeouts = Timeouts::default().with_head(Duration::from_secs(3600)).with_connect(None);
    let client = Client::builder().base_url(format!("http://{}", silent.local_addr().unwrap())).api_key("k");
    let client = client.timeouts(timeouts).build().unwrap();
    let begun = (Instant::now(), tokio::time::Instant::now());
    let error = client.create(&CreateInput::new("i", "m")).finish().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(begun.0.elapsed() < Duration::from_secs(600) && begun.1.elapsed() >= Duration::from_secs(3600));
}

#[tokio::test]
async fn endless_interim_responses_are_not_read_endlessly() {
    // More than the socket buffers of both sides hold.
    const MAX_BYTES: usize = 128 << 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(4096);
        let mut taken = 0;
        while taken < 2 * MAX_BYTES && stream.write_all(hints.as_bytes()).is_ok() {
            taken += hints.len();
        }
        taken
    });
    let timeouts = Timeouts::default().with_head(Duration::from_millis(500));
    let client = Client::builder().base_url(url).api_key("k").timeouts(timeouts).build().unwrap();
    let error = client.create(&CreateInput::new("i", "m")).finish().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    // The call is over, and its connection is closed.
    let taken = tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap();
    assert!(taken < MAX_BYTES, "{taken} bytes");
}
