//! The check of the name's addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat_net::Origin;

use super::report::Check;
use super::{CONNECTION, advice, net, within};

/// Looks up the host of the server or its proxy.
pub(super) async fn check(target: &Origin, limit: Option<Duration>) -> (Check, Vec<SocketAddr>) {
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
