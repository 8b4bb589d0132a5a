//! Proxies: tinyproxy and microsocks if they are installed, and small servers that refuse in every way.

mod common;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_mock::Server;
use common::tcp_server::{TcpServer, head};
use common::{Ca, PREFERRED, TIMEOUT, TlsServer, acceptor, ask, builder, client, client_within, preferred, wait_until};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use transport_hyper::{Error, ErrorKind, Proxy, ProxyError, SendError, TimeoutKind};

/// A proxy program that runs during a test.
struct ProxyProcess {
    child: Child,
    addr: SocketAddr,
    dir: PathBuf,
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl ProxyProcess {
    /// Prints a message and returns `None` if the program is not installed.
    async fn start(program: &str, args: impl Fn(&Path, u16) -> Vec<String>) -> Option<Self> {
        let dir =
            std::env::temp_dir().join(format!("transport-hyper-{program}-{}-{}", std::process::id(), free_port()));
        fs::create_dir_all(&dir).unwrap();
        let port = free_port();
        let log = fs::File::create(dir.join("stderr")).unwrap();
        let spawned =
            Command::new(program).args(args(&dir, port)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let Ok(child) = spawned else {
            println!("skipped: {program} is not installed");
            let _ = fs::remove_dir_all(&dir);
            return None;
        };
        let proxy = Self { child, addr: (Ipv4Addr::LOCALHOST, port).into(), dir };
        wait_until("the proxy", || std::net::TcpStream::connect(proxy.addr).is_ok()).await;
        Some(proxy)
    }

    async fn tinyproxy(more: &str) -> Option<Self> {
        Self::start("tinyproxy", |dir, port| {
            let (config, log) = (dir.join("config"), dir.join("log"));
            let text = format!(
                "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Connect\n\
                 LogFile \"{}\"\n{more}\n",
                log.display()
            );
            fs::write(&config, text).unwrap();
            vec!["-d".to_owned(), "-c".to_owned(), config.display().to_string()]
        })
        .await
    }

    async fn microsocks(more: &[&str]) -> Option<Self> {
        Self::start("microsocks", |_, port| {
            let port = port.to_string();
            [&["-i", "127.0.0.1", "-p", &port], more].concat().into_iter().map(str::to_owned).collect()
        })
        .await
    }

    /// The output and log of the proxy.
    fn log(&self) -> String {
        ["log", "stderr"].map(|file| fs::read_to_string(self.dir.join(file)).unwrap_or_default()).concat()
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Asks once through a proxy.
async fn through(proxy: &str, url: &str, ca: &Ca) -> Result<String, Error> {
    let builder = builder().proxy(Proxy::url(proxy).unwrap()).root_certificates([ca.root()]);
    ask(&client(builder, url)).await.map(|answer| answer.text)
}

/// The text of a connect error. Checks that it contains no secret.
fn failure(result: Result<String, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect, "{error:#}");
    let text = format!("{error:#}");
    println!("{text}");
    assert!(!format!("{text}{error:?}").contains("s3cret"), "{text} {error:?}");
    text
}

#[tokio::test]
async fn tinyproxy_tunnels_and_forwards() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("localhost"), &[b"h2", b"http/1.1"], None)).await;
    let plain = Server::builder().bind().await.unwrap();
    let Some(proxy) = ProxyProcess::tinyproxy("BasicAuth user s3cret").await else { return };
    let url = |login: &str| format!("http://{login}{}", proxy.addr);

    let tunnelled = through(&url("user:s3cret@"), &server.url("localhost"), &ca).await.unwrap();
    assert!(tunnelled.contains("canned answer"), "{tunnelled}");
    assert_eq!(server.connections(), preferred(1), "HTTP/2 inside of the tunnel");
    let forwarded = through(&url("user:s3cret@"), &plain.url(), &ca).await.unwrap();
    assert_eq!(forwarded, tunnelled);
    assert_eq!(plain.requests(), 1);
    let log = proxy.log();
    assert!(log.contains(&format!("CONNECT localhost:{}", server.addr.port())), "{log}");
    assert!(log.contains(&format!("POST {}/v0/chat_sessions/chat_results", plain.url())), "{log}");
    log.lines().filter(|line| line.contains("CONNECT ") || line.contains("POST ")).for_each(|line| println!("{line}"));

