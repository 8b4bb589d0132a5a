//! The way through an HTTP proxy.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use chat_blocking::{Client, Connector, ErrorKind, Proxy, ProxyError, Settings};
use chat_mock::Server;
use support::{LONG, chain, question, runtime};

/// A proxy that answers each connection's head with what it is told to, and keeps the head. Behind a 200 it connects what it
/// was asked for, or whom it forwards to, and passes bytes on.
struct TestProxy {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    fn start(answer: &'static str, forwards_to: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { url: listener.local_addr().unwrap().to_string(), heads: Arc::default() };
        let heads = Arc::clone(&proxy.heads);
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() > 0 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let target = forwards_to.clone().unwrap_or_else(|| head.split(' ').nth(1).unwrap().to_owned());
                heads.lock().unwrap().push(head.clone());
                client.write_all(answer.as_bytes()).unwrap();
                if let Ok(mut server) = TcpStream::connect(target) {
                    if forwards_to.is_some() {
                        server.write_all(head.as_bytes()).unwrap();
                    }
                    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
                    thread::spawn(move || std::io::copy(&mut server, &mut client));
                }
            }
        });
        proxy
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn client(base_url: &str, proxy: Proxy) -> Client {
    client_of(&Client::builder().base_url(base_url).api_key("sesame").settings().unwrap(), proxy)
}

fn client_of(settings: &Settings, proxy: Proxy) -> Client {
    Client::new(settings.clone(), Connector::with_roots([]).unwrap().via(proxy).unwrap())
}

#[test]
fn a_plain_request_is_given_to_the_proxy_to_forward() {
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().bind()).unwrap();
    let proxy = TestProxy::start("", Some(server.local_addr().to_string()));
    let way = Proxy::url(&format!("u:p@{}", proxy.url)).unwrap();
    let client = client("http://api.example/base", way.clone());
    // The mock answers 404 below `base`; that it is asked is what counts here.
    let error = client.create(&question()).finish().unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404), "{error}");
    let head = proxy.heads().remove(0);
    assert!(head.starts_with("POST http://api.example/base/v0/chat_sessions/chat_results HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: api.example\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: Basic dTpw\r\n"), "{head}");

    // And not to whom it is not for.
    let direct = support::once(&server.url());
    let direct = client_of(direct.settings(), way.except("127.0.0.0/8"));
    direct.create(&question()).finish().unwrap();
    assert_eq!(proxy.heads().len(), 1);
}

/// A SOCKS proxy without a login, which leads each connection to one address and keeps what it was asked for.
fn socks(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            client.read_exact(&mut [0; 3]).unwrap();
            client.write_all(&[5, 0]).unwrap();
            let mut request = [0; 4];
            client.read_exact(&mut request).unwrap();
            let mut length = if request[3] == 1 { vec![4] } else { vec![0] };
            if request[3] == 3 {
                client.read_exact(&mut length).unwrap();
            }
            let mut target = vec![0; usize::from(length[0]) + 2];
            client.read_exact(&mut target).unwrap();
            seen.lock().unwrap().push([&request[3..], &target].concat());
            client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
            let mut server = TcpStream::connect(to).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
            thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    (addr, asked)
}

#[test]
fn socks_leads_to_the_server_by_name_or_by_address() {
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().bind()).unwrap();
    let (proxy, asked) = socks(server.local_addr());
    for (scheme, url) in [("socks5h", "http://localhost:81"), ("socks5", "http://localhost:81")] {
        let client = client(url, Proxy::url(&format!("{scheme}://{proxy}")).unwrap());
        assert!(!client.create(&question()).finish().unwrap().content.is_empty());
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0], b"\x03localhost\x00\x51");
    // Whichever of its addresses the system has first, it is one and no name.
    assert!(asked[1][0] != 3 && asked[1].ends_with(b"\x00\x51"), "{:?}", asked[1]);
}

#[test]
fn a_proxy_behind_tls_is_refused_when_it_is_set() {
    let proxy = Proxy::url("https://u:s3cret@proxy.example").unwrap();
    let error = Connector::with_roots([]).unwrap().via(proxy).unwrap_err();
    let says = "proxy must begin with http://, socks5:// or socks5h://: this transport supports no other proxies";
    assert_eq!(error.to_string(), says);
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client("https://api.example", Proxy::url(&format!("u:s3cret@{closed}")).unwrap());
    let client = client.with(|settings| settings.retry(support::never())).unwrap();
    let error = client.create(&question()).finish().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    let text = chain(&error);
    assert!(
        text.contains(&format!("the proxy http://{closed} could not be reached")) && !text.contains("s3cret"),
        "{text}"
    );
}

#[test]
fn a_tunnel_is_asked_for_without_the_key() {
    // Whoever is behind it is no TLS server, which is enough to see how far it comes.
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().bind()).unwrap();
    let target = server.local_addr().to_string();
    let proxy = TestProxy::start("HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n", None);
    let client = client(&format!("https://{target}"), Proxy::url(&proxy.url).unwrap());
    let error = client.create(&question()).finish().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect, "{error}");
    let head = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n");
    assert!(!proxy.heads().is_empty() && proxy.heads().iter().all(|seen| *seen == head), "{:?}", proxy.heads());
    assert!(chain(&error).contains("corrupt message"), "{}", chain(&error));
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_proxy_that_refuses_is_no_connection_and_says_why() {
    for (answer, login, says) in [
        ("HTTP/1.1 407 Who\r\nconnection: close\r\n\r\n", "", "asks for a user and a password"),
        ("HTTP/1.1 407 Who\r\nconnection: close\r\n\r\n", "u:p@", "refuses the user or the password"),
        ("HTTP/1.1 403 No\r\n\r\n", "", "refuses a connection to api.example:443: 403"),
        ("SSH-2.0-OpenSSH_9.9\r\n", "", "invalid HTTP version"),
    ] {
        let proxy = TestProxy::start(answer, Some("127.0.0.1:1".to_owned()));
        let begun = std::time::Instant::now();
        let client = client("https://api.example", Proxy::url(&format!("{login}{}", proxy.url)).unwrap());
        let client = client.with(|settings| settings.retry(support::never())).unwrap();
        let error = client.create(&question()).finish().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Connect);
        assert!(chain(&error).contains(says), "{}", chain(&error));
        assert!(begun.elapsed() < LONG);
    }
}

#[test]
fn a_proxy_that_asks_who_forwards_for_is_no_answer_of_the_api() {
    let proxy = TestProxy::start("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n", Some("127.0.0.1:9".to_owned()));
    let settings = Client::builder().base_url("http://api.example").api_key("sesame").settings().unwrap();
    let error = client_of(&settings, Proxy::url(&proxy.url).unwrap()).create(&question()).finish().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    assert!(chain(&error).contains("asks for a user and a password"), "{}", chain(&error));
    // A password that is tried again and again may lock an account.
    assert_eq!((error.attempts(), proxy.heads().len()), (1, 1));
    let source = std::error::Error::source(&error).expect("a cause");
    assert!(matches!(source.downcast_ref(), Some(ProxyError::Credentials { given: false, .. })), "{source:?}");
}
