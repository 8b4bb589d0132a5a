//! The check of the proxy's settings.

use chat_client::Error;
use chat_net::{Origin, Proxy, ProxyServer};

use super::report::Check;
use crate::print::USAGE;

/// The proxy that applies, and the variable that it comes from.
pub(super) fn check(proxies: &Proxy, origin: &Origin, selected: Result<Option<&ProxyServer>, &Error>) -> Check {
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
