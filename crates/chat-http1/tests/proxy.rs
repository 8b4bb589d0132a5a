//! Proxies on real sockets: the requests to them, and the text and class of each refusal.

#[path = "support/async_io.rs"]
mod runtime;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
use chat_http1::{Connector, Engine, Proxy, ProxyError, SendError, tls};
use http_body_util::BodyExt as _;
use runtime::AsyncIo;

/// A timeout that is long enough for a busy machine.
const LONG: Duration = Duration::from_secs(60);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that sends these answers in turn on each connection, one after each read, and then closes.
struct ScriptedServer {
    addr: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl ScriptedServer {
    fn start(answers: &'static [&'static [u8]]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let peer = Self { addr: listener.local_addr().unwrap(), received: Arc::default() };
        let received = Arc::clone(&peer.received);
        thread::spawn(move || {
            for mut tcp in listener.incoming().flatten() {
                for answer in answers {
                    let mut buffer = [0; 4096];
                    let Ok(count @ 1..) = tcp.read(&mut buffer) else { break };
                    received.lock().unwrap().push(buffer[..count].to_vec());
                    tcp.write_all(answer).unwrap();
                }
                // Wait until the client closes, because unread data would reset the connection.
                let _ = tcp.shutdown(std::net::Shutdown::Write);
                let _ = io::copy(&mut tcp, &mut io::sink());
            }
        });
        peer
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().iter().map(|data| String::from_utf8_lossy(data).into_owned()).collect()
    }
}

fn engine(proxy: Proxy) -> Engine<Connector<AsyncIo>> {
    let tls = tls::config([], None).unwrap();
    Engine::new(Connector::new(AsyncIo, tls, Some(LONG)).via(proxy).unwrap())
}

fn get(engine: &Engine<Connector<AsyncIo>>, uri: &str) -> Result<(u16, Bytes), SendError> {
    let request = http::Request::get(uri).header("authorization", "the key").body(Bytes::new()).unwrap();
    async_io::block_on(async {
        let answer = engine.send(request).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await.unwrap().to_bytes()))
    })
}

/// The text of a failed request with its sources. Also checks that it was not sent and that no secret is printed.
fn failure(proxy: &str, uri: &str) -> String {
    let error = get(&engine(Proxy::url(proxy).unwrap()), uri).unwrap_err();
    // A final refusal is not retried.
    let is_final = ProxyError::of(&error).is_some_and(ProxyError::is_final);
    let class = if is_final { TransportError::Permanent } else { TransportError::Connect };
    assert_eq!(error.class(), class, "{error}");
    let text = sentence(&error);
    assert!(!format!("{text}{error:?}").contains("s3cret"), "{text} {error:?}");
    text
}

/// The texts of an error and its sources, without repetitions.
fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[test]
fn the_proxy_forwards_plain_requests() {
    let proxy = ScriptedServer::start(&[OK, OK]);
    let engine = engine(Proxy::url(&format!("us%65r:p%40ss@{}", proxy.addr)).unwrap());
    for _ in 0..2 {
        assert_eq!(get(&engine, "http://user:pass@api.example/v0?a=b").unwrap(), (200, Bytes::from_static(b"ok")));
    }
    let expected = "GET http://api.example/v0?a=b HTTP/1.1\r\nauthorization: the key\r\nhost: api.example\r\n\
                    proxy-authorization: Basic dXNlcjpwQHNz\r\n\r\n";
    assert_eq!(proxy.received(), [expected; 2], "both on one connection");
}

#[test]
fn excepted_hosts_are_reached_directly() {
    let (proxy, server) = (ScriptedServer::start(&[OK]), ScriptedServer::start(&[OK]));
    let proxies = Proxy::url(&proxy.addr.to_string()).unwrap();
    let uri = format!("http://{}/v0", server.addr);
    for except in ["127.0.0.0/8".to_owned(), server.addr.to_string(), "*".to_owned()] {
        get(&engine(proxies.clone().except(&except)), &uri).unwrap();
    }
    assert_eq!((proxy.received().len(), server.received().len()), (0, 3));
    assert!(server.received()[0].starts_with("GET /v0 HTTP/1.1\r\n"), "{}", server.received()[0]);
    // An exception for another port does not apply.
    get(&engine(proxies.except("127.0.0.1:1")), &uri).unwrap();
    assert_eq!(proxy.received().len(), 1);
}

