//! `chat doctor`: checks one step of a call after the other.

mod advice;
mod net;
mod report;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_client::completions::Model;
use chat_client::driver::{ApiKey, Endpoint, FromSettings, Request, TransportSettings};
use chat_client::proto::DEFAULT_BASE_URL;
use chat_client::{Client, Error, ErrorKind};
use chat_net::{Dialer, Origin, Proxy, ProxyServer, tls};
use http::{Method, StatusCode, Uri};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::args::{Api, Doctor, Transport};
#[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
use crate::connect::not_included;
use crate::connect::{configure, given, key_of, names};
use crate::interrupt::{self, Interrupt};
use crate::message::{message, with_sources};
use crate::print::USAGE;
use net::{Connection, Net};
use report::{Check, Report};

/// Exit status of a connection that failed.
const CONNECTION: u8 = 4;
/// Exit status of a key that the API rejects.
const REJECTED: u8 = 3;

pub(crate) async fn run(args: &Doctor, mut interrupt: Interrupt) -> io::Result<u8> {
    tokio::select! {
        biased;
        () = interrupt.wait() => Ok(interrupt::STATUS),
        status = check_all(args) => status,
    }
}

/// Makes the checks in order. A check that needs one that failed is skipped.
async fn check_all(args: &Doctor) -> io::Result<u8> {
    let mut report = Report::new(args.connection.json, key_of(&args.connection));
    let has_key = report.add(key(args))?;
    let server = server(args);
    report.add(url(args, &server))?;
    let Ok((endpoint, origin)) = server else {
        return skip(report, &["proxy", "dns", "connect", "tls", "first_byte", "access"]);
    };

    let proxies = Proxy::from_env();
    let proxy = proxies.select(&origin).map(Option::<&ProxyServer>::cloned);
    if !report.add(proxy_check(&proxies, &origin, proxy.as_ref().map(Option::as_ref)))? {
        return skip(report, &["dns", "connect", "tls", "first_byte", "access"]);
    }
    let target = proxy.ok().flatten().map_or_else(|| origin.clone(), |proxy| proxy.origin().clone());

    let limit = args.connection.connect_timeout.0;
    let (check, addresses) = dns(&target, limit).await;
    if !report.add(check)? {
        return skip(report, &["connect", "tls", "first_byte", "access"]);
    }

    // The roots belong to TLS, but a proxy may need them for the connection.
    let tls = roots(args);
    let net = Net::new(target.host.clone(), addresses, tls.as_ref().ok().cloned());
    let (check, connection) = connect(&Dialer::new(net, proxies, limit), &origin).await;
    report.add(check)?;
    let Some(connection) = connection else { return skip(report, &["tls", "first_byte", "access"]) };

    if !report.add(secure(args, &origin, tls, connection).await)? {
        return skip(report, &["first_byte", "access"]);
    }
    let (check, status) = first_byte(args, &endpoint).await;
    report.add(check)?;
    let access = match status {
        None => Check::skipped("access", "an earlier check failed"),
        Some(_) if !has_key => Check::skipped("access", "there is no key"),
        Some(status) => access(args, status).await,
    };
    report.add(access)?;
    Ok(report.status())
}

