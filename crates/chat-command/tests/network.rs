//! Proxies and certificate roots from environment variables and options, on every transport.

mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chat_conformance::Identity;
use chat_mock::{ScriptServer, ScriptedReply as Reply};
use support::{Run, Script, all_at_once, ask, chat, run, transports};

fn answer() -> Reply {
    Reply::json(200, &[], support::result("Yes."))
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}

#[test]
fn an_unused_proxy_is_not_an_error() {
    let port = closed_port();
    let rows: [&[(&str, String)]; 4] = [
        &[("ALL_PROXY", format!("socks://127.0.0.1:{port}/")), ("NO_PROXY", "localhost 127.0.0.1".to_owned())],
        &[("HTTPS_PROXY", format!("https://127.0.0.1:{port}"))],
        &[("ALL_PROXY", format!("https://127.0.0.1:{port}"))],
        &[("all_proxy", "gopher://127.0.0.1".to_owned())],
    ];
    for transport in transports() {
        for variables in rows {
            let server = Script::start([answer()]);
            let mut command = ask(&server.url(), &["--json", "--transport", transport, "hi"]);
            run(command.envs(variables.iter().cloned())).answer("Yes.");
        }
    }
    all_at_once(rows, |variables| {
        let run = run(chat(["demo"]).envs(variables.iter().cloned()));
        assert_eq!(run.status, Some(0), "{run:?}");
    });
}

#[test]
fn an_invalid_proxy_is_an_error_that_names_the_variable() {
    for transport in transports() {
        // 192.0.2.1 is reserved for documentation. Nothing is sent.
        let mut command = ask("http://192.0.2.1:9", &["--json", "--transport", transport, "hi"]);
        let run = run(command.env("ALL_PROXY", "socks4://user:s3cret@127.0.0.1"));
        let error = run.error("invalid_request");
        let says = "ALL_PROXY must begin with http://, https://, socks5:// or socks5h://";
        assert_eq!(error["message"], says, "{transport}");
    }
}

/// A TLS server with a private CA, and a directory with certificates.
struct TlsServer {
    addr: SocketAddr,
    dir: PathBuf,
    /// Certificate of the CA, and of another one.
    ca: PathBuf,
    other: PathBuf,
    _server: ScriptServer,
    _runtime: tokio::runtime::Runtime,
}

impl TlsServer {
    fn start(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        let server = ScriptServer::start(vec![answer()]).expect("a free port");
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

    /// Runs `chat ask` without retries.
    fn ask(&self, transport: &str, ca_cert: Option<&Path>, variables: &[(&str, &Path)]) -> Run {
        let url = format!("https://localhost:{}", self.addr.port());
        let mut command = ask(&url, &["--json", "--transport", transport, "--max-retries", "0", "hi"]);
        if let Some(path) = ca_cert {
            command.arg("--ca-cert").arg(path);
        }
        run(command.envs(variables.iter().copied()))
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn roots_from_the_environment_replace_the_defaults_and_roots_from_the_option_are_added() {
    let tls = TlsServer::start("roots");
    let (file, dir) = ("SSL_CERT_FILE", "SSL_CERT_DIR");
    let inner = tls.dir.join("inner");
    fs::create_dir_all(&inner).expect("a directory");
    fs::copy(&tls.ca, inner.join("0a1b2c3d.0")).expect("a file");
    for transport in transports() {
        tls.ask(transport, Some(&tls.ca), &[]).answer("Yes.");
        tls.ask(transport, None, &[(file, &tls.ca)]).answer("Yes.");
        tls.ask(transport, None, &[(dir, &inner)]).answer("Yes.");
        tls.ask(transport, None, &[(file, &tls.other), (dir, &inner)]).answer("Yes.");
        tls.ask(transport, Some(&tls.ca), &[(file, &tls.other)]).answer("Yes.");
        for (option, variables) in [(None, &[][..]), (None, &[(file, &*tls.other)]), (Some(&*tls.other), &[])] {
            let error = tls.ask(transport, option, variables).error("connect");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("invalid peer certificate"), "{transport}: {message}");
        }
    }
}

#[test]
fn an_invalid_file_of_roots_is_named_with_its_setting() {
    let tls = TlsServer::start("named");
    let (missing, empty) = (tls.dir.join("missing.pem"), tls.dir.join("empty.pem"));
    fs::write(&empty, "nothing\n").expect("a file");
    for transport in transports() {
        for (path, why) in [(&missing, "can't be read: "), (&empty, "holds no certificate in PEM format")] {
            let says = |setting: &str, run: &Run| {
                let error = run.error("invalid_request");
                let message = error["message"].as_str().unwrap_or_default();
                let expected = format!("{setting} names {}, which {why}", path.display());
                assert!(message.starts_with(&expected), "{transport}: {message}");
            };
            says("--ca-cert", &tls.ask(transport, Some(path), &[]));
            says("SSL_CERT_FILE", &tls.ask(transport, None, &[("SSL_CERT_FILE", path)]));
        }
    }
}
