//! `chat demo`: a client and a mock server over real HTTP, in one program.

use std::io::{self, Write};
use std::time::Duration;

use chat_mock::Server;
use transport_hyper::{Client, Error, Session};

#[cfg(feature = "terminal")]
use crate::args::Cli;
use crate::docs::{self, Library};
use crate::interrupt::Interrupt;
use crate::print::Printer;

const FOLLOW_UP: &str = "And then?";

/// The pause between two words, which makes the streaming visible.
const CHUNK_DELAY: Duration = Duration::from_millis(12);

pub(crate) async fn run(question: &str, mut interrupt: Interrupt) -> io::Result<u8> {
    let server = start().await?;
    let mut printer = Printer::new(false);
    let client = match Client::builder().base_url(server.url()).api_key("demo").build() {
        Ok(client) => client,
        Err(error) => return printer.outcome(&Err(error)),
    };
    let mut session = client.session("demo");
    for question in [question, FOLLOW_UP] {
        tokio::select! {
            biased;
            () = interrupt.wait() => return printer.outcome(&Err(Error::cancelled())),
            status = ask(&mut session, question, &mut printer) => {
                let status = status?;
                if status != 0 {
                    return Ok(status);
                }
            }
        }
    }
    if let Some(id) = session.id() {
        writeln!(io::stdout(), "\nBoth questions belong to session {id}. The server keeps its history.")?;
    }
    Ok(0)
}

/// Starts the server, and lets the user ask it.
#[cfg(feature = "terminal")]
pub(crate) async fn interactive(interrupt: Interrupt) -> io::Result<u8> {
    let server = start().await?;
    let url = server.url();
    let options =
        ["--api", "completions", "--server", &url, "--api-key", "demo", "--model", "demo", "--links", "--no-store"];
    crate::repl::run(*Cli::repl_options(&options), interrupt).await
}

/// Starts a server that answers from this project's documents.
async fn start() -> io::Result<Server> {
    let server =
        Server::builder().respond_with(docs::responder(Library::bundled())).chunk_delay(CHUNK_DELAY).bind().await?;
    writeln!(io::stdout(), "A bundled server listens on {}. It answers from this project's documents.", server.url())?;
    Ok(server)
}

async fn ask(session: &mut Session, question: &str, printer: &mut Printer) -> io::Result<u8> {
    writeln!(io::stdout(), "\n> {question}\n")?;
    let mut reply = session.ask(question);
    while let Some(Ok(event)) = reply.next().await {
        printer.event(&event)?;
    }
    printer.outcome(&reply.finish().await)
}