fn skip(mut report: Report, checks: &[&'static str]) -> io::Result<u8> {
    for check in checks {
        report.add(Check::skipped(check, "an earlier check failed"))?;
    }
    Ok(report.status())
}

/// The key: whether there is one, its form, and where it came from.
fn key(args: &Doctor) -> Check {
    const CHECK: &str = "key";
    let connection = &args.connection;
    if connection.no_api_key {
        return Check::ok(CHECK, "none is sent (--no-api-key)");
    }
    let Some(key) = given(&connection.api_key) else {
        let advice = "Set the environment variable INKEEP_API_KEY, or use --api-key or --no-api-key.";
        return Check::failed(CHECK, USAGE, "there is no key", advice);
    };
    let origin = if connection.from_env.api_key { "INKEEP_API_KEY" } else { "--api-key" };
    if let Err(error) = ApiKey::new(key) {
        let reason = match error.kind() {
            ErrorKind::InvalidRequest { reason, .. } => reason.to_string(),
            _ => error.to_string(),
        };
        return Check::failed(CHECK, USAGE, format!("the key from {origin} {reason}"), "Copy the key again.");
    }
    let header = connection.api_key_header.as_deref().unwrap_or("authorization");
    if let Err(error) = Endpoint::new(DEFAULT_BASE_URL).and_then(|endpoint| endpoint.with_key_header(header)) {
        return Check::failed(CHECK, USAGE, error.to_string(), "Correct --api-key-header.");
    }
    let detail = format!("length {}, from {origin}, in the header {header}", key.len());
    if key.starts_with(['"', '\'']) || key.ends_with(['"', '\'']) {
        return Check::warning(
            CHECK,
            detail,
            "It has a quotation mark at an end: remove it if it is not part of the key.",
        );
    }
    Check::ok(CHECK, detail)
}

/// The server that the arguments name.
fn server(args: &Doctor) -> Result<(Endpoint, Origin), Error> {
    let base_url = given(&args.connection.server).unwrap_or(DEFAULT_BASE_URL);
    let mut endpoint = Endpoint::new(base_url)?;
    // An invalid name is an error of the key.
    if let Some(named) = args.connection.api_key_header.as_ref().map(|name| endpoint.clone().with_key_header(name)) {
        endpoint = named.unwrap_or(endpoint);
    }
    let uri: Uri = endpoint.base_url().parse().map_err(|error: http::uri::InvalidUri| {
        Error::invalid_request("base_url", "is not a URL").with_source(error)
    })?;
    Ok((endpoint, Origin::of(&uri)))
}

fn url(args: &Doctor, server: &Result<(Endpoint, Origin), Error>) -> Check {
    const CHECK: &str = "url";
    let (endpoint, origin) = match server {
        Ok(server) => server,
        Err(error) => {
            return Check::failed(CHECK, USAGE, message(error, &names(&args.connection)), "Correct the argument.");
        }
    };
    let from = match (&args.connection.server, args.connection.from_env.server) {
        (None, _) => "the default",
        (Some(_), true) => "from INKEEP_API_BASE_URL",
        (Some(_), false) => "from --server",
    };
    let detail = format!("{}, {from}", endpoint.base_url());
    if !origin.is_https && is_public(origin) {
        return Check::warning(CHECK, detail, "The key and the question are sent unencrypted: use https://.");
    }
    Check::ok(CHECK, detail)
}

/// Whether a host is likely reached over the internet, by its name or address.
fn is_public(origin: &Origin) -> bool {
    match origin.ip() {
        Some(std::net::IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        Some(std::net::IpAddr::V6(ip)) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        None => {
            let host = origin.host.trim_end_matches('.').to_ascii_lowercase();
            host.contains('.')
                && !["localhost", "local", "internal", "lan"].iter().any(|end| host.ends_with(&format!(".{end}")))
        }
    }
}

/// The proxy that applies, and the variable that it comes from.
fn proxy_check(proxies: &Proxy, origin: &Origin, selected: Result<Option<&ProxyServer>, &Error>) -> Check {
    const CHECK: &str = "proxy";
    let variable = proxies.setting(origin).unwrap_or("the environment");
    match selected {
        Err(error) => Check::failed(CHECK, USAGE, error.to_string(), format!("Correct or remove {variable}.")),
        Ok(Some(proxy)) => Check::ok(CHECK, format!("{proxy}, from {variable}")),
        Ok(None) if proxies.setting(origin).is_some() => {
            Check::ok(CHECK, format!("none: {variable} is set, but the host is local or in NO_PROXY"))
        }
        Ok(None) => Check::ok(CHECK, "none is set"),
    }
}

async fn dns(target: &Origin, limit: Option<Duration>) -> (Check, Vec<SocketAddr>) {
    const CHECK: &str = "dns";
    if let Some(ip) = target.ip() {
        return (Check::ok(CHECK, format!("{ip} is an address")), vec![SocketAddr::new(ip, target.port)]);
    }
    let failed = |reason: String| {
        let detail = format!("{} could not be looked up: {reason}", target.host);
        (Check::failed(CHECK, CONNECTION, detail, advice::RESOLVE), Vec::new())
    };
    let start = Instant::now();
    let addresses = match within(limit, net::look_up(&target.host, target.port)).await {
        None => return failed("there was no answer in time".to_owned()),
        Some(Err(error)) => return failed(error.to_string()),
        Some(Ok(none)) if none.is_empty() => return failed("it has no address".to_owned()),
        Some(Ok(addresses)) => addresses,
    };
    let mut ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    ips.dedup();
    (Check::ok(CHECK, format!("{} is {}", target.host, ips.join(", "))).took(start.elapsed()), addresses)
}

/// Connects to the server or its proxy, and opens a tunnel if the proxy needs one.
async fn connect(dialer: &Dialer<Net>, origin: &Origin) -> (Check, Option<Box<dyn Connection>>) {
    const CHECK: &str = "connect";
    let start = Instant::now();
    match dialer.with_timeout(origin, dialer.dial(origin)).await {
        Ok(dialed) => {
            let address = dialer.runtime().connected().map(|address| address.to_string()).unwrap_or_default();
            (Check::ok(CHECK, format!("TCP to {address}")).took(start.elapsed()), Some(dialed.stream.into_inner()))
        }
        Err(error) => {
            let detail = with_sources(&error);
            (Check::failed(CHECK, CONNECTION, detail, advice::of_connect(&error)).took(start.elapsed()), None)
        }
    }
}

/// The TLS configuration of the arguments and the environment.
fn roots(args: &Doctor) -> Result<ClientConfig, Error> {
    let more = match &args.connection.ca_cert {
        Some(file) => tls::pem_file("--ca-cert", file)?,
        None => Vec::new(),
    };
    tls::config(more, None)
}

async fn secure(
    args: &Doctor,
    origin: &Origin,
    tls: Result<ClientConfig, Error>,
    stream: Box<dyn Connection>,
) -> Check {
    const CHECK: &str = "tls";
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => {
            return Check::failed(CHECK, USAGE, format!("{error:#}"), "Name a file with certificates in PEM format.");
        }
    };
    if !origin.is_https {
        return Check::ok(CHECK, "not used: the base URL begins with http://");
    }
    let name = match ServerName::try_from(origin.host.clone()) {
        Ok(name) => name,
        Err(error) => return Check::failed(CHECK, USAGE, error.to_string(), "Correct the host of the base URL."),
    };
    let start = Instant::now();
    let handshake = TlsConnector::from(Arc::new(tls)).connect(name, stream);
    let failed = |detail: String, advice: &str| Check::failed(CHECK, CONNECTION, detail, advice).took(start.elapsed());
    match within(args.connection.connect_timeout.0, handshake).await {
        None => failed("the handshake took too long".to_owned(), "Check the proxy, or raise --connect-timeout."),
        Some(Err(error)) => failed(with_sources(&error), advice::of_tls(&error)),
        Some(Ok(stream)) => {
            let version = match stream.get_ref().1.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "TLS 1.2",
            };
            Check::ok(CHECK, format!("{version}, trusted by {}", trusted_roots(args))).took(start.elapsed())
        }
    }
}

