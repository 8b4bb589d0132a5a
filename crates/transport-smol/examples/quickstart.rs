//! A session and a streamed answer without tokio, on `async_io::block_on`. Any other executor works too.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-smol --example quickstart
//! ```

use transport_smol::{Client, Error};

fn main() -> Result<(), Error> {
    async_io::block_on(async {
        let mut session = Client::from_env()?.default_session()?;
        let mut reply = session.ask("When is a call tried again?");
        while let Some(event) = reply.next().await {
            print!("{}", event?.text().unwrap_or_default());
        }
        println!("\n\n{}", reply.finish().await?.footnotes());
        Ok(())
    })
}
