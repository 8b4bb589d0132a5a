//! Adds tower layers below the client: a header on every request and a concurrency limit.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --features tower --example tower
//! ```

use std::process::ExitCode;

use http::{HeaderName, HeaderValue};
use tower::ServiceBuilder;
use tower_http::set_header::SetRequestHeaderLayer;
use transport_hyper::{Error, HyperTransport, ServiceTransport};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = chat_client::Client::builder().env().build_with(|settings| {
        let team =
            SetRequestHeaderLayer::overriding(HeaderName::from_static("x-team"), HeaderValue::from_static("docs"));
        let hyper = HyperTransport::builder().build(settings)?;
        Ok(ServiceTransport::new(ServiceBuilder::new().concurrency_limit(8).layer(team).service(hyper)))
    })?;
    let answer = client.default_session()?.ask("What is a transport?").finish().await?;
    println!("{}", answer.to_plain_text());
    Ok(())
}
