//! `chat doctor`.

mod support;
#[path = "support/tls.rs"]
mod tls;

use std::net::TcpListener;
use std::process::Command;

use chat_mock::{Blackhole, ScriptedReply as Reply};
use serde_json::Value;
use support::{KEY, Run, Script, Serve, chat, run, transports};
use tls::TlsServer;

/// `chat doctor --json --server URL --api-key KEY ARGS`.
fn doctor(url: &str, args: &[&str]) -> Command {
    let mut command = chat(["doctor", "--json", "--server", url, "--api-key", KEY]);
    command.args(args);
    command
}

/// The results of all checks.
#[track_caller]
fn results(run: &Run) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let checks: Vec<Value> = run.lines();
    for check in &checks {
        let has_advice = check["advice"].is_string();
        assert_eq!(has_advice, check["result"] == "failed" || check["result"] == "warning", "{check}");
        assert!(check["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{check}");
    }
    checks.iter().map(|check| (text(&check["check"]), text(&check["result"]))).collect()
}

/// Checks that this check fails, with this advice and exit status, and that later ones are skipped.
#[track_caller]
fn fails(run: &Run, check: &str, advice: &str, status: i32) {
    let results = results(run);
    let at = results.iter().position(|(name, _)| name == check).unwrap_or_else(|| panic!("{run:?}"));
    assert!(results[..at].iter().all(|(_, result)| result == "ok" || result == "warning"), "{run:?}");
    assert_eq!(results[at].1, "failed", "{run:?}");
    assert!(results[at + 1..].iter().all(|(_, result)| result == "skipped"), "{run:?}");
    assert_eq!(results.len(), 8, "{run:?}");
    let line = &run.lines()[at];
    assert!(line["advice"].as_str().is_some_and(|text| text.contains(advice)), "{line}");
    assert_eq!(run.status, Some(status), "{run:?}");
}

#[test]
fn all_checks_pass_against_the_bundled_server() {
    let server = Serve::start(&[]);
    for transport in transports() {
        let run = run(&mut doctor(&server.url, &["--api", "completions", "--transport", transport]));
        let names = ["key", "url", "proxy", "dns", "connect", "tls", "first_byte", "access"];
        assert_eq!(results(&run), names.map(|name| (name.to_owned(), "ok".to_owned())), "{transport}");
        assert_eq!(run.status, Some(0));
    }
    // No session is created, so access is not known.
    let run = run(&mut doctor(&server.url, &[]));
    assert_eq!(results(&run).last().expect("a check").1, "skipped");
    assert_eq!(run.lines()[6]["detail"], "status 405 Method Not Allowed");
    assert_eq!(run.status, Some(0));
}

#[test]
fn text_is_one_line_for_each_check() {
    let server = Serve::start(&[]);
    let run = run(&mut chat(["doctor", "--server", &server.url, "--api-key", KEY]));
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!((lines.len(), run.stderr.as_str()), (8, ""), "{run:?}");
    assert!(
        lines[0].starts_with("ok       key         length 20, from --api-key, in the header authorization"),
        "{run:?}"
    );
}

#[test]
fn a_rejected_key_has_the_status_of_an_api_error() {
    let server = Serve::start(&[]);
    let run = run(&mut chat(["doctor", "--json", "--api", "v1", "--server", &server.url, "--api-key", "other"]));
    fails(&run, "access", "Check that the key is complete", 3);
}

#[test]
fn a_model_is_looked_for_in_the_list() {
    let server = Serve::start(&[]);
    let models = run(&mut chat(["models", "--server", &server.url, "--api-key", KEY]));
    let known = models.stdout.lines().next().expect("a model").to_owned();
    for (model, result) in [(known.as_str(), "ok"), ("no-such-model", "warning")] {
        let run = run(&mut doctor(&server.url, &["--api", "v1", "--model", model]));
        assert_eq!(results(&run)[7].1, result, "{model}");
        assert_eq!(run.status, Some(0));
    }
}

#[test]
fn a_missing_key_does_not_end_the_checks_of_the_network() {
    let server = Serve::start(&[]);
    let without = run(&mut chat(["doctor", "--json", "--server", &server.url]));
    let results = results(&without);
    assert_eq!((results[0].1.as_str(), results[6].1.as_str(), results[7].1.as_str()), ("failed", "ok", "skipped"));
    assert_eq!(without.status, Some(2));
    let from_env = run(chat(["doctor", "--json", "--server", &server.url]).env("INKEEP_API_KEY", KEY));
    let detail = from_env.lines()[0]["detail"].as_str().expect("text").to_owned();
    assert!(detail.contains("from INKEEP_API_KEY"), "{detail}");
    let malformed = run(&mut chat(["doctor", "--json", "--server", &server.url, "--api-key", "sk secret"]));
    assert_eq!(malformed.lines()[0]["result"], "failed");
    assert!(!malformed.stdout.contains("secret"), "{malformed:?}");
    let header = run(&mut doctor(&format!("{}/{KEY}", server.url), &["--api-key-header", "a b"]));
    assert_eq!(header.lines()[0]["result"], "failed");
    assert!(header.lines()[1]["detail"].as_str().is_some_and(|url| url.contains("/***")), "{header:?}");
}