    for target in [server.url("localhost"), plain.url()] {
        let text = failure(through(&url(""), &target, &ca).await);
        assert!(text.ends_with("requires a user name and a password (it offers Basic)"), "{text}");
    }
    // tinyproxy answers wrong credentials with 401. Without a tunnel, this can't be distinguished from the API's answer.
    let text = failure(through(&url("user:wr0ng@"), &server.url("localhost"), &ca).await);
    assert!(text.contains("refused a connection to localhost:") && text.ends_with(": 401 Unauthorized"), "{text}");
    let error = through(&url("user:wr0ng@"), &plain.url(), &ca).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 401);
    assert_eq!((server.backend.requests(), plain.requests()), (1, 1));
}

#[tokio::test]
async fn tinyproxy_refuses() {
    let ca = Ca::new();
    let Some(proxy) = ProxyProcess::tinyproxy("ConnectPort 443").await else { return };
    let url = format!("http://{}", proxy.addr);
    let text = failure(through(&url, "https://localhost:444", &ca).await);
    assert_eq!(
        text,
        format!("could not connect: the proxy {url} refused a connection to localhost:444: 403 Forbidden")
    );
    let text = failure(through(&url, "https://localhost:443", &ca).await);
    assert!(text.contains("refused a connection to localhost:443: 50"), "{text}");
}

#[tokio::test]
async fn microsocks_connects() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("localhost"), &[b"h2", b"http/1.1"], None)).await;
    let plain = Server::builder().bind().await.unwrap();
    let Some(proxy) = ProxyProcess::microsocks(&["-u", "user", "-P", "s3cret"]).await else { return };
    for scheme in ["socks5", "socks5h"] {
        let url = |login: &str| format!("{scheme}://{login}{}", proxy.addr);
        for target in [server.url("localhost"), plain.url()] {
            let answer = through(&url("user:s3cret@"), &target, &ca).await.unwrap();
            assert!(answer.contains("canned answer"), "{answer}");
        }
        let text = failure(through(&url(""), &server.url("localhost"), &ca).await);
        assert!(text.ends_with("requires a user name and a password"), "{text}");
        let text = failure(through(&url("user:wr0ng@"), &server.url("localhost"), &ca).await);
        assert!(text.ends_with("rejected the user name or the password"), "{text}");
        let closed = format!("https://localhost:{}", free_port());
        let text = failure(through(&url("user:s3cret@"), &closed, &ca).await);
        assert!(text.ends_with(": connection refused"), "{text}");
    }
    println!("{}", proxy.log());
    assert_eq!(proxy.log().matches("connected to").count(), 4, "{}", proxy.log());
    assert_eq!((server.connections(), plain.requests()), (preferred(2), 2));
}

#[tokio::test]
async fn microsocks_without_a_login() {
    let ca = Ca::new();
    let plain = Server::builder().bind().await.unwrap();
    let Some(proxy) = ProxyProcess::microsocks(&[]).await else { return };
    // Credentials that the proxy does not request are ignored.
    for login in ["", "user:s3cret@"] {
        through(&format!("socks5h://{login}{}", proxy.addr), &plain.url(), &ca).await.unwrap();
    }
    assert_eq!(plain.requests(), 2);
}

