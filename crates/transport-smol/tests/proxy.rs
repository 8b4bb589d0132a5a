//! Questions through a proxy: forwarded, through a tunnel with end-to-end TLS, and with a proxy of the environment.

#[path = "support/proxy.rs"]
mod support;

use std::process::{Command, Output};

use support::Fixture;
use transport_smol::driver::{FromSettings, TransportSettings};
use transport_smol::{AsyncIo, Client, Connector, Error, Proxy, SmolTransport, tls};

fn client_through(fixture: &Fixture, url: &str, proxy: Proxy) -> Client {
    let tls = tls::config([fixture.ca.clone()], None).unwrap();
    let connector = Connector::new(AsyncIo, tls, None).via(proxy).unwrap();
    client(url, SmolTransport::with_connector(connector))
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

    let forwarded = ask(&client_through(&fixture, "http://api.example", proxy.clone())).unwrap();
    assert!(forwarded.contains("canned answer"), "{forwarded}");
    let [head] = &fixture.heads()[..] else { panic!("one connection") };
    assert!(head.starts_with("POST http://api.example/v0/chat_sessions/chat_results HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(login), "{head}");

    // The certificate is for `localhost`, so the tunnel leads there.
    let url = fixture.https_url();
    assert_eq!(ask(&client_through(&fixture, &url, proxy.clone())).unwrap(), forwarded);
    let target = url.trim_start_matches("https://");
    let connect = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{login}\r\n");
    assert_eq!(fixture.heads(), [connect], "the API key is not sent to the proxy");
    assert_eq!(fixture.server.requests(), 2);

    // The certificate does not match another name.
    let text = format!("{:#}", ask(&client_through(&fixture, "https://other.example", proxy)).unwrap_err());
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
