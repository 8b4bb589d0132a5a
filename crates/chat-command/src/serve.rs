//! `chat serve`: a mock server that answers from Markdown documents.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use chat_mock::{ScriptServer, Server};

use crate::args::{Api, Serve};
use crate::docs::{self, Library};
use crate::interrupt::Interrupt;
use crate::print::{USAGE, report};
use crate::record::replies;
use crate::replay;

pub(crate) async fn run(args: Serve, mut interrupt: Interrupt) -> io::Result<u8> {
    if let Some(file) = &args.replay {
        return replay(file, args.addr, interrupt).await;
    }
    let library = match &args.docs {
        None => Library::bundled(),
        Some(dir) => match Library::from_dir(dir) {
            Ok(library) => library,
            Err(error) => {
                let sentence = format!("--docs {}: {error}", dir.display());
                report(&sentence, "Name a folder that contains Markdown files.");
                return Ok(USAGE);
            }
        },
    };
    // The key itself is not printed.
    let key = if args.api_key.is_some() { " --api-key KEY" } else { ANY_KEY };
    let mut builder = Server::builder().addr(args.addr).respond_with(docs::responder(library));
    if let Some(key) = args.api_key {
        builder = builder.api_key(key);
    }
    if let Some(dir) = args.web {
        if !dir.is_dir() {
            report(&format!("--web {}: it is not a folder", dir.display()), "Name a folder that contains index.html.");
            return Ok(USAGE);
        }
        builder = builder.files(dir);
    }
    if let Some(origin) = args.allow_origin {
        builder = builder.allow_origin(origin);
    }
    if let Some(delay) = args.delay {
        builder = builder.chunk_delay(delay);
    }
    let server = match builder.bind().await {
        Ok(server) => server,
        Err(error) => {
            return Ok(cannot_listen(args.addr, &error));
        }
    };
    #[cfg(unix)]
    interrupt.listen_to_terminate()?;
    announce(&server.url(), &APIS.map(|(api, options)| format!("{api}{key}{options}")))?;
    interrupt.wait().await;
    server.shutdown().await;
    Ok(0)
}

/// Answers with a recording.
async fn replay(file: &Path, addr: SocketAddr, mut interrupt: Interrupt) -> io::Result<u8> {
    let Some((recording, operation)) = replay::read(file)? else { return Ok(USAGE) };
    let server = match ScriptServer::cycle(addr, replies(&recording)).await {
        Ok(server) => server,
        Err(error) => return Ok(cannot_listen(addr, &error)),
    };
    #[cfg(unix)]
    interrupt.listen_to_terminate()?;
    let (api, options) = APIS[usize::from(operation.api() == Api::Completions)];
    announce(&server.url(), &[format!("{api}{ANY_KEY}{options}")])?;
    interrupt.wait().await;
    Ok(0)
}

fn cannot_listen(addr: SocketAddr, error: &io::Error) -> u8 {
    report(&format!("cannot listen on {addr}: {error}"), "Use another address, or port 0 for a free port.");
    USAGE
}

/// What asks each API: the options before the key, and those after it. The user's environment may name the other API.
const APIS: [(&str, &str); 2] =
    [(" --api sessions", " --integration any"), (" --api completions", " --model any --links")];

/// The commands to paste, around the options: one that asks, and one for a conversation.
const COMMANDS: &[(&str, &str)] = &[
    ("ask", " \"How do I start?\""),
    #[cfg(feature = "terminal")]
    ("repl", ""),
];

const ANY_KEY: &str = " --api-key any";

/// Prints where the server listens. Scripts read this line. The commands to paste follow it.
fn announce(url: &str, options: &[String]) -> io::Result<()> {
    let mut out = io::stdout();
    let lines = COMMANDS.iter().flat_map(|(command, question)| {
        options.iter().map(move |options| format!("  chat {command} --server {url}{options}{question}\n"))
    });
    let commands: String = lines.collect();
    // One write, so that a reader that closes its end after the first line does not end the server.
    out.write_all(format!("listening on {url}\nAsk it from another terminal:\n{commands}").as_bytes())?;
    out.flush()
}
