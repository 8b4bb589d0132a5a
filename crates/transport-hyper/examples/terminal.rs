//! Streams an answer to the terminal. Ctrl-C cancels the call and keeps the text received so far.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example terminal -- "What is a chunk?"
//! ```

use std::io::{self, Write};
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
    let question = std::env::args().nth(1).unwrap_or_else(|| "What is a transport?".to_owned());
    let mut session = Client::from_env()?.default_session()?;
    let mut pieces = session.ask(question).text();
    loop {
        tokio::select! {
            piece = pieces.next() => match piece {
                Some(piece) => show(&piece?),
                None => break,
            },
            _ = tokio::signal::ctrl_c() => {
                // Dropping `pieces` also cancels the call, but `cancel` returns the partial answer.
                let cancelled = pieces.into_reply().cancel();
                let partial = cancelled.as_ref().map_or_else(Error::partial, Some);
                println!("\n(stopped after {} bytes)", partial.map_or(0, |answer| answer.text.len()));
                return Ok(());
            }
        }
    }
    let answer = pieces.into_reply().finish().await?;
    print!("\n\n{}", answer.footnotes());
    Ok(())
}

fn show(piece: &str) {
    print!("{piece}");
    // The piece may not end with a newline.
    let _ = io::stdout().flush();
}
