//! A question through a proxy, from the settings and from the environment. `chat-http1` tests the protocol with proxies.

mod support;

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use async_std::task;
use chat_mock::Server;
use support::{SERVERS, chain, once, question, settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use transport_async_std::driver::FromSettings as _;
use transport_async_std::{AsyncStd, AsyncStdTransport, Connector, Proxy, tls};

/// The first lines of the requests that a proxy forwarded.
type RequestLines = Arc<Mutex<Vec<String>>>;

/// A proxy that forwards everything to one server.
fn proxy(to: SocketAddr) -> (SocketAddr, RequestLines) {
    let listener = SERVERS.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (addr, lines) = (listener.local_addr().unwrap(), RequestLines::default());
    let log = Arc::clone(&lines);
    SERVERS.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(client.read_u8().await.unwrap());
            }
            log.lock().unwrap().push(String::from_utf8(line.clone()).unwrap());
            let mut server = TcpStream::connect(to).await.unwrap();
            server.write_all(&line).await.unwrap();
            tokio::spawn(async move { drop(copy_bidirectional(&mut client, &mut server).await) });
        }
    });
    (addr, lines)
}

#[test]
fn a_proxy_is_set_or_taken_from_the_environment() {
    let server = SERVERS.block_on(Server::builder().bind()).unwrap();
    let (proxy, lines) = proxy(server.local_addr());
    let line = "POST http://api.example/v0/chat_sessions/chat_results HTTP/1.1\r\n";

    let connector = Connector::new(AsyncStd, tls::config([], None).unwrap(), settings().connect_timeout);
    let connector = connector.via(Proxy::url(&proxy.to_string()).unwrap()).unwrap();
    let client = once(&AsyncStdTransport::with_connector(connector), "http://api.example");
    let answer = task::block_on(client.create(&question()).finish()).unwrap();
    assert!(answer.text.contains("canned answer"), "{}", answer.text);
    assert_eq!(*lines.lock().unwrap(), [line]);

    // Tests share the environment of their process, so the part that reads it runs in another process.
    let run = |url: &str| -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_process_with_environment", "--nocapture"]).env_clear();
        command.env("HTTP_PROXY", proxy.to_string()).env("TEST_URL", url);
        let Output { stdout, stderr, .. } = command.output().unwrap();
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    };
    let output = run("http://api.example");
    assert!(output.contains("answered"), "{output}");
    assert_eq!(*lines.lock().unwrap(), [line; 2]);
    // A loopback address needs no exception.
    let output = run(&server.url());
    assert!(output.contains("answered"), "{output}");
    assert_eq!(lines.lock().unwrap().len(), 2);
}

/// Sends a question for another test and prints the result. Does nothing without `TEST_URL`.
#[test]
fn child_process_with_environment() {
    let Ok(url) = std::env::var("TEST_URL") else { return };
    let client = once(&AsyncStdTransport::from_settings(&settings()).unwrap(), &url);
    match task::block_on(client.create(&question()).finish()) {
        Ok(answer) => println!("answered {}", answer.text),
        Err(error) => println!("{}", chain(&error)),
    }
}
