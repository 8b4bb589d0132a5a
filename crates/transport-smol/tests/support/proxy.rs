//! A server, and a proxy in front of it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use chat_conformance::Identity;
use chat_http1::rustls::pki_types::CertificateDer;
use chat_mock::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A server, a TLS server in front of it, and a proxy for HTTP and SOCKS5 that connects every request to them.
pub(crate) struct Fixture {
    _runtime: Runtime,
    pub(crate) server: Server,
    pub(crate) ca: CertificateDer<'static>,
    tls_server: SocketAddr,
    pub(crate) proxy: SocketAddr,
    /// The heads of the requests to the proxy. For SOCKS5, `socks5`, the host and the port.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
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
                    let (target, is_tunnel) = read_target(&mut client).await?;
                    log.lock().unwrap().push(target.clone());
                    let mut server = TcpStream::connect(if is_tunnel { tls_addr } else { plain }).await?;
                    if !is_tunnel {
                        server.write_all(target.as_bytes()).await?;
                    }
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { _runtime: runtime, server, ca: identity.ca(), tls_server: tls_addr, proxy: proxy_addr, heads }
    }

    /// The URL of the TLS server. Its certificate is for `localhost`.
    pub(crate) fn https_url(&self) -> String {
        format!("https://localhost:{}", self.tls_server.port())
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

/// Reads a request to the proxy, and opens the tunnel if it asks for one. Returns the head or the target, and whether it is
/// a tunnel.
async fn read_target(client: &mut TcpStream) -> io::Result<(String, bool)> {
    let mut first = [0];
    client.peek(&mut first).await?;
    if first == [5] {
        return Ok((open_socks(client).await?, true));
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let is_tunnel = head.starts_with(b"CONNECT ");
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    }
    Ok((String::from_utf8_lossy(&head).into_owned(), is_tunnel))
}

/// Opens a tunnel by SOCKS5 without a login. Returns the target.
async fn open_socks(client: &mut TcpStream) -> io::Result<String> {
    let mut methods = [0; 3];
    client.read_exact(&mut methods).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => Ipv4Addr::from_bits(client.read_u32().await?).to_string(),
        4 => Ipv6Addr::from_bits(client.read_u128().await?).to_string(),
        _ => {
            let mut name = vec![0; client.read_u8().await?.into()];
            client.read_exact(&mut name).await?;
            String::from_utf8_lossy(&name).into_owned()
        }
    };
    let port = client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(format!("socks5 {host} {port}"))
}
