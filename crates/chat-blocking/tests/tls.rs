//! TLS against a server with a private CA.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use chat_blocking::rustls::pki_types::CertificateDer;
use chat_blocking::rustls::{ServerConnection, StreamOwned};
use chat_blocking::{Client, Connector, ErrorKind, Truncation};
use chat_mock::conformance::Identity;
use chat_mock::faults::{FIRST, LAST, RESULT};
use support::{chain, question};

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A server with a CA that only those know who are told.
struct TlsServer {
    addr: SocketAddr,
    ca: CertificateDer<'static>,
    connections: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Gives each connection to a handler, in a thread of its own.
    fn start(handle: impl Fn(&mut Stream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let identity = Identity::new();
        let tls = Arc::clone(identity.acceptor(&[b"http/1.1"]).config());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            ca: identity.ca(),
            connections: Arc::new(AtomicUsize::new(0)),
        };
        let (handle, connections) = (Arc::new(handle), Arc::clone(&server.connections));
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (tls, handle, connections) = (Arc::clone(&tls), Arc::clone(&handle), Arc::clone(&connections));
                thread::spawn(move || {
                    let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), tcp);
                    if stream.conn.complete_io(&mut stream.sock).is_ok() {
                        connections.fetch_add(1, Ordering::SeqCst);
                        // What the client's end of it comes to is what the test looks at.
                        let _ = handle(&mut stream);
                    }
                });
            }
        });
        server
    }

    /// A client that trusts this CA too.
    fn client(&self, ca: &CertificateDer<'static>) -> Client {
        let url = format!("https://localhost:{}", self.addr.port());
        let settings = Client::builder().base_url(url).api_key("k").settings().unwrap();
        Client::new(settings, Connector::with_roots([ca.clone()]).unwrap())
    }
}

/// Reads a request, which ends with its JSON object; whether there is one.
fn read_request(stream: &mut Stream) -> std::io::Result<bool> {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"}") {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(false);
        }
        request.extend_from_slice(&chunk[..count]);
    }
    Ok(true)
}

const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

#[test]
fn a_connection_is_kept_and_used_again() {
    let server = TlsServer::start(|stream| {
        while read_request(stream)? {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                RESULT.len()
            );
            stream.write_all(&[head.as_bytes(), RESULT.as_bytes()].concat())?;
            stream.flush()?;
        }
        Ok(())
    });
    let client = server.client(&server.ca);
    for _ in 0..3 {
        assert_eq!(client.create(&question()).finish().unwrap().content, "Yes, no.");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn an_event_comes_with_its_record() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let server = TlsServer::start(move |stream| {
        read_request(stream)?;
        stream.write_all(&[UNTIL_CLOSE, FIRST].concat().into_bytes())?;
        stream.flush()?;
        // The rest only once the client has seen this much.
        let _ = wait.lock().unwrap().recv();
        stream.write_all(LAST.as_bytes())?;
        stream.conn.send_close_notify();
        stream.flush()?;
        stream.sock.shutdown(Shutdown::Write)
    });
    let mut reply = server.client(&server.ca).create(&question());
    assert_eq!(reply.next().unwrap().unwrap().text(), Some("Yes, "));
    Sender::send(&go_on, ()).unwrap();
    assert_eq!(reply.finish().unwrap().content, "Yes, no.");
}

#[test]
fn an_end_without_tls_s_own_is_a_cut() {
    let server = TlsServer::start(|stream| {
        read_request(stream)?;
        stream.write_all(&[UNTIL_CLOSE, FIRST, LAST].concat().into_bytes())?;
        stream.flush()?;
        stream.sock.shutdown(Shutdown::Write)
    });
    let error = server.client(&server.ca).create(&question()).finish().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Truncated(Truncation::ConnectionLost));
    assert_eq!(error.partial().unwrap().content, "Yes, no.");
    assert!(chain(&error).contains("close_notify"), "{}", chain(&error));
}

#[test]
fn a_certificate_that_is_not_trusted_is_no_connection_and_is_not_tried_again() {
    let server = TlsServer::start(|_| Ok(()));
    let other = TlsServer::start(|_| Ok(()));
    let error = server.client(&other.ca).create(&question()).finish().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (&ErrorKind::Connect, 1));
    assert!(chain(&error).contains("invalid peer certificate"), "{}", chain(&error));
}
