//! A question through a proxy: forwarded, through a tunnel with TLS from end to end, and as the environment says.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use chat_conformance::Identity;
use chat_mock::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use transport_smol::rustls::pki_types::CertificateDer;
use transport_smol::{AsyncIo, Client, Connector, Error, FromSettings, Proxy, SmolTransport, TransportSettings, tls};

/// A server whose name nobody but a proxy knows, with TLS before it, and a proxy that leads everything there.
struct Net {
    _runtime: Runtime,
    server: Server,
    ca: CertificateDer<'static>,
    door: SocketAddr,
    proxy: SocketAddr,
    /// The heads that the proxy was sent.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Net {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let identity = Identity::new();
        let server = runtime.block_on(Server::builder().bind()).unwrap();
        let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (door, proxy) = (listen(), listen());
        let (door_addr, proxy_addr, plain) =
            (door.local_addr().unwrap(), proxy.local_addr().unwrap(), server.local_addr());
        let acceptor = identity.acceptor(&[b"http/1.1"]);
        runtime.spawn(async move {
            while let Ok((tcp, _)) = door.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(tcp).await else { return };
                    let mut server = TcpStream::connect(plain).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        runtime.spawn(async move {
            while let Ok((mut client, _)) = proxy.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let head = head(&mut client).await;
                    seen.lock().unwrap().push(head.clone());
                    let is_tunnel = head.starts_with("CONNECT ");
                    let mut server = TcpStream::connect(if is_tunnel { door_addr } else { plain }).await.unwrap();
                    if is_tunnel {
                        client.write_all(b"HTTP/1.1 200 Fine\r\n\r\n").await.unwrap();
                    } else {
                        server.write_all(head.as_bytes()).await.unwrap();
                    }
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { _runtime: runtime, server, ca: identity.ca(), door: door_addr, proxy: proxy_addr, heads }
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
    let net = Net::new();
    let proxy = Proxy::url(&format!("us%65r:s%33cret@{}", net.proxy)).unwrap();
    let login = "proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r\n";

    let forwarded = ask(&net.client("http://api.example", proxy.clone())).unwrap();
    assert!(forwarded.contains("chunk"), "{forwarded}");
    let [head] = &net.heads()[..] else { panic!("one connection") };
    assert!(head.starts_with("POST http://api.example/v0/chat_sessions/chat_results HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(login), "{head}");

    // The CA vouches for `localhost`, so that is what is behind the tunnel.
    let url = format!("https://localhost:{}", net.door.port());
    assert_eq!(ask(&net.client(&url, proxy.clone())).unwrap(), forwarded);
    let target = url.trim_start_matches("https://");
    let connect = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{login}\r\n");
    assert_eq!(net.heads(), [connect], "the key is not among it");
    assert_eq!(net.server.requests(), 2);

    // Another name behind it is as wrong as without a tunnel.
    let text = format!("{:#}", ask(&net.client("https://other.example", proxy)).unwrap_err());
    assert!(text.contains("not valid for name \"other.example\""), "{text}");
}

/// The environment is this process's own, so the part that reads it runs in another.
#[test]
fn the_environment_is_heeded() {
    let net = Net::new();
    let run = |name: &str, value: &str, url: &str| -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_of_the_environment", "--nocapture"]).env_clear();
        let Output { stdout, stderr, .. } = command.env(name, value).env("TEST_URL", url).output().unwrap();
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    };
    let proxy = format!("http://user:pass@{}", net.proxy);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let said = run(name, &proxy, "http://api.example");
        assert!(said.contains("answered"), "{said}");
    }
    let heads = net.heads();
    assert_eq!(heads.len(), 3);
    assert!(heads.iter().all(|head| head.contains("proxy-authorization: Basic dXNlcjpwYXNz")), "{heads:?}");

    // A loopback address needs no exception.
    let said = run("HTTP_PROXY", &proxy, &net.server.url());
    assert!(said.contains("answered") && net.heads().is_empty(), "{said}");

    // A proxy that is not supported is an error where it is used.
    let said = run("HTTPS_PROXY", "https://user:s3cret@p", "https://api.example");
    assert!(
        said.contains("could not connect: HTTPS_PROXY must begin with http://, socks5:// or socks5h://:"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    let said = run("ALL_PROXY", "https://user:s3cret@p", &net.server.url());
    assert!(said.contains("answered"), "{said}");
}

/// Asks where another test says, and prints what came of it. Run by itself it has nothing to do.
#[test]
fn child_of_the_environment() {
    let Ok(url) = std::env::var("TEST_URL") else { return };
    match SmolTransport::from_settings(&TransportSettings::default())
        .and_then(|transport| ask(&client(&url, transport)))
    {
        Ok(answer) => println!("answered {answer}"),
        Err(error) => println!("{error:#}"),
    }
}

#[test]
fn a_proxy_for_the_base_url_that_is_not_supported_is_refused_at_once() {
    let run = |url: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_that_builds", "--nocapture"]).env_clear();
        let output = command.env("HTTPS_PROXY", "https://p").env("TEST_BASE_URL", url).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = run("https://api.example");
    assert!(said.contains("HTTPS_PROXY must begin with") && !said.contains("could not connect"), "{said}");
    for url in ["https://127.0.0.1:9", "http://api.example"] {
        assert!(run(url).contains("built"), "{url}");
    }
}

/// Builds a client for a base URL, and prints what came of it. Run by itself it has nothing to do.
#[test]
fn child_that_builds() {
    let Ok(url) = std::env::var("TEST_BASE_URL") else { return };
    match Client::builder().base_url(url).api_key("sesame").build() {
        Ok(_) => println!("built"),
        Err(error) => println!("{error:#}"),
    }
}
