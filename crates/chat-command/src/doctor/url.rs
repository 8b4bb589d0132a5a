//! The check of the base URL.

use std::net::IpAddr;

use chat_client::Error;
use chat_client::driver::Endpoint;
use chat_client::proto::DEFAULT_BASE_URL;
use chat_net::Origin;
use http::Uri;

use super::report::Check;
use crate::args::Doctor;
use crate::connect::{given, names};
use crate::message::message;
use crate::print::USAGE;

/// The server that the arguments name.
pub(super) fn server(args: &Doctor) -> Result<(Endpoint, Origin), Error> {
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

/// The base URL, where it came from, and whether it is encrypted.
pub(super) fn check(args: &Doctor, server: &Result<(Endpoint, Origin), Error>) -> Check {
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
        Some(IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        Some(IpAddr::V6(ip)) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        None => {
            let host = origin.host.trim_end_matches('.').to_ascii_lowercase();
            host.contains('.')
                && !["localhost", "local", "internal", "lan"].iter().any(|end| host.ends_with(&format!(".{end}")))
        }
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
