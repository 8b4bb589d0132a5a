//! The check of the key.

use chat_client::ErrorKind;
use chat_client::driver::{ApiKey, Endpoint};
use chat_client::proto::DEFAULT_BASE_URL;

use super::report::Check;
use crate::args::Doctor;
use crate::connect::given;
use crate::print::USAGE;

/// The key: whether there is one, its form, and where it came from.
pub(super) fn check(args: &Doctor) -> Check {
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
