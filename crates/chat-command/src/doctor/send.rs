//! The request of the checks.

use bytes::Bytes;
use chat_client::Error;
use chat_client::driver::{Endpoint, FromSettings, Request, TransportSettings};
use chat_client::sessions::CreateInput;
use chat_net::tls;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

use super::{CONNECTION, within};
use crate::args::{Api, Doctor};
use crate::connect::key_of;
use crate::message::with_sources;
use crate::print::USAGE;

/// Sends a `GET`: for the list of models, or to the path of questions, which answers with an error.
pub(super) async fn send<T: FromSettings>(args: &Doctor, endpoint: &Endpoint) -> Result<StatusCode, Failure> {
    let usage = |error: Error| Failure::of_settings(&error);
    let mut request = match args.api {
        Api::Completions => Request::models(endpoint).map_err(usage)?.http().clone(),
        Api::Sessions => {
            let input = CreateInput::new("any", "any");
            let mut request = Request::create(endpoint, &input).map_err(usage)?.http().clone();
            *request.method_mut() = Method::GET;
            request.headers_mut().remove(CONTENT_TYPE);
            request.map(|_| Bytes::new())
        }
    };
    if let Some(key) = key_of(&args.connection) {
        key.authorize(&mut request);
    }
    let mut settings = TransportSettings::default();
    settings.connect_timeout = args.connection.connect_timeout.0;
    settings.base_url = endpoint.base_url().parse().ok();
    if let Some(file) = &args.connection.ca_cert {
        settings.root_certificates = tls::pem_file("--ca-cert", file).map_err(usage)?;
    }
    let transport = T::from_settings(&settings).map_err(usage)?;
    let failed = |detail: String| {
        let advice = "Try again. If it fails again, check the port of the base URL, and any proxy.";
        Failure { status: CONNECTION, detail, advice }
    };
    match within(args.connection.head_timeout.0, transport.send(request)).await {
        None => Err(failed("there was no answer in time".to_owned())),
        Some(Err(error)) => Err(failed(with_sources(&*error.into()))),
        Some(Ok(response)) => Ok(response.status()),
    }
}

/// Why there is no first byte.
pub(super) struct Failure {
    pub(super) status: u8,
    pub(super) detail: String,
    pub(super) advice: &'static str,
}

impl Failure {
    pub(super) fn of_settings(error: &Error) -> Self {
        Self { status: USAGE, detail: format!("{error:#}"), advice: "Correct the argument." }
    }
}