#[tokio::test]
async fn each_refusal_of_an_http_proxy_names_its_cause() {
    let ca = Ca::new();
    let refused = "the proxy {} refused a connection to api.example:443: ";
    let rows: &[(&str, &str, &str)] = &[
        (
            "",
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
            "the proxy {} requires a user name and a password",
        ),
        (
            "u:s3cret@",
            "HTTP/1.1 407 No\r\nproxy-authenticate: NTLM, Basic\r\ncontent-length: 5\r\n\r\nNo.\r\n",
            "the proxy {} rejected the user name or the password (it offers NTLM, Basic)",
        ),
        ("u:s3cret@", "HTTP/1.0 403 Forbidden\r\n\r\nNo.", &format!("{refused}403 Forbidden")),
        ("", "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 100000\r\n\r\n", &format!("{refused}502 Bad Gateway")),
        ("", "HTTP/1.1 302 Found\r\nlocation: http://login.example/\r\n\r\n", &format!("{refused}302 Found")),
        ("", "SSH-2.0-OpenSSH_9.9\r\n", "communication with the proxy {} failed: "),
        ("", "HTTP/1.1 20", "communication with the proxy {} failed: "),
        ("", "", "communication with the proxy {} failed: "),
    ];
    for (login, answer, says) in rows {
        let server = TcpServer::answering(answer).await;
        let text = failure(through(&format!("http://{login}{}", server.addr), "https://api.example", &ca).await);
        let says = says.replace("{}", &format!("http://{}", server.addr));
        assert!(text.starts_with(&format!("could not connect: {says}")), "{text}");
        assert_eq!(server.accepted(), 1);
    }
    let gone = format!("http://127.0.0.1:{}", free_port());
    let text = failure(through(&gone, "https://api.example", &ca).await);
    assert!(text.starts_with(&format!("could not connect: the proxy {gone} could not be reached: ")), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn a_407_of_a_forwarding_proxy_is_a_proxy_error() {
    let ca = Ca::new();
    let server =
        TcpServer::answering("HTTP/1.1 407 Who?\r\nproxy-authenticate: NTLM\r\ncontent-length: 0\r\n\r\n").await;
    let text = failure(through(&format!("http://u:s3cret@{}", server.addr), "http://api.example", &ca).await);
    assert!(
        text.ends_with("rejected the user name or the password (it offers NTLM; only Basic is supported)"),
        "{text}"
    );
    // There are no retries, because repeated wrong passwords may lock an account.
    let proxy = Proxy::url(&format!("http://u:s3cret@{}", server.addr)).unwrap();
    let error = ask(&client(builder().proxy(proxy), "http://api.example")).await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<SendError>()).unwrap();
    assert!(matches!(cause.proxy_error(), Some(ProxyError::Credentials { given: true, .. })), "{cause:?}");
    // A 407 of the server itself is its answer.
    let server = TcpServer::answering("HTTP/1.1 407 Who?\r\ncontent-length: 0\r\n\r\n").await;
    let error = ask(&client(builder(), &format!("http://{}", server.addr))).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 407);
}

#[tokio::test]
async fn each_refusal_of_a_socks_proxy_names_its_cause() {
    let ca = Ca::new();
    let rows: &[(&[u8], &str)] = &[
        (b"\x05\xff", "requires a user name and a password"),
        (b"\x05\x00\x05\x02\x00\x01\0\0\0\0\0\0", "refused a connection to api.example:443: not allowed by its rules"),
        (b"\x05\x00\x05\x04\x00\x01\0\0\0\0\0\0", "refused a connection to api.example:443: host unreachable"),
        (b"\x05\x00\x05\x63\x00\x01\0\0\0\0\0\0", "refused a connection to api.example:443: unknown reason"),
        (b"\x05\x02", "failed: the answer is not SOCKS 5"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "failed: the answer is not SOCKS 5"),
        (b"\x05", "failed: "),
    ];
    for &(answer, says) in rows {
        let server = TcpServer::start(move |mut tcp: TcpStream| async move {
            let _ = tcp.read_exact(&mut [0; 3]).await;
            let _ = tcp.write_all(answer).await;
            // Read the rest, because unread data would reset the connection.
            let _ = tcp.shutdown().await;
            while tcp.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let text = failure(through(&format!("socks5h://{}", server.addr), "https://api.example", &ca).await);
        assert!(text.contains(&format!("the proxy socks5h://{} {says}", server.addr)), "{text}");
    }
    let long = "x".repeat(256);
    let server = TcpServer::start(|mut tcp: TcpStream| async move {
        let _ = tcp.read_exact(&mut [0; 4]).await;
        let _ = tcp.write_all(b"\x05\x02").await;
        let _ = tcp.read(&mut [0; 1]).await;
    })
    .await;
    let text = failure(through(&format!("socks5h://{long}:p@{}", server.addr), "https://api.example", &ca).await);
    assert!(text.ends_with("SOCKS allows at most 255 bytes for a host, user name or password"), "{text}");
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_causes_a_connect_timeout() {
    let silent = TcpServer::silent().await;
    for scheme in ["http", "https", "socks5h"] {
        let proxy = format!("{scheme}://{}", silent.addr);
        let builder = builder().proxy(Proxy::url(&proxy).unwrap());
        let client = client_within(builder, "https://api.example", Duration::from_millis(300));
        let error = ask(&client).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout { kind: TimeoutKind::Connect, .. }), "{error:?}");
        let text = format!("{error:#}");
        assert!(text.ends_with(&format!("no connection within 300ms through the proxy {proxy}")), "{text}");
        println!("{text}");
    }
}

/// The request heads that a proxy has received.
type Heads = Arc<Mutex<Vec<String>>>;

/// A proxy that always connects to one address and records the requested ones. It uses TLS if `tls` is set.
async fn recording_proxy(to: SocketAddr, tls: Option<TlsAcceptor>) -> (TcpServer, Heads) {
    let heads = Heads::default();
    let received = Arc::clone(&heads);
    let server = TcpServer::start(move |tcp| {
        let (received, tls) = (Arc::clone(&received), tls.clone());
        async move {
            match tls {
                Some(tls) => tunnel_to(tls.accept(tcp).await.unwrap(), to, &received).await,
                None => tunnel_to(tcp, to, &received).await,
            }
        }
    })
    .await;
    (server, heads)
}

async fn tunnel_to(mut client: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr, received: &Heads) {
    let asked = head(&mut client).await;
    received.lock().unwrap().push(asked);
    let mut target = TcpStream::connect(to).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Fine\r\n\r\n").await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut target).await;
}

#[tokio::test]
async fn a_tunnel_has_end_to_end_tls_for_the_servers_name() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("api.example"), &[PREFERRED], None)).await;
    let (proxy, heads) = recording_proxy(server.addr, None).await;
    let answer = through(&format!("http://us%65r:s%33cret@{}", proxy.addr), "https://api.example", &ca).await.unwrap();
    assert!(answer.contains("canned answer"));
    let expected = "CONNECT api.example:443 HTTP/1.1\r\n\
                    host: api.example:443\r\n\
                    proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r\n\r\n";
    assert_eq!(*heads.lock().unwrap(), [expected], "the API key must not be sent to the proxy");
    // A certificate for another name is rejected in a tunnel too.
    let text = failure(through(&format!("http://{}", proxy.addr), "https://other.example", &ca).await);
    assert!(text.contains("not valid for name \"other.example\""), "{text}");
}

