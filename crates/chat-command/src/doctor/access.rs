//! The check of the access that the key gives.

use chat_client::completions::Model;
use chat_client::{Client, Error};
use http::StatusCode;

use super::report::Check;
use crate::args::{Api, Doctor};
use crate::connect::{configure, given};

/// Exit status of a key that the API rejects.
const REJECTED: u8 = 3;

/// Whether the key is accepted, as far as a request without a question tells.
pub(super) async fn check(args: &Doctor, status: StatusCode) -> Check {
    const CHECK: &str = "access";
    let refused =
        |advice| Check::failed(CHECK, REJECTED, format!("the server refuses the key (status {status})"), advice);
    match status.as_u16() {
        401 if args.connection.no_api_key => refused("The server wants a key: remove --no-api-key."),
        401 => refused(
            "Check that the key is complete, belongs to this server, and is sent in the right header (--api-key-header).",
        ),
        403 => refused("Check the permissions of the key. A key of a Web integration works only in a browser."),
        200..=299 if args.api == Api::Completions => models(args).await,
        _ => Check::skipped(CHECK, "only a question shows whether the key is accepted; chat ask asks one"),
    }
}

/// Whether the server lists the model.
async fn models(args: &Doctor) -> Check {
    const CHECK: &str = "access";
    let accepted = "the list of models can be read";
    let Some(model) = given(&args.model) else { return Check::ok(CHECK, accepted) };
    match list(args).await {
        Ok(models) if models.iter().any(|other| other.id == model) => {
            Check::ok(CHECK, format!("{accepted}, and has {model}"))
        }
        Ok(_) => {
            let advice = "Check its name with chat models. Some servers accept models that they do not list.";
            Check::warning(CHECK, format!("{accepted}, but {model} is not in it"), advice)
        }
        Err(error) => Check::warning(CHECK, format!("{error:#}"), error.advice()),
    }
}

async fn list(args: &Doctor) -> Result<Vec<Model>, Error> {
    let client = configure(Client::<transport_hyper::HyperTransport>::builder(), &args.connection)?.build()?;
    client.list_models().await
}
