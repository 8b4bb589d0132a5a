//! Continues a session, prints its history, and resumes it from a saved id.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example sessions
//! ```

use std::process::ExitCode;

use transport_hyper::{Client, Error, Session};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::from_env()?;
    let mut session = client.default_session()?.with_guidance("Answer briefly.").with_tags(["example"]);
    session.ask("What is a transport?").finish().await?;
    session.ask("And which ones are there?").finish().await?;
    show(&session);

    // Save this string to resume the session later.
    let saved = session.id().map(|id| id.to_string()).unwrap_or_default();

    // Another process can resume the session. The server knows the earlier turns; the local history starts empty.
    let mut session = client.default_session()?.with_id(saved.as_str());
    session.ask("Where were we?").finish().await?;
    show(&session);
    println!("All of it is session {saved}.");
    Ok(())
}

fn show(session: &Session) {
    for turn in session.history().iter() {
        println!("> {}", turn.question);
        println!("{}\n", turn.answer().map_or("(no answer)", |answer| &answer.text));
    }
}
