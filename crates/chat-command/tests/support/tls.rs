//! A TLS server with a private CA.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chat_conformance::Identity;
use chat_mock::{ScriptServer, ScriptedReply as Reply};

/// A TLS server with a private CA, and a directory with certificates.
pub(crate) struct TlsServer {
    pub(crate) addr: SocketAddr,
    pub(crate) dir: PathBuf,
    /// Certificate of the CA, and of another one.
    pub(crate) ca: PathBuf,
    pub(crate) other: PathBuf,
    _server: ScriptServer,
    _runtime: tokio::runtime::Runtime,
}

impl TlsServer {
    /// Starts a server that gives this reply to each request.
    pub(crate) fn start(name: &str, reply: Reply) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        let server = ScriptServer::start(vec![reply]).expect("a free port");
        let (identity, behind) = (Identity::new(), server.local_addr());
        let acceptor = identity.acceptor(&[b"http/1.1"]);
        let door = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let addr = door.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((tcp, _)) = door.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outer) = acceptor.accept(tcp).await else { return };
                    let Ok(mut inner) = tokio::net::TcpStream::connect(behind).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        let dir = std::env::temp_dir().join(format!("chat-command-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let write = |name: &str, identity: &Identity| {
            let (path, text) = (dir.join(name), BASE64_STANDARD.encode(identity.ca()));
            let pem = format!("A CA\n-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
            fs::write(&path, pem).expect("a file");
            path
        };
        let (ca, other) = (write("ca.pem", &identity), write("other.pem", &Identity::new()));
        drop(_entered);
        Self { addr, dir, ca, other, _server: server, _runtime: runtime }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
