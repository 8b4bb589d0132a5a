//! Prints the `tracing` spans and events of a call: attempts, times and outcome, but no key and no text.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --features tracing --example tracing
//! ```

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use transport_hyper::{Client, Error};

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
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        // One line per span when it ends, with all its fields: first the attempt's, then the call's.
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(io::stdout().is_terminal())
        .init();
    let client = Client::from_env()?;
    client.default_session()?.ask("When is a call tried again?").finish().await?;
    Ok(())
}
