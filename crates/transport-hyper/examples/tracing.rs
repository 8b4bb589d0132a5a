//! What a call tells `tracing`: its attempts, its times, its end; no key and no text.
//!
//! ```sh
//! cargo run -p transport-hyper --features tracing --example tracing
//! ```

use transport_hyper::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG).with_target(false).init();
    let client = Client::from_env()?;
    client.default_session()?.ask("When is a call tried again?").finish().await?;
    Ok(())
}
