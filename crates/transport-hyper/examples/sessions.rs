//! Sessions: the second question continues the first, the history is at hand, and a saved id goes on in another process.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example sessions
//! ```

use transport_hyper::{Client, Error, Session};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::from_env()?;
    let mut session = client.default_session()?.with_guidance("Answer briefly.").with_tags(["example"]);
    session.ask("What is a transport?").finish().await?;
    session.ask("And which ones are there?").finish().await?;
    show(&session);

    // A string to be kept anywhere.
    let saved = session.id().map(|id| id.to_string()).unwrap_or_default();

    // Perhaps much later, perhaps elsewhere: the server knows what came before, the history here begins anew.
    let mut session = client.default_session()?.with_id(saved.as_str());
    session.ask("Where were we?").finish().await?;
    show(&session);
    println!("All of it is session {saved}.");
    Ok(())
}

fn show(session: &Session) {
    for turn in session.history() {
        println!("> {}", turn.question);
        println!("{}\n", turn.answer().map_or("(nothing came)", |answer| &answer.text));
    }
}