#[tokio::test]
async fn a_proxy_may_use_tls() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("api.example"), &[PREFERRED], None)).await;
    let (proxy, heads) = recording_proxy(server.addr, Some(acceptor(ca.identity("localhost"), &[], None))).await;
    let url = |host| format!("https://{host}:{}", proxy.addr.port());
    let answer = through(&url("localhost"), "https://api.example", &ca).await.unwrap();
    assert!(answer.contains("canned answer"));
    assert!(heads.lock().unwrap()[0].starts_with("CONNECT api.example:443 HTTP/1.1\r\n"));
    let text = failure(through(&url("127.0.0.1"), "https://api.example", &ca).await);
    assert!(text.contains("could not be reached: invalid peer certificate: certificate not valid for name"), "{text}");
}

/// The client certificate is only for the API.
#[tokio::test]
async fn a_tls_proxy_does_not_get_the_client_certificate() {
    let ca = Ca::new();
    // The API requires a certificate. The proxy requests one, but does not require it.
    let server = TlsServer::start(ca.requiring_client_certificate(ca.identity("api.example"), &[PREFERRED])).await;
    let (shown, wants) = (Arc::new(AtomicUsize::new(0)), ca.requesting_client_certificate(ca.identity("localhost")));
    let (count, behind) = (Arc::clone(&shown), server.addr);
    let proxy = TcpServer::start(move |tcp| {
        let (count, wants) = (Arc::clone(&count), wants.clone());
        async move {
            let tls = wants.accept(tcp).await.unwrap();
            count.fetch_add(tls.get_ref().1.peer_certificates().map_or(0, <[_]>::len), Ordering::SeqCst);
            tunnel_to(tls, behind, &Heads::default()).await;
        }
    })
    .await;
    let (chain, key) = ca.identity("client");
    let proxies = Proxy::url(&format!("https://localhost:{}", proxy.addr.port())).unwrap();
    let builder = builder().proxy(proxies).root_certificates([ca.root()]).client_certificate(chain, key);
    ask(&client(builder, "https://api.example")).await.unwrap();
    assert_eq!((proxy.accepted(), shown.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn socks_tries_every_address() {
    let plain = Server::builder().bind().await.unwrap();
    let (asked, to) = (Arc::<Mutex<Vec<u8>>>::default(), plain.local_addr());
    let seen = Arc::clone(&asked);
    let proxy = TcpServer::start(move |mut tcp: TcpStream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut request = [0; 10];
            tcp.read_exact(&mut request[..3]).await.unwrap();
            tcp.write_all(b"\x05\x00").await.unwrap();
            tcp.read_exact(&mut request).await.unwrap();
            // The last byte of the IPv4 address. Only the last of the three addresses is reachable.
            seen.lock().unwrap().push(request[7]);
            let code = if request[7] == 3 { 0 } else { 4 };
            tcp.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if code == 0 {
                let mut target = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tcp, &mut target).await;
            }
        }
    })
    .await;
    let addresses = [1, 2, 3].map(|last| SocketAddr::from(([127, 0, 0, last], 0)));
    let builder = builder().resolver(move |_| std::future::ready(Ok(addresses.to_vec())));
    let proxies = Proxy::url(&format!("socks5://{}", proxy.addr)).unwrap();
    ask(&client(builder.proxy(proxies), "http://api.example")).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn excepted_hosts_are_connected_to_directly() {
    let plain = Server::builder().bind().await.unwrap();
    let (proxy, heads) = recording_proxy(plain.local_addr(), None).await;
    let proxies = Proxy::url(&format!("http://{}", proxy.addr)).unwrap();
    for except in ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "*"] {
        ask(&client(builder().proxy(proxies.clone().except(except)), &plain.url())).await.unwrap();
    }
    assert_eq!((plain.requests(), heads.lock().unwrap().len(), proxy.accepted()), (3, 0, 0));
}

