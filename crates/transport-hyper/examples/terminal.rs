//! Streaming to a terminal: each piece as it comes, Ctrl-C ends the call and keeps what came.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example terminal -- "What is a chunk?"
//! ```

use std::io::{self, Write};

use transport_hyper::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
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
                // Dropping the pieces would do; this way what came is told.
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
    // A line may take its time.
    let _ = io::stdout().flush();
}
