//! The client on real sockets: what a reply does to its connection, its session and its caller.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_mock::{Reply as Scripted, ScriptServer, Server, Step};
use transport_hyper::{Client, CreateInput, ErrorKind, Event, FinishReason, Timeouts};

const CHUNK: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Hel\",\"chat_session_id\":\"s-1\"}\n\n";
const LAST: &str =
    "event: message_chunk\ndata: {\"content_chunk\":\"lo\",\"chat_session_id\":\"s-1\",\"finish_reason\":\"stop\"}\n\n";
const RESULT: &str = r#"{"chat_session_id":"s-1","message":{"role":"assistant","content":"Hello"}}"#;

fn client(url: &str) -> Client {
    Client::builder().base_url(url).api_key("k").build().unwrap()
}

/// Waits until something that another task brings about holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_session_creates_and_then_continues() {
    let server = Server::builder().api_key("k").bind().await.unwrap();
    let client = client(&server.url());
    let mut session = client.session("i");
    assert_eq!(session.id(), None);
    let first = session.ask("What is a transport?").finish().await.unwrap();
    assert_eq!(first.finish_reason, Some(FinishReason::Stop));
    assert!(!first.citations().is_empty());
    assert_eq!(first.head.status, 200);
    assert!(first.head.request_id().is_some());
    assert_eq!(session.id(), first.chat_session_id);

    let second = session.ask("And then?").finish().await.unwrap();
    assert_eq!(second.chat_session_id, first.chat_session_id);
    assert!(second.content.contains("What is a transport?"), "{}", second.content);

    let mut again = client.session("i").with_id(first.chat_session_id.unwrap()).with_streaming(false);
    let third = again.ask("And then?").finish().await.unwrap();
    assert!(third.content.contains("question 3"), "{}", third.content);
    assert_eq!(third.events, 2);
}

#[tokio::test]
async fn a_whole_answer_gives_its_connection_back() {
    let server = ScriptServer::start(vec![
        Scripted::sse_chunked([CHUNK, LAST]),
        Scripted::json(200, &[], RESULT),
        Scripted::json(404, &[], "{}"),
        Scripted::sse(LAST),
    ])
    .unwrap();
    let client = client(&server.url());
    for want in ["Hello", "Hello", "404", "lo"] {
        let outcome = client.create(&CreateInput::new("i", "m")).finish().await;
        let got = outcome.map_or_else(|error| error.status().unwrap().as_str().to_owned(), |answer| answer.content);
        assert_eq!(got, want);
    }
    assert_eq!(server.accepted_connections(), 1);
}

#[tokio::test]
async fn a_dropped_reply_closes_its_connection_and_no_other_call_gets_it() {
    let stalled = || Scripted::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    let server =
        ScriptServer::start(vec![stalled().chunk(CHUNK).then(Step::Stall), Scripted::json(200, &[], RESULT)]).unwrap();
    let client = client(&server.url());
    let mut reply = client.create(&CreateInput::new("i", "m"));
    assert!(matches!(reply.next().await, Some(Ok(Event::MessageChunk(_)))));
    assert_eq!(server.open_connections(), 1);
    drop(reply);
    until("the close", || server.open_connections() == 0).await;
    assert_eq!(client.create(&CreateInput::new("i", "m")).finish().await.unwrap().content, "Hello");
    assert_eq!(server.accepted_connections(), 2);
}

#[tokio::test]
async fn a_cancel_keeps_what_came() {
    let server = ScriptServer::start(vec![
        Scripted::head(200, &[("content-type", "text/event-stream")])
            .then(Step::Write(Bytes::from(CHUNK)))
            .then(Step::Stall),
    ])
    .unwrap();
    let mut reply = client(&server.url()).create(&CreateInput::new("i", "m"));
    reply.next().await.unwrap().unwrap();
    assert_eq!(reply.answer().unwrap().content, "Hel");
    let error = reply.cancel().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Cancelled);
    assert_eq!(error.partial().unwrap().content, "Hel");
    assert_eq!(error.partial().unwrap().chat_session_id.as_deref(), Some("s-1"));
    until("the close", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn a_second_question_waits_for_the_first_to_end() {
    let server = Server::builder().bind().await.unwrap();
    let mut session = client(&server.url()).session("i");
    let first = session.ask("one");
    let refused = session.ask("two").finish().await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::InvalidRequest { field, .. } if field == "session"));
    drop(first);
    session.ask("three").finish().await.unwrap();
    assert_eq!(server.requests(), 1, "neither the refused nor the dropped question was sent");
}

#[tokio::test]
async fn text_is_the_text_whatever_the_form() {
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
        assert_eq!(text.into_reply().finish().await.unwrap().content, "Hello");
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
    assert_eq!(error.partial().unwrap().content, "Hel");
    assert_eq!(reply.finish().await.unwrap_err().kind(), error.kind());
}

#[tokio::test]
async fn an_io_error_keeps_its_cause() {
    // Port 1 on loopback: nobody listens.
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
async fn a_peer_that_is_silent_in_the_handshake_is_a_connect_timeout() {
    // The system accepts for a listener whose owner does nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut timeouts = Timeouts::default();
    timeouts.connect = Some(Duration::from_millis(100));
    let mut retry = transport_hyper::RetryPolicy::default();
    retry.max_retries = 0;
    let url = format!("https://{}", silent.local_addr().unwrap());
    let client = Client::builder().base_url(url).api_key("k").timeouts(timeouts).retry(retry).build().unwrap();
    let error = client.create(&CreateInput::new("i", "m")).finish().await.unwrap_err();
    let after = Duration::from_millis(100);
    assert_eq!(error.kind(), &ErrorKind::Timeout { clock: transport_hyper::Clock::Connect, after });
}

#[tokio::test]
async fn a_request_says_what_it_wants_and_who_asks() {
    let server = ScriptServer::start(vec![Scripted::sse(LAST)]).unwrap();
    client(&server.url()).session("i").ask("m").finish().await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.headers["authorization"], "Bearer k");
    assert_eq!(request.headers["accept"], "text/event-stream, application/json;q=0.9");
    let agent = request.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("transport-hyper/") && agent.contains(" chat-proto/"), "{agent}");
    assert!(!request.headers.contains_key("accept-encoding"));
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
async fn an_id_that_no_request_can_bear_does_not_end_a_conversation() {
    let bad = CHUNK.replace("s-1", "");
    let server = ScriptServer::start(vec![Scripted::sse(bad), Scripted::sse(LAST)]).unwrap();
    let mut session = client(&server.url()).session("i");
    session.ask("one").finish().await.unwrap();
    assert_eq!(session.id(), None);
    session.ask("two").finish().await.unwrap();
    assert_eq!(session.id().as_deref(), Some("s-1"));
}