/// Names the roots.
fn trusted_roots(args: &Doctor) -> String {
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<&str> = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter(is_set).copied().collect();
    let roots =
        if set.is_empty() { "the bundled roots".to_owned() } else { format!("the roots of {}", set.join(" and ")) };
    match &args.connection.ca_cert {
        Some(file) => format!("{roots} or {}", file.display()),
        None => roots,
    }
}

/// Sends a request that changes nothing, over the transport of the arguments.
async fn first_byte(args: &Doctor, endpoint: &Endpoint) -> (Check, Option<StatusCode>) {
    const CHECK: &str = "first_byte";
    let start = Instant::now();
    let sent = match args.connection.transport {
        Transport::Hyper => send::<transport_hyper::HyperTransport>(args, endpoint).await,
        #[cfg(feature = "async-std")]
        Transport::AsyncStd => send::<transport_async_std::AsyncStdTransport>(args, endpoint).await,
        #[cfg(feature = "smol")]
        Transport::Smol => send::<transport_smol::SmolTransport>(args, endpoint).await,
        #[cfg(feature = "blocking")]
        Transport::Blocking => send::<chat_blocking::SmolTransport>(args, endpoint).await,
        #[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
        transport => Err(Failure::of_settings(&not_included(transport))),
    };
    let status = match sent {
        Ok(status) => status,
        Err(Failure { status, detail, advice }) => {
            return (Check::failed(CHECK, status, detail, advice).took(start.elapsed()), None);
        }
    };
    let detail = format!("status {status}");
    let check = match status.as_u16() {
        300..=399 => Check::warning(CHECK, detail, "Redirects are not followed: use the base URL that it leads to."),
        404 if args.api == Api::Completions => {
            Check::warning(CHECK, detail, "The server has no list of models: check the path of the base URL.")
        }
        404 => Check::warning(
            CHECK,
            detail,
            "The server may not have this API: check the path of the base URL, and --api.",
        ),
        407 => Check::warning(CHECK, detail, "The proxy wants user name and password."),
        429 => Check::warning(CHECK, detail, "The server limits the rate of requests: wait before you ask."),
        500..=599 => Check::warning(CHECK, detail, "The server has a problem: try again later."),
        _ => Check::ok(CHECK, detail),
    };
    (check.took(start.elapsed()), Some(status))
}

