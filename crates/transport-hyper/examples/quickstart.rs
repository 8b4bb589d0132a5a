//! The five-line start: a session, a question, its answer as it comes, and what it cites.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example quickstart
//! ```

use transport_hyper::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::from_env()?;
    let mut session = client.default_session()?;
    let mut reply = session.ask("When is a call tried again?");
    while let Some(event) = reply.next().await {
        print!("{}", event?.text().unwrap_or_default());
    }
    println!("\n\n{}", reply.finish().await?.footnotes());
    Ok(())
}
