//! The same start without an executor: a reply is an iterator.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p chat-blocking --example quickstart
//! ```

use chat_blocking::{Client, Error};

fn main() -> Result<(), Error> {
    let mut session = Client::from_env()?.default_session()?;
    let mut reply = session.ask("When is a call tried again?");
    for event in &mut reply {
        print!("{}", event?.text().unwrap_or_default());
    }
    println!("\n\n{}", reply.finish()?.footnotes());
    Ok(())
}
