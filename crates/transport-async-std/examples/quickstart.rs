//! Asks a question on async-std.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-async-std --example quickstart
//! ```

use std::process::ExitCode;

use transport_async_std::{Client, Error};

fn main() -> ExitCode {
    match async_std::task::block_on(run()) {
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
