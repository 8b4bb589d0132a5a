//! Proxies and certificate roots from environment variables and options, on every transport.

mod support;
#[path = "support/tls.rs"]
mod tls;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use chat_mock::ScriptedReply as Reply;
use support::{Run, Script, all_at_once, ask, chat, run, transports};
use tls::TlsServer;

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

impl TlsServer {
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

#[test]
fn roots_from_the_environment_replace_the_defaults_and_roots_from_the_option_are_added() {
    let tls = TlsServer::start("roots", answer());
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
    let tls = TlsServer::start("named", answer());
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
