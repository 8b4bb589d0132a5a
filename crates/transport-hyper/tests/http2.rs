//! HTTP/2: when it is used, and how servers may behave.
#![cfg(feature = "http2")]

mod common;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use common::tcp_server::{TcpServer, head};
use common::{Ca, TlsServer, acceptor, ask, builder, client, wait_until};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use transport_hyper::sessions::CreateInput;
use transport_hyper::{ErrorKind, Http2, Proxy, Transport as _};

const FIRST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Hel\",\"chat_session_id\":\"s-1\"}\n\n";
const LAST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"lo\",\"finish_reason\":\"stop\"}\n\n";

fn question() -> CreateInput {
    let mut input = CreateInput::new("i", "What is a transport?");
    input.stream = true;
    input
}

#[tokio::test]
async fn alpn_chooses_and_calls_share_a_connection() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("localhost"), &[b"h2", b"http/1.1"], None)).await;
    let client = client(builder().root_certificates([ca.root()]), &server.url("localhost"));
    client.create(&question()).finish().await.unwrap();
    let (mut one, mut two) = (client.create(&question()), client.create(&question()));
    assert!(one.next().await.unwrap().is_ok());
    assert!(two.next().await.unwrap().is_ok());
    // A dropped stream is reset. Its connection stays open.
    drop(one);
    assert!(two.finish().await.unwrap().finish_reason.is_some());
    client.create(&question()).finish().await.unwrap();
    assert_eq!(server.connections(), (1, 0));
}

#[tokio::test]
async fn http1_is_used_if_http2_is_off_or_not_selected() {
    let ca = Ca::new();
    for (http2, protocols) in
        [(Http2::Alpn, &[b"http/1.1".as_slice()][..]), (Http2::Alpn, &[]), (Http2::Off, &[b"h2", b"http/1.1"])]
    {
        let server = TlsServer::start(acceptor(ca.identity("localhost"), protocols, None)).await;
        let client = client(builder().root_certificates([ca.root()]).http2(http2), &server.url("localhost"));
        for _ in 0..2 {
            client.create(&question()).finish().await.unwrap();
        }
        assert_eq!(server.connections(), (0, 1), "{http2:?}");
    }
}

#[tokio::test]
async fn prior_knowledge_needs_no_alpn() {
    let ca = Ca::new();
    // A server that supports HTTP/2, but not ALPN.
    let server = TlsServer::start(acceptor(ca.identity("localhost"), &[], None)).await;
    let secure = builder().root_certificates([ca.root()]).http2(Http2::PriorKnowledge);
    ask(&client(secure, &server.url("localhost"))).await.unwrap();
    // Without TLS.
    let (server, streams) = h2_server(|mut connection| async move {
        while let Some(Ok((_, respond))) = connection.accept().await {
            answer(respond, &[FIRST, LAST]);
        }
    })
    .await;
    let client = client(builder().http2(Http2::PriorKnowledge), &format!("http://{}", server.addr));
    for _ in 0..3 {
        assert_eq!(ask(&client).await.unwrap().text, "Hello");
    }
    assert_eq!((server.accepted(), streams.load(Ordering::SeqCst)), (1, 1));
}

type Connection = h2::server::Connection<TcpStream, Bytes>;

/// An HTTP/2 server without TLS, and the number of its connections.
async fn h2_server<F>(serve: impl Fn(Connection) -> F + Clone + Send + 'static) -> (TcpServer, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let handshakes = Arc::clone(&count);
    let server = TcpServer::start(move |tcp| {
        let (serve, handshakes) = (serve.clone(), Arc::clone(&handshakes));
        async move {
            let Ok(connection) = h2::server::handshake(tcp).await else { return };
            handshakes.fetch_add(1, Ordering::SeqCst);
            serve(connection).await;
        }
    })
    .await;
    (server, count)
}

fn begin(mut respond: h2::server::SendResponse<Bytes>) -> h2::SendStream<Bytes> {
    let head = Response::builder().status(StatusCode::OK).header("content-type", "text/event-stream").body(()).unwrap();
    respond.send_response(head, false).unwrap()
}

fn answer(respond: h2::server::SendResponse<Bytes>, parts: &[&'static str]) {
    let mut stream = begin(respond);
    for (at, part) in parts.iter().enumerate() {
        stream.send_data(Bytes::from_static(part.as_bytes()), at + 1 == parts.len()).unwrap();
    }
}

#[tokio::test]
async fn running_streams_complete_after_a_goaway() {
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&begun), Arc::clone(&end));
    let first = Arc::new(AtomicUsize::new(0));
    let (server, connections) = h2_server(move |mut connection| {
        let (begun, end) = told.clone();
        let first = Arc::clone(&first);
        async move {
            let Some(Ok((_, respond))) = connection.accept().await else { return };
            if first.fetch_add(1, Ordering::SeqCst) > 0 {
                answer(respond, &[FIRST, LAST]);
                while connection.accept().await.is_some() {}
                return;
            }
            let mut stream = begin(respond);
            stream.send_data(Bytes::from_static(FIRST.as_bytes()), false).unwrap();
            // Twice a `GOAWAY`, and in between what is on its way is still taken.
            connection.graceful_shutdown();
            begun.notify_one();
            let mut ended = std::pin::pin!(end.notified());
            let mut is_over = false;
            poll_fn(|cx| {
                if !is_over && ended.as_mut().poll(cx).is_ready() {
                    stream.send_data(Bytes::from_static(LAST.as_bytes()), true).unwrap();
                    is_over = true;
                }
                connection.poll_closed(cx)
            })
            .await
            .unwrap();
        }
    })
    .await;
    let client = client(builder().http2(Http2::PriorKnowledge), &format!("http://{}", server.addr));
    let mut running = client.create(&question());
    assert_eq!(running.next().await.unwrap().unwrap().text(), Some("Hel"));
    begun.notified().await;
    // The next call uses another connection once the client has read the `GOAWAY`. If it started before, the server answers
    // or rejects it.
    let next = client.create(&question());
    end.notify_one();
    assert_eq!(running.finish().await.unwrap().text, "Hello");
    assert_eq!(next.finish().await.unwrap().text, "Hello");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// A body that was dropped instead would reset its stream before the second request.
