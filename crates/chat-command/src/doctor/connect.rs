//! The check of the connection.

use std::time::Instant;

use chat_net::{Dialer, Origin};

use super::net::{Connection, Net};
use super::report::Check;
use super::{CONNECTION, advice};
use crate::message::with_sources;

/// Connects to the server or its proxy, and opens a tunnel if the proxy needs one.
pub(super) async fn check(dialer: &Dialer<Net>, origin: &Origin) -> (Check, Option<Box<dyn Connection>>) {
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
