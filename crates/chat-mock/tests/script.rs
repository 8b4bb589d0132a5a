//! The script server: what is written is what arrives, and every fault looks like itself.

mod common;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use chat_mock::{ScriptServer, ScriptedReply, Step};
use common::{http, post, text, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\nContent-Length: 4\r\n\r\nbody";

fn start(replies: Vec<ScriptedReply>) -> ScriptServer {
    ScriptServer::start(replies).expect("loopback has a free port")
}

async fn connect(server: &ScriptServer) -> TcpStream {
    TcpStream::connect(server.local_addr()).await.expect("it listens")
}

/// Connects, and sends the request.
async fn asked(server: &ScriptServer) -> TcpStream {
    let mut stream = connect(server).await;
    stream.write_all(REQUEST).await.expect("it reads");
    stream
}

async fn exactly(stream: &mut TcpStream, expected: &[u8]) {
    let mut seen = vec![0; expected.len()];
    stream.read_exact(&mut seen).await.expect("so much comes");
    assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(expected));
}

#[tokio::test]
async fn a_request_is_recorded_as_received() {
    let server = start(vec![ScriptedReply::raw("whatever")]);
    let mut stream = connect(&server).await;
    // Byte by byte: the reply waits for the whole of it.
    for byte in REQUEST {
        assert!(server.requests().is_empty());
        stream.write_all(&[*byte]).await.expect("it reads");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an end in order");
    assert_eq!(answer, "whatever");
    let requests = server.requests();
    let [request] = &requests[..] else { panic!("one request: {requests:?}") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a%20b?c=d"));
    assert_eq!(request.headers.get_all("x-two").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(request.headers["host"], "h");
    assert_eq!(request.body, "body");
}

#[tokio::test]
async fn a_cycle_begins_again_after_its_last_reply() {
    let replies = vec![ScriptedReply::raw("one"), ScriptedReply::raw("two")];
    let server = ScriptServer::cycle(([127, 0, 0, 1], 0).into(), replies).await.expect("a free port");
    for expected in ["one", "two", "one", "two", "one"] {
        let mut answer = String::new();
        asked(&server).await.read_to_string(&mut answer).await.expect("an end in order");
        assert_eq!(answer, expected);
    }
    assert!(server.requests().is_empty(), "it may run for long, so it keeps no requests");
    server.replay(vec![ScriptedReply::raw("three"), ScriptedReply::raw("four")]);
    let mut answer = String::new();
    asked(&server).await.read_to_string(&mut answer).await.expect("an end in order");
    assert_eq!(answer, "three");
    let taken = ScriptServer::cycle(server.local_addr(), Vec::new()).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn common_replies_are_http() {
    let server = start(vec![
        ScriptedReply::json(429, &[("retry-after", "2")], r#"{"detail":"slow"}"#),
        ScriptedReply::sse("data: 1\n\n"),
        ScriptedReply::answer("s-1", "Yes, no."),
        ScriptedReply::completion("Yes, no."),
        ScriptedReply::sse_chunked(["data: 1\n", "", "\n"]),
    ]);
    let http = http();
    let ask = async || http.request(post(&server.url(), "{}")).await.expect("an answer");

    let response = ask().await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(text(response).await, r#"{"detail":"slow"}"#);

    let response = ask().await;
    assert_eq!((response.status().as_u16(), response.headers()["content-length"].as_bytes()), (200, &b"9"[..]));
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(text(response).await, "data: 1\n\n");

    let chunk = |text: &str, end: &str| {
        format!("event: message_chunk\ndata: {{\"content_chunk\":\"{text}\",\"chat_session_id\":\"s-1\"{end}}}\n\n")
    };
    assert_eq!(text(ask().await).await, chunk("Yes, ", "") + &chunk("no.", ",\"finish_reason\":\"stop\""));

    let stream = text(ask().await).await;
    let contents: Vec<&str> = stream.split("\"content\":").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    assert_eq!(contents, ["\"\",\"refusal\":null,\"role\":\"assistant\"", "\"Yes, \"", "\"no.\""]);
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");

    // The last reply is repeated after the end of the list.
    for _ in 0..3 {
        let response = ask().await;
        assert_eq!(response.headers()["transfer-encoding"], "chunked");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(text(response).await, "data: 1\n\n");
    }
    assert_eq!(server.requests().len(), 7);
    assert_eq!(server.accepted_connections(), 1, "whole answers keep the connection");
}

#[tokio::test]
async fn the_bytes_are_exact() {
    let server = start(vec![
        ScriptedReply::head(299, &[("a", "b")]).chunk("0123456789abcdef").then(Step::KeepAlive).chunk("not played"),
        ScriptedReply::head(200, &[]).last_chunk(),
        ScriptedReply::raw("end"),
    ]);
    let mut stream = asked(&server).await;
    // All at once: what is sent ahead waits for its turn.
    stream.write_all(&[REQUEST, REQUEST].concat()).await.expect("it reads");
    let mut seen = String::new();
    stream.read_to_string(&mut seen).await.expect("an end in order");
    assert_eq!(seen, "HTTP/1.1 299 \r\na: b\r\n\r\n10\r\n0123456789abcdef\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\nend");
    assert_eq!((server.requests().len(), server.accepted_connections()), (3, 1));
}

#[tokio::test]
async fn close_is_graceful_and_reset_is_not() {
    let server = start(vec![ScriptedReply::raw("x").then(Step::Close), ScriptedReply::raw("").then(Step::Reset)]);
    let mut stream = asked(&server).await;
    exactly(&mut stream, b"x").await;
    assert_eq!(stream.read(&mut [0]).await.expect("an end in order"), 0);

    let mut stream = asked(&server).await;
    let error = stream.read(&mut [0]).await.expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    until("both are closed", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn a_stall_lasts_until_the_peer_closes() {
    let server = start(vec![ScriptedReply::raw("x").then(Step::Stall)]);
    let mut stream = connect(&server).await;
    until("it waits for a request", || server.idle_connections() == 1).await;
    stream.write_all(REQUEST).await.expect("it reads");
    exactly(&mut stream, b"x").await;
    assert_eq!(server.idle_connections(), 0);
    let more = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
    assert!(more.is_err(), "nothing comes, not even an end");
    assert_eq!(server.open_connections(), 1);
    drop(stream);
    until("the stall is over", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn a_pause_ends_early_when_the_peer_closes() {
    let short = Duration::from_millis(50);
    let server = start(vec![
        ScriptedReply::raw("a").then(Step::Pause(short)).then(Step::Write("b".into())),
        ScriptedReply::raw("a").then(Step::Pause(Duration::from_secs(86_400))),
    ]);
    let mut stream = asked(&server).await;
    let begin = Instant::now();
    exactly(&mut stream, b"ab").await;
    assert!(begin.elapsed() >= short);

    let mut stream = asked(&server).await;
    exactly(&mut stream, b"a").await;
    drop(stream);
    until("the pause is over", || server.open_connections() == 0).await;
}

#[tokio::test]
async fn a_request_that_cannot_be_read_uses_no_reply() {
    let server = start(vec![ScriptedReply::raw("the reply")]);
    for unreadable in [
        "no http\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 1\r\n\r\n",
    ] {
        let mut stream = connect(&server).await;
        stream.write_all(unreadable.as_bytes()).await.expect("it reads");
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).await.expect("an end in order");
        assert!(seen.is_empty(), "{unreadable}");
    }
    assert!(server.requests().is_empty());
    exactly(&mut asked(&server).await, b"the reply").await;
}

#[tokio::test]
async fn without_replies_it_hangs_up() {
    let server = start(Vec::new());
    let mut stream = asked(&server).await;
    assert_eq!(stream.read(&mut [0]).await.expect("an end in order"), 0);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn dropping_it_closes_its_connections() {
    let server = start(vec![ScriptedReply::raw("x").then(Step::Stall)]);
    let addr = server.local_addr();
    let mut stream = asked(&server).await;
    exactly(&mut stream, b"x").await;
    drop(server);
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0])).await.expect("it ends soon");
    assert_eq!(end.expect("an end in order"), 0);
    assert!(TcpStream::connect(addr).await.is_err(), "nothing listens");
}

#[tokio::test]
async fn a_new_list_of_replies_starts_with_its_first() {
    let server = start(vec![ScriptedReply::raw("a"), ScriptedReply::raw("b")]);
    exactly(&mut asked(&server).await, b"a").await;
    server.replay(vec![ScriptedReply::raw("c"), ScriptedReply::raw("d")]);
    assert!(server.requests().is_empty());
    for want in [b"c", b"d", b"d"] {
        exactly(&mut asked(&server).await, want).await;
    }
    assert_eq!((server.requests().len(), server.accepted_connections()), (3, 4));
}
