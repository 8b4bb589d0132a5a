//! Sets timeouts, retries and limits for a client and for one call, and inspects an error.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example retries
//! ```

use std::error::Error as _;
use std::process::ExitCode;
use std::time::Duration;

use transport_hyper::{Client, Error, Limits, RetryPolicy, Timeouts};

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
    let client = Client::builder()
        .env()
        // At most 20 s between two events, and at most two minutes in total.
        .timeouts(Timeouts::default().with_idle(Duration::from_secs(20)).with_total(Duration::from_secs(120)))
        // Up to four attempts, with at most 30 s of waiting between them in total.
        .retry(RetryPolicy::default().with_max_retries(3).with_max_total_wait(Duration::from_secs(30)))
        .limits(Limits::default().with_answer(4 << 20))
        .build()?;
    let answer = client.default_session()?.ask("When is a call tried again?").finish().await?;
    println!("{} bytes, {} citations", answer.text.len(), answer.citations().len());

    // Other settings for one call. It shares the client's connections.
    let no_retries = client.with(|settings| {
        let settings = settings.retry(RetryPolicy::default().with_max_retries(0));
        settings.base_url("http://127.0.0.1:9") // no server listens here
    })?;
    let error = match no_retries.default_session()?.ask("Is a server there?").finish().await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    println!("error:     {error}");
    println!("cause:     {}", error.source().map(ToString::to_string).unwrap_or_default());
    println!("kind:      {}", error.kind().name());
    println!("phase:     {:?}", error.phase());
    println!("fault:     {:?}", error.fault());
    println!("attempts:  {}", error.attempts());
    println!("retryable: {}", error.is_retryable());
    println!("advice:    {}", error.advice());
    Ok(())
}
