//! The settings of a call, from the arguments.

use chat_client::driver::ApiKey;
use chat_client::{
    ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, Error, KeySource, RetryPolicy, Timeouts,
};
use transport_hyper::tls;

use crate::args::Connection;
use crate::message::Names;

/// Environment variable with the model.
pub(crate) const ENV_MODEL: &str = "INKEEP_MODEL";

/// Where a key came from, in the error of a rejected key.
pub(crate) const KEY_FROM_ENV: &str = "the environment variable INKEEP_API_KEY";
pub(crate) const KEY_FROM_FLAG: &str = "--api-key";

/// Applies the arguments to a client builder.
pub(crate) fn configure<T>(builder: ClientBuilder<T>, args: &Connection) -> Result<ClientBuilder<T>, Error> {
    let retry = RetryPolicy::default().with_max_retries(args.max_retries);
    let mut builder = builder.key_source(key_source(args)?).timeouts(timeouts(args)).retry(retry);
    if let Some(file) = &args.ca_cert {
        builder = builder.root_certificates(tls::pem_file("--ca-cert", file)?);
    }
    if let Some(name) = &args.api_key_header {
        builder = builder.api_key_header(name);
    }
    Ok(match given(&args.server) {
        Some(server) => builder.base_url(server),
        None => builder,
    })
}

/// The timeouts of a call.
pub(crate) fn timeouts(args: &Connection) -> Timeouts {
    Timeouts::default()
        .with_connect(args.connect_timeout.0)
        .with_head(args.head_timeout.0)
        .with_idle(args.idle_timeout.0)
        .with_content(args.content_timeout.0)
        .with_total(args.timeout.0)
}

fn key_source(args: &Connection) -> Result<KeySource, Error> {
    if args.no_api_key {
        // A key from the environment may be there for other calls.
        return if args.api_key.is_some() && !args.from_env.api_key {
            Err(Error::invalid_request("--no-api-key", "cannot be used with --api-key"))
        } else {
            Ok(KeySource::None)
        };
    }
    let key = given(&args.api_key).ok_or_else(|| missing("api_key", ENV_API_KEY))?;
    let origin = if args.from_env.api_key { KEY_FROM_ENV } else { KEY_FROM_FLAG };
    Ok(KeySource::Fixed { key: ApiKey::new(key)?, origin })
}

/// The key, unless none is sent.
pub(crate) fn key_of(args: &Connection) -> Option<ApiKey> {
    given(&args.api_key).filter(|_| !args.no_api_key).and_then(|key| ApiKey::new(key).ok())
}

/// The names of the settings in error messages: the flag or the environment variable that set each.
pub(crate) fn names(args: &Connection) -> Names {
    let flags = Names::default();
    let name = |from_env, variable, flag| if from_env { variable } else { flag };
    Names {
        api_key: name(args.from_env.api_key, ENV_API_KEY, flags.api_key),
        base_url: name(args.from_env.server, ENV_BASE_URL, flags.base_url),
        integration_id: name(args.from_env.integration, ENV_INTEGRATION_ID, flags.integration_id),
        model: name(args.from_env.model, ENV_MODEL, flags.model),
    }
}

/// Treats an empty value as one that is not set.
pub(crate) fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

pub(crate) fn missing(field: &'static str, variable: &str) -> Error {
    Error::invalid_request(field, format!("is missing: add it, or set the environment variable {variable}"))
}

/// The error for a transport that was not compiled in.
#[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
pub(crate) fn not_included(transport: crate::args::Transport) -> Error {
    let value = clap::ValueEnum::to_possible_value(&transport).expect("no transport is hidden");
    let name = value.get_name();
    let reason = format!(
        "is not included in this build of chat; build it with `--features {name}` or `--features all-transports`"
    );
    Error::invalid_request(format!("--transport {name}"), reason)
}
