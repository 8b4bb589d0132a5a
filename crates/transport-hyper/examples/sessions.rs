//! Sessions: the second question continues the first, a saved id goes on in another process, and the history is at hand.
//!
//! ```sh
//! cargo run -p transport-hyper --example sessions
//! ```

use transport_hyper::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::from_env()?;
    let mut session = client.default_session()?.with_guidance("Answer briefly.").with_tags(["example"]);
    session.ask("What is a transport?").finish().await?;
    session.ask("And which ones are there?").finish().await?;

    // A string to be kept anywhere.
    let saved = session.id().map(|id| id.to_string()).unwrap_or_default();

    // Perhaps much later, perhaps elsewhere.
    let mut session = client.default_session()?.with_id(saved.as_str());
    session.ask("Where were we?").finish().await?;
    for turn in session.history() {
        println!("> {}", turn.question);
        println!("{}\n", turn.answer().map_or("(nothing came)", |answer| &answer.content));
    }
    println!("All of it is session {saved}.");
    Ok(())
}
