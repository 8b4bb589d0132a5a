//! Asks a question without tokio: with `async_io::block_on`, or any other executor.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-smol --example quickstart
//! ```

use std::process::ExitCode;

use transport_smol::{Client, Error};

fn main() -> ExitCode {
    match async_io::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let mut session = Client::from_env()?.default_session()?;
    let mut reply = session.ask("When is a call tried again?");
    while let Some(event) = reply.next().await {
        print!("{}", event?.text().unwrap_or_default());
        let _ = std::io::Write::flush(&mut std::io::stdout());
    }
    println!("\n\n{}", reply.finish().await?.footnotes());
    Ok(())
}
