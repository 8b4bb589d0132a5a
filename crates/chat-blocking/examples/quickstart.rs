//! Asks a question without an async runtime: the reply is an iterator of events.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p chat-blocking --example quickstart
//! ```

use std::process::ExitCode;

use chat_blocking::{Client, Error};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let mut session = Client::from_env()?.default_session()?;
    let mut reply = session.ask("When is a call tried again?");
    for event in &mut reply {
        print!("{}", event?.text().unwrap_or_default());
        let _ = std::io::Write::flush(&mut std::io::stdout());
    }
    println!("\n\n{}", reply.finish()?.footnotes());
    Ok(())
}