/// The environment belongs to the process, so the client runs in a child process.
#[tokio::test]
async fn proxies_of_the_environment_are_used() {
    let ca = Ca::new();
    let server = TlsServer::start(acceptor(ca.identity("api.example"), &[PREFERRED], None)).await;
    let plain = Server::builder().bind().await.unwrap();
    let (proxy, heads) = recording_proxy(server.addr, None).await;
    let dir = std::env::temp_dir().join(format!("transport-hyper-env-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let root = dir.join("ca.der");
    fs::write(&root, ca.root()).unwrap();
    let run = |variables: Vec<(&'static str, String)>, url: String| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child_of_the_environment", "--nocapture"]).env_clear();
        command.envs(variables).env("TEST_ROOT", &root).env("TEST_URL", url);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let set = |name| vec![(name, format!("http://user:pass@{}", proxy.addr))];
    let far = "https://api.example";

    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let output = run(set(name), far.to_owned()).await.unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("answered"), "{output:?}");
    }
    assert_eq!(heads.lock().unwrap().len(), 3);
    assert!(heads.lock().unwrap().iter().all(|head| head.contains("proxy-authorization: Basic dXNlcjpwYXNz")));

    // Loopback addresses are always connected to directly.
    let output = run(set("HTTPS_PROXY"), server.url("127.0.0.1")).await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("not valid for name"), "{output:?}");
    assert_eq!(heads.lock().unwrap().len(), 3);

    let output = run(vec![("HTTPS_PROXY", "gopher://user:pass@p".to_owned())], far.to_owned()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("HTTPS_PROXY must begin with") && !said.contains("pass@"), "{said}");

    // An invalid proxy that is not used is not an error.
    let output = run(vec![("ALL_PROXY", "gopher://user:pass@p".to_owned())], plain.url()).await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("answered"), "{output:?}");
    fs::remove_dir_all(&dir).unwrap();
}

/// The child process of another test: asks a question and prints the result. Does nothing if it is run directly.
#[tokio::test]
async fn child_of_the_environment() {
    let (Ok(url), Ok(root)) = (std::env::var("TEST_URL"), std::env::var("TEST_ROOT")) else { return };
    let root = fs::read(root).unwrap();
    let builder = transport_hyper::HyperTransport::builder().root_certificates([root.into()]);
    let transport = match builder.build(&common::settings(TIMEOUT)) {
        Ok(transport) => transport,
        Err(error) => return println!("{error:#}"),
    };
    let client = transport_hyper::Client::builder().base_url(url).api_key("k").build_on(transport).unwrap();
    match ask(&client).await {
        Ok(answer) => println!("answered {}", answer.text),
        Err(error) => println!("{error:#}"),
    }
}
