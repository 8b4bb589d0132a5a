//! Recordings of calls: `docs/recording.md` describes the file.

mod escape;
mod log;
mod player;
mod recorder;
mod recording;
mod secrets;
mod server;

use std::path::Path;

use chat_client::Error;

pub(crate) use log::{Log, Settings};
pub(crate) use player::{Clock, Next, Player};
pub(crate) use recorder::Recorder;
pub(crate) use recording::{KeyOrigin, Recording};
pub(crate) use server::replies;

use crate::args::Connection;
use crate::connect::{key_of, timeouts};
use secrets::Secrets;

/// Creates the file of a recording. `product` names the transport.
pub(crate) fn start_log(file: &Path, args: &Connection, product: &str) -> Result<Log, Error> {
    let key = key_of(args);
    let origin = match key {
        None => KeyOrigin::None,
        Some(_) if args.from_env.api_key => KeyOrigin::Environment,
        Some(_) => KeyOrigin::Flag,
    };
    let settings = Settings { key: origin, max_retries: args.max_retries, timeouts: timeouts(args) };
    Log::create(file, Secrets::new(key, args.api_key_header.as_deref()), &settings, product)
}
