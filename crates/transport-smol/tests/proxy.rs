//! Questions through a proxy: forwarded, through a tunnel with end-to-end TLS, and with a proxy of the environment.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use chat_conformance::Identity;
use chat_mock::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use transport_smol::driver::{FromSettings, TransportSettings};
use transport_smol::rustls::pki_types::CertificateDer;
use transport_smol::{AsyncIo, Client, Connector, Error, Proxy, SmolTransport, tls};

/// A server, a TLS server in front of it, and a proxy that connects every request to them.
struct Fixture {
    _runtime: Runtime,
    server: Server,
    ca: CertificateDer<'static>,
    tls_server: SocketAddr,
    proxy: SocketAddr,
    /// The heads of the requests to the proxy.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let identity = Identity::new();
        let server = runtime.block_on(Server::builder().bind()).unwrap();
        let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (tls_server, proxy) = (listen(), listen());
        let (tls_addr, proxy_addr, plain) =
            (tls_server.local_addr().unwrap(), proxy.local_addr().unwrap(), server.local_addr());
        let acceptor = identity.acceptor(&[b"http/1.1"]);
        runtime.spawn(async move {
            while let Ok((tcp, _)) = tls_server.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(tcp).await else { return };
                    let mut server = TcpStream::connect(plain).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&heads);
        runtime.spawn(async move {
            while let Ok((mut client, _)) = proxy.accept().await {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let head = head(&mut client).await;
                    log.lock().unwrap().push(head.clone());
                    let is_tunnel = head.starts_with("CONNECT ");
                    let mut server = TcpStream::connect(if is_tunnel { tls_addr } else { plain }).await.unwrap();
                    if is_tunnel {
                        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    } else {
                        server.write_all(head.as_bytes()).await.unwrap();
                    }
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { _runtime: runtime, server, ca: identity.ca(), tls_server: tls_addr, proxy: proxy_addr, heads }
    }

    fn client(&self, url: &str, proxy: Proxy) -> Client {
        let tls = tls::config([self.ca.clone()], None).unwrap();
        let connector = Connector::new(AsyncIo, tls, None).via(proxy).unwrap();
        client(url, SmolTransport::with_connector(connector))
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

async fn head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

fn client(url: &str, transport: SmolTransport) -> Client {
    let mut never = transport_smol::RetryPolicy::default();
    never.max_retries = 0;
    Client::builder().base_url(url).api_key("sesame").retry(never).build_on(transport).unwrap()
}

fn ask(client: &Client) -> Result<String, Error> {
    async_io::block_on(async { Ok(client.session("i").ask("What is a chunk?").finish().await?.text) })
}

#[test]
fn a_question_is_forwarded_or_goes_through_a_tunnel() {
    let fixture = Fixture::new();
    let proxy = Proxy::url(&format!("us%65r:s%33cret@{}", fixture.proxy)).unwrap();
    let login = "proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r\n";

    let forwarded = ask(&fixture.client("http://api.example", proxy.clone())).unwrap();
    assert!(forwarded.contains("canned answer"), "{forwarded}");
    let [head] = &fixture.heads()[..] else { panic!("one connection") };
    assert!(head.starts_with("POST http://api.example/v0/chat_sessions/chat_results HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(login), "{head}");

    // The certificate is for `localhost`, so the tunnel leads there.
    let url = format!("https://localhost:{}", fixture.tls_server.port());
    assert_eq!(ask(&fixture.client(&url, proxy.clone())).unwrap(), forwarded);
    let target = url.trim_start_matches("https://");
    let connect = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{login}\r\n");
    assert_eq!(fixture.heads(), [connect], "the API key is not sent to the proxy");
    assert_eq!(fixture.server.requests(), 2);

    // The certificate does not match another name.
    let text = format!("{:#}", ask(&fixture.client("https://other.example", proxy)).unwrap_err());
    assert!(text.contains("not valid for name \"other.example\""), "{text}");
}

/// Tests share the environment of their process, so the part that reads it runs in another process.
#[test]
fn proxies_of_the_environment_are_used() {
    let fixture = Fixture::new();
    let run = |name: &str, value: &str, url: &str| -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_process_that_asks", "--nocapture"]).env_clear();
        let Output { stdout, stderr, .. } = command.env(name, value).env("TEST_URL", url).output().unwrap();
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    };
    let proxy = format!("http://user:pass@{}", fixture.proxy);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let output = run(name, &proxy, "http://api.example");
        assert!(output.contains("answered"), "{output}");
    }
    let heads = fixture.heads();
    assert_eq!(heads.len(), 3);
    assert!(heads.iter().all(|head| head.contains("proxy-authorization: Basic dXNlcjpwYXNz")), "{heads:?}");

    // A loopback address needs no exception.
    let output = run("HTTP_PROXY", &proxy, &fixture.server.url());
    assert!(output.contains("answered") && fixture.heads().is_empty(), "{output}");

    // An unsupported proxy is an error only if it is used.
    let output = run("HTTPS_PROXY", "https://user:s3cret@p", "https://api.example");
    assert!(
        output.contains("could not connect: HTTPS_PROXY must begin with http://, socks5:// or socks5h://:"),
        "{output}"
    );
    assert!(!output.contains("s3cret"), "{output}");
    let output = run("ALL_PROXY", "https://user:s3cret@p", &fixture.server.url());
    assert!(output.contains("answered"), "{output}");
}

/// Sends a question for another test and prints the result. Does nothing without `TEST_URL`.
#[test]
fn child_process_that_asks() {
    let Ok(url) = std::env::var("TEST_URL") else { return };
    match SmolTransport::from_settings(&TransportSettings::default())
        .and_then(|transport| ask(&client(&url, transport)))
    {
        Ok(answer) => println!("answered {answer}"),
        Err(error) => println!("{error:#}"),
    }
}

#[test]
fn an_unsupported_proxy_for_the_base_url_is_an_error_when_the_client_is_built() {
    let run = |url: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_process_that_builds", "--nocapture"]).env_clear();
        let output = command.env("HTTPS_PROXY", "https://p").env("TEST_BASE_URL", url).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let output = run("https://api.example");
    assert!(output.contains("HTTPS_PROXY must begin with") && !output.contains("could not connect"), "{output}");
    for url in ["https://127.0.0.1:9", "http://api.example"] {
        assert!(run(url).contains("built"), "{url}");
    }
}

/// Builds a client for another test and prints the result. Does nothing without `TEST_BASE_URL`.
#[test]
fn child_process_that_builds() {
    let Ok(url) = std::env::var("TEST_BASE_URL") else { return };
    match Client::builder().base_url(url).api_key("sesame").build() {
        Ok(_) => println!("built"),
        Err(error) => println!("{error:#}"),
    }
}