#[tokio::test]
async fn a_drained_stream_is_reset_only_if_it_stays_open() {
    let was_reset = Arc::new(Notify::new());
    let tell = Arc::clone(&was_reset);
    let (server, connections) = h2_server(move |mut connection| {
        let tell = Arc::clone(&tell);
        async move {
            let mut open = Vec::new();
            for _ in 0..2 {
                let Some(Ok((_, respond))) = connection.accept().await else { return };
                let mut stream = begin(respond);
                stream.send_data(Bytes::from_static(FIRST.as_bytes()), false).unwrap();
                open.push(stream);
            }
            open[0].send_data(Bytes::from_static(LAST.as_bytes()), true).expect("the first stream is still open");
            let reset = poll_fn(|cx| {
                while let Poll::Ready(Some(Ok((_, respond)))) = connection.poll_accept(cx) {
                    answer(respond, &[FIRST, LAST]);
                }
                open[1].poll_reset(cx)
            });
            assert_eq!(reset.await.unwrap(), h2::Reason::CANCEL);
            tell.notify_one();
            while let Some(Ok((_, respond))) = connection.accept().await {
                answer(respond, &[FIRST, LAST]);
            }
        }
    })
    .await;
    let url = format!("http://{}", server.addr);
    let transport = builder().http2(Http2::PriorKnowledge).build(&common::settings(common::TIMEOUT)).unwrap();
    let send = || transport.send(http::Request::post(&url).body(Bytes::new()).unwrap());
    for _ in 0..2 {
        let mut body = send().await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), FIRST);
        transport.drain(Box::pin(body));
    }
    tokio::time::timeout(common::TIMEOUT, was_reset.notified()).await.expect("the second stream is reset");
    send().await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dead_connection_is_detected_by_pings() {
    // Answers the first call. Then it sends nothing, not even answers to pings.
    let (server, connections) = h2_server(|mut connection| async move {
        let Some(Ok((_, respond))) = connection.accept().await else { return };
        answer(respond, &[FIRST, LAST]);
        let Some(Ok((_, _respond))) = connection.accept().await else { return };
        std::future::pending::<()>().await;
    })
    .await;
    let builder = builder().http2(Http2::PriorKnowledge).http2_keep_alive(Duration::from_millis(300));
    let client = client(builder, &format!("http://{}", server.addr));
    ask(&client).await.unwrap();
    let error = ask(&client).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Transport, "{error:#}");
    println!("{error:#}");
    ask(&client).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// The first bytes of the server may arrive together with the proxy's answer.
#[tokio::test]
async fn a_tunnel_keeps_bytes_after_the_proxys_answer() {
    let (server, _) = h2_server(|mut connection| async move {
        while let Some(Ok((_, respond))) = connection.accept().await {
            answer(respond, &[FIRST, LAST]);
        }
    })
    .await;
    let to = server.addr;
    let proxy = TcpServer::start(move |mut client| async move {
        let asked = head(&mut client).await;
        assert!(asked.starts_with("CONNECT api.example:80 "), "a proxy can't forward HTTP/2: {asked}");
        let mut target = TcpStream::connect(to).await.unwrap();
        let mut first = vec![0; 1024];
        let n = target.read(&mut first).await.unwrap();
        client.write_all(&[b"HTTP/1.1 200 Fine\r\n\r\n", &first[..n]].concat()).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut target).await;
    })
    .await;
    let through = Proxy::url(&format!("http://{}", proxy.addr)).unwrap();
    let client = client(builder().http2(Http2::PriorKnowledge).proxy(through), "http://api.example");
    assert_eq!(ask(&client).await.unwrap().text, "Hello");
    drop(client);
    wait_until("the end", || proxy.accepted() == 1).await;
}

/// Sends so many frames of one event each, as fast as flow control allows.
async fn send_frames(respond: h2::server::SendResponse<Bytes>, frames: usize) {
    let mut stream = begin(respond);
    for n in 1..=frames {
        let frame = Bytes::from_static(if n < frames { FIRST } else { LAST }.as_bytes());
        stream.reserve_capacity(frame.len());
        while stream.capacity() < frame.len() {
            let Some(Ok(_)) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        }
        if stream.send_data(frame, n == frames).is_err() {
            return;
        }
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// The reader is in `block_on`, as in `#[tokio::main]`, and not a task of a worker.
#[test]
fn a_main_task_that_pauses_reads_200_000_small_frames() {
    const FRAMES: usize = 200_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, streams) = h2_server(|mut connection| async move {
            let mut frames = FRAMES;
            while let Some(Ok((_, respond))) = connection.accept().await {
                tokio::spawn(send_frames(respond, frames));
                frames = 2;
            }
        })
        .await;
        let client = client(builder().http2(Http2::PriorKnowledge), &format!("http://{}", server.addr));
        let mut reply = client.create(&question());
        reply.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Another call on the same connection succeeds.
        assert_eq!(ask(&client).await.unwrap().text, "Hello");
        assert_eq!(reply.finish().await.unwrap().events as usize, FRAMES);
        assert_eq!(streams.load(Ordering::SeqCst), 1);
    });
}
