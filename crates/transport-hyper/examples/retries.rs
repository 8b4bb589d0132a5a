//! Timeouts, retries and limits, for a client and for one call, and what an error tells.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example retries
//! ```

use std::error::Error as _;
use std::time::Duration;

use transport_hyper::{Client, Error, Limits, RetryPolicy, Timeouts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::builder()
        .env()
        // No silence of more than 20 s, and no more than two minutes in all.
        .timeouts(Timeouts::default().with_idle(Duration::from_secs(20)).with_total(Duration::from_secs(120)))
        // Up to four attempts, with at most half a minute of waiting between them.
        .retry(RetryPolicy::default().with_max_retries(3).with_max_total_wait(Duration::from_secs(30)))
        .limits(Limits::default().with_answer(4 << 20))
        .build()?;
    let answer = client.default_session()?.ask("When is a call tried again?").finish().await?;
    println!("{} bytes, {} citations", answer.text.len(), answer.citations().len());

    // One call with settings of its own, on the same connections.
    let hasty = client.with(|settings| {
        let settings = settings.retry(RetryPolicy::default().with_max_retries(0));
        settings.base_url("http://127.0.0.1:9") // where nobody listens
    })?;
    let error = match hasty.default_session()?.ask("Is anybody there?").finish().await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    println!("what:      {error}");
    println!("why:       {}", error.source().map(ToString::to_string).unwrap_or_default());
    println!("kind:      {}", error.kind().name());
    println!("phase:     {:?}", error.phase());
    println!("fault:     {:?}", error.fault());
    println!("attempts:  {}", error.attempts());
    println!("retryable: {}", error.is_retryable());
    println!("advice:    {}", error.advice());
    Ok(())
}
