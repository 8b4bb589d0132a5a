//! The check of the first byte.

use std::time::Instant;

use chat_client::driver::Endpoint;
use http::StatusCode;

use super::report::Check;
use super::send::{Failure, send};
use crate::args::{Api, Doctor, Transport};
#[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
use crate::connect::not_included;

/// Sends a request that changes nothing, over the transport of the arguments.
pub(super) async fn check(args: &Doctor, endpoint: &Endpoint) -> (Check, Option<StatusCode>) {
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