#[test]
fn a_closed_port_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let run = run(&mut doctor(&format!("http://127.0.0.1:{port}"), &[]));
    fails(&run, "connect", "Nothing listens there", 4);
}

#[test]
fn an_unknown_host_is_named() {
    // `.invalid` never resolves (RFC 6761).
    let run = run(&mut doctor("https://no-such-host.invalid", &["--connect-timeout", "30s"]));
    fails(&run, "dns", "Check the spelling of the host", 4);
}

#[test]
fn an_invalid_url_is_named() {
    fails(&run(&mut doctor("ftp://host", &[])), "url", "Correct", 2);
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let blackhole = Blackhole::open([127, 0, 0, 1]).expect("a blackhole");
    let run = run(&mut doctor(&format!("http://{}", blackhole.addr()), &["--connect-timeout", "300ms"]));
    fails(&run, "connect", "A firewall may drop the connection", 4);
}

#[test]
fn a_server_that_never_responds_has_no_first_byte() {
    let server = Script::start([Reply::raw("").then(chat_mock::Step::Stall)]);
    let run = run(&mut doctor(&server.url(), &["--head-timeout", "300ms"]));
    fails(&run, "first_byte", "Try again", 4);
}

#[test]
fn plain_http_to_a_public_host_is_a_warning() {
    let run = run(&mut doctor("http://no-such-host.invalid", &["--connect-timeout", "30s"]));
    assert_eq!(run.lines()[1]["result"], "warning");
}

#[test]
fn the_proxy_is_named_with_its_variable() {
    let server = Script::start([Reply::json(404, &[], "{}")]);
    let proxy = format!("http://user:s3cret@{}", server.url().trim_start_matches("http://"));
    let checked = |variables: &[(&str, &str)]| {
        let run = run(doctor("http://api.invalid", &[]).envs(variables.iter().copied()));
        assert!(!run.stdout.contains("s3cret"), "{run:?}");
        (run.lines()[2]["detail"].as_str().expect("text").to_owned(), results(&run)[6].1.clone())
    };
    let (detail, first_byte) = checked(&[("HTTP_PROXY", &proxy)]);
    assert_eq!(detail, format!("{}, from HTTP_PROXY", server.url()));
    assert_eq!(first_byte, "warning", "the proxy answers with 404");
    let (detail, first_byte) = checked(&[("HTTP_PROXY", &proxy), ("NO_PROXY", "invalid")]);
    assert_eq!(detail, "none: HTTP_PROXY is set, but the host is local or in NO_PROXY");
    assert_eq!(first_byte, "skipped", "the name cannot be looked up");
    let run = run(doctor("http://api.invalid", &[]).env("ALL_PROXY", "socks4://user:s3cret@p"));
    fails(&run, "proxy", "Correct or remove ALL_PROXY", 2);
}

#[test]
fn a_proxy_that_refuses_a_tunnel_is_named() {
    let proxy = Script::start([Reply::json(403, &[], "{}")]);
    let run = run(doctor("https://api.invalid", &[]).env("HTTPS_PROXY", proxy.url()));
    fails(&run, "connect", "Check the proxy's address", 4);
    let checks = run.lines();
    assert_eq!(checks[2]["detail"], format!("{}, from HTTPS_PROXY", proxy.url()));
    assert_eq!(checks[3]["detail"], "127.0.0.1 is an address", "the name of the server is looked up by the proxy");
    let requests = proxy.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("CONNECT", "api.invalid:443"));
    assert!(!requests[0].headers.contains_key("authorization"), "the proxy never gets the key");
}

#[test]
fn an_untrusted_certificate_is_named_and_can_be_trusted() {
    let server = TlsServer::start("doctor", Reply::json(405, &[], ""));
    let ca = server.ca.to_str().expect("a path in Unicode");
    let url = format!("https://localhost:{}", server.addr.port());
    fails(&run(&mut doctor(&url, &[])), "tls", "--ca-cert", 4);
    let trusted = run(&mut doctor(&url, &["--ca-cert", ca]));
    assert_eq!(trusted.status, Some(0), "{trusted:?}");
    let tls = trusted.lines()[5]["detail"].as_str().expect("text").to_owned();
    assert_eq!(tls, format!("TLS 1.3, trusted by the bundled roots or {ca}"));
    let missing = run(&mut doctor(&url, &["--ca-cert", "/no/such/file"]));
    fails(&missing, "tls", "PEM", 2);
}
