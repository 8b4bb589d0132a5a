//! Connecting: addresses that do not answer, slow name resolution, stale connections.

mod common;

use std::future::pending;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat_mock::{Blackhole, ScriptServer, ScriptedReply as Reply, Server};
use common::tcp_server::{TcpServer, head};
use common::{TIMEOUT, ask, builder, client, client_within, wait_until};
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt as _;
use transport_hyper::driver::TransportSettings;
use transport_hyper::{Client, ErrorKind, TimeoutKind};

const RESULT: &str = r#"{"chat_session_id":"s-1","message":{"role":"assistant","content":"Hello"}}"#;

/// An address that does not answer. Prints a message and returns `None` if the machine has no such address.
fn blackhole(ip: impl Into<std::net::IpAddr>) -> Option<Blackhole> {
    let opened = Blackhole::open(ip);
    opened.inspect_err(|error| println!("skipped: {error}")).ok()
}

fn is_connect_timeout(error: &transport_hyper::Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Connect, .. })
}

#[tokio::test]
async fn the_other_ip_family_is_tried_when_an_address_does_not_answer() {
    let server = Server::builder().bind().await.unwrap();
    let Some(hole) = blackhole(Ipv6Addr::LOCALHOST) else { return };
    let addrs = vec![hole.addr(), server.local_addr()];
    let builder = builder().resolver(move |_| std::future::ready(Ok(addrs.clone())));
    let client = client(builder, "http://api.example");
    let begun = Instant::now();
    ask(&client).await.unwrap();
    let took = begun.elapsed();
    println!("{} is silent; connected to {} after {took:?}", hole.addr(), server.local_addr());
    assert!(took >= Duration::from_millis(250), "the silent one was tried first: {took:?}");
    assert!(took < TIMEOUT / 2, "{took:?}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn the_next_address_of_a_family_is_tried_when_one_does_not_answer() {
    let server = Server::builder().bind().await.unwrap();
    let holes = [blackhole(Ipv4Addr::LOCALHOST).unwrap(), blackhole(Ipv4Addr::LOCALHOST).unwrap()];
    // Without a connect timeout, only the next address ends the wait.
    let mut without = TransportSettings::default();
    without.connect_timeout = None;
    for settings in [common::settings(TIMEOUT), without] {
        let addrs: Vec<_> = holes.iter().map(Blackhole::addr).chain([server.local_addr()]).collect();
        let builder = builder().resolver(move |_| std::future::ready(Ok(addrs.clone())));
        let transport = builder.build(&settings).unwrap();
        let client = Client::builder().base_url("http://api.example").api_key("k").build_on(transport).unwrap();
        let begun = Instant::now();
        ask(&client).await.unwrap();
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn the_connect_timeout_covers_the_address_the_name_and_tls() {
    let timeout = Duration::from_millis(700);
    let hole = blackhole(Ipv4Addr::LOCALHOST).unwrap();
    let silent = TcpServer::silent().await;
    let to = |addr: SocketAddr| builder().resolver(move |_| std::future::ready(Ok(vec![addr])));
    let rows = [
        ("address", to(hole.addr()), "http://api.example"),
        (
            "two addresses",
            builder().resolver(move |_| std::future::ready(Ok(vec![hole.addr(); 2]))),
            "http://api.example",
        ),
        ("name", builder().resolver(|_| pending()), "http://api.example"),
        ("TLS", to(silent.addr), "https://api.example"),
    ];
    // The rows run at once, because they mostly wait.
    let rows = rows.map(|(what, builder, url)| {
        tokio::spawn(async move {
            let begun = Instant::now();
            let error = ask(&client_within(builder, url, timeout)).await.unwrap_err();
            let took = begun.elapsed();
            println!("{what}: {error:#} ({took:.1?})");
            assert!(is_connect_timeout(&error), "{what}: {error:?}");
            assert!(took >= timeout && took < TIMEOUT / 2, "{what}: {took:?}");
        })
    });
    for row in rows {
        row.await.unwrap();
    }
}

#[tokio::test]
async fn slow_name_resolution_is_not_an_error() {
    let server = Server::builder().bind().await.unwrap();
    let addr = server.local_addr();
    let late = Duration::from_millis(500);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = builder().resolver(move |host| {
        assert_eq!(host, "api.example");
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(late).await;
            Ok(vec![addr])
        }
    });
    let client = client(builder, "http://api.example");
    let begun = Instant::now();
    ask(&client).await.unwrap();
    assert!(begun.elapsed() >= late);
    // The second call reuses the connection of the first.
    ask(&client).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn each_connect_error_names_its_cause() {
    // A bound port on which no server listens.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let gone = silent.local_addr().unwrap().as_socket().unwrap();
    let no_name = builder().resolver(|_| std::future::ready(Err(io::Error::other("no such name"))));
    let no_address = builder().resolver(|_| std::future::ready(Ok(Vec::new())));
    for (builder, url, says) in [
        (
            builder(),
            format!("http://{gone}"),
            format!("could not connect: connection to {gone} failed: Connection refused (os error 111)"),
        ),
        (
            no_name,
            "http://api.example".to_owned(),
            "could not connect: the name api.example could not be resolved: no such name".to_owned(),
        ),
        (
            no_address,
            "http://api.example".to_owned(),
            "could not connect: the name api.example could not be resolved: the name has no address".to_owned(),
        ),
    ] {
        let error = ask(&client(builder, &url)).await.unwrap_err();
        assert_eq!((error.kind(), format!("{error:#}").as_str()), (&ErrorKind::Connect, says.as_str()));
        println!("{says}");
    }
}

/// A server that answers one request per connection, closes the connection and reports that. Counts the requests. It has its
/// own thread, so that it runs while the client's runtime is blocked.
fn closing_server(closed: std::sync::mpsc::Sender<()>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let posts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&posts);
    std::thread::spawn(move || {
        while let Ok((mut tcp, _)) = listener.accept() {
            let mut read = Vec::new();
            while !read.ends_with(b"}") || !read.windows(4).any(|four| four == b"\r\n\r\n") {
                let mut some = [0; 1024];
                match tcp.read(&mut some) {
                    Ok(n) if n > 0 => read.extend(&some[..n]),
                    _ => break,
                }
            }
            if read.starts_with(b"POST ") {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                write!(tcp, "{answer} {}\r\n\r\n{RESULT}", RESULT.len()).unwrap();
            }
            drop(tcp);
            let _ = closed.send(());
        }
    });
    (addr, posts)
}

#[tokio::test]
async fn a_stale_connection_is_replaced_without_an_error() {
    let (closed, seen) = std::sync::mpsc::channel();
    let (addr, posts) = closing_server(closed);
    for n in 1..=50 {
        let client = client(builder(), &format!("http://{addr}"));
        ask(&client).await.unwrap();
        // The test's runtime is blocked, so the pool has not noticed the close.
        seen.recv_timeout(TIMEOUT).unwrap();
        // The client does not retry, so only the pool can repeat the request.
        ask(&client).await.unwrap();
        seen.recv_timeout(TIMEOUT).unwrap();
        assert_eq!(posts.load(Ordering::SeqCst), 2 * n);
    }
}

#[tokio::test]
async fn a_request_that_crosses_a_close_is_an_error_and_is_not_retried() {
    let posts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&posts);
    let server = TcpServer::start(move |mut tcp| {
        let count = Arc::clone(&count);
        async move {
            head(&mut tcp).await;
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                tcp.write_all(format!("{answer} {}\r\n\r\n{RESULT}", RESULT.len()).as_bytes()).await.unwrap();
                // The body of the first request, and the head of the second.
                head(&mut tcp).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    // Retries are enabled.
    let transport = builder().build(&common::settings(TIMEOUT)).unwrap();
    let url = format!("http://{}", server.addr);
    let client = transport_hyper::Client::builder().base_url(url).api_key("k").build_on(transport).unwrap();
    ask(&client).await.unwrap();
    let error = ask(&client).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Transport);
    println!("{error:#}");
    assert_eq!((posts.load(Ordering::SeqCst), server.accepted()), (2, 1));
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = ScriptServer::start(vec![Reply::json(200, &[], RESULT)]).unwrap();
    for (idle, connections) in [(Duration::from_millis(100), 2), (Duration::ZERO, 4), (TIMEOUT, 5)] {
        let client = client(builder().pool_idle_timeout(idle), &server.url());
        ask(&client).await.unwrap();
        if idle < TIMEOUT {
            wait_until("the close", || server.open_connections() == 0).await;
        }
        ask(&client).await.unwrap();
        assert_eq!(server.accepted_connections(), connections, "{idle:?}");
    }
}

#[tokio::test]
async fn a_421_is_reported_as_the_apis_answer() {
    let server = ScriptServer::start(vec![Reply::json(421, &[], r#"{"detail":"not me"}"#)]).unwrap();
    let transport = builder().build(&common::settings(TIMEOUT)).unwrap();
    let client = transport_hyper::Client::builder().base_url(server.url()).api_key("k").build_on(transport).unwrap();
    let error = ask(&client).await.unwrap_err();
    assert_eq!((error.kind().name(), error.status().unwrap().as_u16()), ("api", 421));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn interim_responses_are_skipped() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n\
                   HTTP/1.1 103 Early Hints\r\n\r\n";
    let answer = format!(
        "{interim}HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{RESULT}",
        RESULT.len()
    );
    let server = ScriptServer::start(vec![Reply::raw(answer)]).unwrap();
    let answer = ask(&client(builder(), &server.url())).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.head.status.as_u16()), ("Hello", 200));
    assert_eq!(answer.head.headers.get("link"), None);
}
