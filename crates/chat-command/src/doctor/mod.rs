//! `chat doctor`: checks one step of a call after the other.

mod access;
mod advice;
mod connect;
mod dns;
mod first_byte;
mod key;
mod net;
mod proxy;
mod report;
mod send;
mod tls;
mod url;

use std::io;
use std::time::Duration;

use chat_net::{Dialer, Proxy, ProxyServer};

use crate::args::Doctor;
use crate::connect::key_of;
use crate::interrupt::{self, Interrupt};
use net::Net;
use report::{Check, Report};

/// Exit status of a connection that failed.
const CONNECTION: u8 = 4;

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
    let has_key = report.add(key::check(args))?;
    let server = url::server(args);
    report.add(url::check(args, &server))?;
    let Ok((endpoint, origin)) = server else {
        return skip(report, &["proxy", "dns", "connect", "tls", "first_byte", "access"]);
    };

    let proxies = Proxy::from_env();
    let selected = proxies.select(&origin).map(Option::<&ProxyServer>::cloned);
    if !report.add(proxy::check(&proxies, &origin, selected.as_ref().map(Option::as_ref)))? {
        return skip(report, &["dns", "connect", "tls", "first_byte", "access"]);
    }
    let target = selected.ok().flatten().map_or_else(|| origin.clone(), |proxy| proxy.origin().clone());

    let limit = args.connection.connect_timeout.0;
    let (check, addresses) = dns::check(&target, limit).await;
    if !report.add(check)? {
        return skip(report, &["connect", "tls", "first_byte", "access"]);
    }

    // The roots belong to TLS, but a proxy may need them for the connection.
    let roots = tls::roots(args);
    let net = Net::new(target.host.clone(), addresses, roots.as_ref().ok().cloned());
    let (check, connection) = connect::check(&Dialer::new(net, proxies, limit), &origin).await;
    report.add(check)?;
    let Some(connection) = connection else { return skip(report, &["tls", "first_byte", "access"]) };

    if !report.add(tls::check(args, &origin, roots, connection).await)? {
        return skip(report, &["first_byte", "access"]);
    }
    let (check, status) = first_byte::check(args, &endpoint).await;
    report.add(check)?;
    let access = match status {
        None => Check::skipped("access", "an earlier check failed"),
        Some(_) if !has_key => Check::skipped("access", "there is no key"),
        Some(status) => access::check(args, status).await,
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

/// Runs a future with a time limit. `None` means that it has passed.
async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
