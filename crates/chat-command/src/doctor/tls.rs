//! The check of TLS.

use std::sync::Arc;
use std::time::Instant;

use chat_client::Error;
use chat_net::{Origin, tls};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::net::Connection;
use super::report::Check;
use super::{CONNECTION, advice, within};
use crate::args::Doctor;
use crate::message::with_sources;
use crate::print::USAGE;

/// The TLS configuration of the arguments and the environment.
pub(super) fn roots(args: &Doctor) -> Result<ClientConfig, Error> {
    let more = match &args.connection.ca_cert {
        Some(file) => tls::pem_file("--ca-cert", file)?,
        None => Vec::new(),
    };
    tls::config(more, None)
}

/// Makes the handshake with the server, on a connection to it.
pub(super) async fn check(
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