/// Sends a `GET`: for the list of models, or to the path of questions, which answers with an error.
async fn send<T: FromSettings>(args: &Doctor, endpoint: &Endpoint) -> Result<StatusCode, Failure> {
    let usage = |error: Error| Failure::of_settings(&error);
    let mut request = match args.api {
        Api::Completions => Request::models(endpoint).map_err(usage)?.http().clone(),
        Api::Sessions => {
            let input = chat_client::sessions::CreateInput::new("any", "any");
            let mut request = Request::create(endpoint, &input).map_err(usage)?.http().clone();
            *request.method_mut() = Method::GET;
            request.headers_mut().remove(http::header::CONTENT_TYPE);
            request.map(|_| bytes::Bytes::new())
        }
    };
    if let Some(key) = key_of(&args.connection) {
        key.authorize(&mut request);
    }
    let mut settings = TransportSettings::default();
    settings.connect_timeout = args.connection.connect_timeout.0;
    settings.base_url = endpoint.base_url().parse().ok();
    if let Some(file) = &args.connection.ca_cert {
        settings.root_certificates = tls::pem_file("--ca-cert", file).map_err(usage)?;
    }
    let transport = T::from_settings(&settings).map_err(usage)?;
    let failed = |detail: String| {
        let advice = "Try again. If it fails again, check the port of the base URL, and any proxy.";
        Failure { status: CONNECTION, detail, advice }
    };
    match within(args.connection.head_timeout.0, transport.send(request)).await {
        None => Err(failed("there was no answer in time".to_owned())),
        Some(Err(error)) => Err(failed(with_sources(&*error.into()))),
        Some(Ok(response)) => Ok(response.status()),
    }
}

/// Why there is no first byte.
struct Failure {
    status: u8,
    detail: String,
    advice: &'static str,
}

impl Failure {
    fn of_settings(error: &Error) -> Self {
        Self { status: USAGE, detail: format!("{error:#}"), advice: "Correct the argument." }
    }
}

/// Whether the key is accepted, as far as a request without a question tells.
async fn access(args: &Doctor, status: StatusCode) -> Check {
    const CHECK: &str = "access";
    let refused =
        |advice| Check::failed(CHECK, REJECTED, format!("the server refuses the key (status {status})"), advice);
    match status.as_u16() {
        401 if args.connection.no_api_key => refused("The server wants a key: remove --no-api-key."),
        401 => refused(
            "Check that the key is complete, belongs to this server, and is sent in the right header (--api-key-header).",
        ),
        403 => refused("Check the permissions of the key. A key of a Web integration works only in a browser."),
        200..=299 if args.api == Api::Completions => models(args).await,
        _ => Check::skipped(CHECK, "only a question shows whether the key is accepted; chat ask asks one"),
    }
}

/// Whether the server lists the model.
async fn models(args: &Doctor) -> Check {
    const CHECK: &str = "access";
    let accepted = "the list of models can be read";
    let Some(model) = given(&args.model) else { return Check::ok(CHECK, accepted) };
    match list(args).await {
        Ok(models) if models.iter().any(|other| other.id == model) => {
            Check::ok(CHECK, format!("{accepted}, and has {model}"))
        }
        Ok(_) => {
            let advice = "Check its name with chat models. Some servers accept models that they do not list.";
            Check::warning(CHECK, format!("{accepted}, but {model} is not in it"), advice)
        }
        Err(error) => Check::warning(CHECK, format!("{error:#}"), error.advice()),
    }
}

async fn list(args: &Doctor) -> Result<Vec<Model>, Error> {
    let client = configure(Client::<transport_hyper::HyperTransport>::builder(), &args.connection)?.build()?;
    client.list_models().await
}

/// Runs a future with a time limit. `None` means that it has passed.
async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_is_told_by_its_name() {
        let is_public = |url: &str| is_public(&Origin::of(&url.parse().unwrap()));
        for url in ["http://api.example", "http://8.8.8.8", "http://[2001:db8::1]:1"] {
            assert!(is_public(url), "{url}");
        }
        for url in [
            "http://localhost",
            "http://127.0.0.1",
            "http://10.1.2.3",
            "http://ollama",
            "http://nas.local",
            "http://[::1]",
        ] {
            assert!(!is_public(url), "{url}");
        }
    }
}