#[test]
fn a_407_of_a_forwarding_proxy_is_an_error() {
    const LOGIN_REQUIRED: &[&[u8]] =
        &[b"HTTP/1.1 407 Who?\r\nproxy-authenticate: NTLM, Basic\r\ncontent-length: 0\r\n\r\n"];
    let peer = ScriptedServer::start(LOGIN_REQUIRED);
    let text = failure(&format!("u:s3cret@{}", peer.addr), "http://api.example");
    let refuses =
        format!("the proxy http://{} rejected the user name or the password (it offers NTLM, Basic)", peer.addr);
    assert_eq!(text, refuses);
    let proxy = Proxy::url(&format!("u:s3cret@{}", peer.addr)).unwrap();
    let error = get(&engine(proxy), "http://api.example").unwrap_err();
    assert!(matches!(ProxyError::of(&error), Some(ProxyError::Credentials { given: true, .. })), "{error:?}");
    assert_eq!(error.class(), TransportError::Permanent);
    // A 407 of a server is an answer.
    assert_eq!(get(&engine(Proxy::none()), &format!("http://{}", peer.addr)).unwrap().0, 407);
}

#[test]
fn each_refusal_of_a_tunnel_has_its_text() {
    let refused = "the proxy {} refused a connection to api.example:443: ";
    let rows: [(&str, &'static [&'static [u8]], String); 8] = [
        ("", &[b"HTTP/1.1 407 Who\r\n\r\n"], "the proxy {} requires a user name and a password".into()),
        (
            "",
            &[b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\n\r\n"],
            "the proxy {} requires a user name and a password (it offers Negotiate; only Basic is supported)".into(),
        ),
        ("u:s3cret@", &[b"HTTP/1.1 407 No\r\n\r\n"], "the proxy {} rejected the user name or the password".into()),
        ("", &[b"HTTP/1.0 403 No\r\n\r\nNo."], format!("{refused}403 Forbidden")),
        ("", &[b"SSH-2.0-OpenSSH_9.9\r\n"], "communication with the proxy {} failed: invalid HTTP version".into()),
        ("", &[b"HTTP/1.1 20"], "communication with the proxy {} failed: the connection was closed".into()),
        ("", &[b"HTTP/1.1 200 OK\r\n\r\nHi"], "the server sent data before the request".into()),
        // The proxy opens the tunnel to a server without TLS.
        ("", &[b"HTTP/1.1 200 OK\r\n\r\n", b"Hello?"], "TLS handshake failed: ".into()),
    ];
    for (login, answers, says) in rows {
        let peer = ScriptedServer::start(answers);
        let text = failure(&format!("{login}{}", peer.addr), "https://api.example");
        let says = says.replace("{}", &format!("http://{}", peer.addr));
        assert!(text.starts_with(&says), "{text}");
        let asked = "CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n";
        assert!(peer.received()[0].starts_with(asked), "{:?}", peer.received());
        assert!(!peer.received().concat().contains("the key"));
    }
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let text = failure(&closed.to_string(), "https://api.example");
    assert!(
        text.starts_with(&format!(
            "the proxy http://{closed} could not be reached: connection to {closed} failed: Connection"
        )),
        "{text}"
    );
}

#[test]
fn socks_connects_by_name_or_by_address() {
    const ACCEPTS: &[&[u8]] = &[b"\x05\0", b"\x05\0\0\x01\x7f\0\0\x01\0\x50", OK];
    let proxy = ScriptedServer::start(ACCEPTS);
    let through = |scheme| engine(Proxy::url(&format!("{scheme}://{}", proxy.addr)).unwrap());
    get(&through("socks5h"), "http://api.example/v0").unwrap();
    get(&through("socks5"), "http://localhost:81/v0").unwrap();
    let heard = proxy.received.lock().unwrap();
    assert_eq!(heard[..2], [&b"\x05\x01\x00"[..], b"\x05\x01\x00\x03\x0bapi.example\x00\x50"]);
    assert!(heard[2].starts_with(b"GET /v0 HTTP/1.1\r\n"), "the request in a tunnel is the same as without a proxy");
    // The target is an address, not a name. The system chooses which one.
    assert!(heard[4][3] != 3 && heard[4].ends_with(b"\x00\x51"), "{:?}", heard[4]);
}

#[test]
fn a_silent_proxy_is_a_connect_timeout() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = silent.local_addr().unwrap();
    for scheme in ["http", "socks5h"] {
        let connector = Connector::new(AsyncIo, tls::config([], None).unwrap(), Some(Duration::from_millis(300)));
        let proxy = Proxy::url(&format!("{scheme}://{addr}")).unwrap();
        let error = get(&Engine::new(connector.via(proxy).unwrap()), "https://api.example").unwrap_err();
        assert_eq!(error.class(), TransportError::ConnectTimeout);
        assert_eq!(error.to_string(), format!("no connection within 300ms through the proxy {scheme}://{addr}"));
    }
}

#[test]
fn an_https_proxy_is_an_error_when_it_is_set() {
    let connector = Connector::new(AsyncIo, tls::config([], None).unwrap(), None);
    let error = connector.via(Proxy::url("https://u:s3cret@proxy.example").unwrap()).unwrap_err();
    let says = "proxy must begin with http://, socks5:// or socks5h://: this transport supports no other proxies";
    assert_eq!(error.to_string(), says);
}
