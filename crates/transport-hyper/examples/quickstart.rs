//! Asks a question, prints the answer as it arrives, then its citations.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example quickstart
//! ```

use std::process::ExitCode;

use transport_hyper::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::from_env()?;
    let mut session = client.default_session()?;
    let mut reply = session.ask("When is a call tried again?");
    while let Some(event) = reply.next().await {
        print!("{}", event?.text().unwrap_or_default());
        let _ = std::io::Write::flush(&mut std::io::stdout());
    }
    println!("\n\n{}", reply.finish().await?.footnotes());
    Ok(())
}
