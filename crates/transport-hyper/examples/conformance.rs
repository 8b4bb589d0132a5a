//! A client for the conformance suite of other processes: it reads calls from the standard input, and prints their lines.
//!
//! `tests/program.rs` runs it. The protocol is in PROTOCOL.md of chat-conformance.

use std::io::{self, BufRead, Write};

use chat_conformance::program::CallLine;
use transport_hyper::{Client, Error};

fn main() -> io::Result<()> {
    // A worker drives the connections while this thread waits for the next line.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut client = None;
    for line in io::stdin().lock().lines() {
        let call = CallLine::parse(&line?)?;
        if client.is_none() {
            client = Some(runtime.block_on(async { call.configure(Client::builder()).build() }));
        }
        runtime.block_on(answer(&call, client.as_ref()));
    }
    Ok(())
}

async fn answer(call: &CallLine, client: Option<&Result<Client, Error>>) {
    match client {
        Some(Ok(client)) => call.run(client, print).await,
        Some(Err(error)) => print(&call.error_line(error.clone())),
        None => {}
    }
}

/// Prints a line at once. A failure is ignored: if the harness stops reading, it also ends the input.
fn print(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
