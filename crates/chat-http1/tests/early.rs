//! Answers that arrive before the whole request is sent, on real sockets.
//!
//! On Linux, data that arrived before the connection broke can still be read. Other systems may discard it.
#![cfg(target_os = "linux")]

#[path = "support/ca.rs"]
mod ca;
#[path = "support/async_io.rs"]
mod runtime;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ca::{Ca, trusting};
use chat_http1::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use chat_http1::{Connector, Engine};
use http::Request;
use http_body_util::BodyExt as _;
use runtime::AsyncIo;

const LONG: Duration = Duration::from_secs(60);
const CALLS: usize = 10;
const SIZE: usize = 10 << 20;
const EARLY: &[u8] = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large";

/// What a server does after its early answer.
#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    StopReading,
    HalfCloseAndDrain,
}

/// A server that answers as soon as it has read the head of the first request on a connection.
struct Server {
    port: u16,
    accepted: Arc<AtomicUsize>,
    /// Connections that stay open until the end of the test.
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

fn serve(tls: Option<ServerConfig>, then: Then) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = tls.map(Arc::new);
    let (accepted, held) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
    let server = Server { port, accepted: Arc::clone(&accepted), _held: Arc::clone(&held) };
    thread::spawn(move || {
        for tcp in listener.incoming() {
            accepted.fetch_add(1, Ordering::SeqCst);
            let (tcp, tls, held) = (tcp.unwrap(), tls.clone(), Arc::clone(&held));
            thread::spawn(move || {
                // A close discards data that is not sent yet.
                tcp.set_nodelay(true).unwrap();
                let raw = tcp.try_clone().unwrap();
                match tls {
                    None => answer(tcp).unwrap(),
                    Some(tls) => answer(StreamOwned::new(ServerConnection::new(tls).unwrap(), tcp)).unwrap(),
                }
                match then {
                    // This resets the connection, because data is unread.
                    Then::Close => drop(raw),
                    Then::StopReading => held.lock().unwrap().push(raw),
                    Then::HalfCloseAndDrain => {
                        raw.shutdown(Shutdown::Write).unwrap();
                        // Ends when the client closes or resets the connection.
                        let _ = io::copy(&mut &raw, &mut io::sink());
                    }
                }
            });
        }
    });
    server
}

fn answer(mut stream: impl Read + Write) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut some = [0; 1024];
        let count = stream.read(&mut some)?;
        assert!(count > 0, "the connection ended within the head");
        head.extend_from_slice(&some[..count]);
    }
    stream.write_all(EARLY)?;
    stream.flush()
}

/// Sends large requests in turn. Returns the answers, and the number of connections.
fn ask(tls: Option<ServerConfig>, roots: RootCertStore, then: Then) -> (Vec<Result<String, String>>, usize) {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = serve(tls, then);
    let engine = Engine::new(Connector::new(AsyncIo, trusting(roots), Some(LONG)));
    let body = Bytes::from(vec![b' '; SIZE]);
    let url = format!("{scheme}://localhost:{}/", server.port);
    let ask = || {
        async_io::block_on(async {
            let answer = engine.send(Request::post(&url).body(body.clone()).unwrap()).await;
            let answer = answer.map_err(|error| format!("{error:?}"))?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|error| format!("{status}: {error:?}"))?;
            Ok(format!("{status} {}", String::from_utf8_lossy(&body.to_bytes())))
        })
    };
    let answers = (0..CALLS).map(|_| ask()).collect();
    assert_eq!(engine.idle_connections(), 0, "{then:?}");
    (answers, server.accepted.load(Ordering::SeqCst))
}

const ALL: [Then; 3] = [Then::Close, Then::StopReading, Then::HalfCloseAndDrain];

#[test]
fn an_early_answer_is_returned() {
    for then in ALL {
        let (answers, connections) = ask(None, RootCertStore::empty(), then);
        assert_eq!(answers, vec![Ok("413 too large".to_owned()); CALLS], "{then:?}");
        assert_eq!(connections, CALLS, "{then:?}: no connection is used again");
    }
}

#[test]
fn an_early_answer_is_returned_over_tls() {
    let ca = Ca::new();
    for then in ALL {
        let (answers, connections) = ask(Some(ca.server(&["localhost"], 4000)), ca.roots(), then);
        assert_eq!(answers, vec![Ok("413 too large".to_owned()); CALLS], "{then:?}");
        assert_eq!(connections, CALLS, "{then:?}: no connection is used again");
    }
}
