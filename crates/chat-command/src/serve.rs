//! `chat serve`: a mock server that answers from Markdown documents.

use std::io::{self, Write};

use chat_mock::Server;

use crate::args::Serve;
use crate::docs::{self, Library};
use crate::interrupt::Interrupt;
use crate::print::{USAGE, report};

pub(crate) async fn run(args: Serve, mut interrupt: Interrupt) -> io::Result<u8> {
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
            report(
                &format!("cannot listen on {}: {error}", args.addr),
                "Use another address, or port 0 for a free port.",
            );
            return Ok(USAGE);
        }
    };
    #[cfg(unix)]
    interrupt.listen_to_terminate()?;
    announce(&server.url())?;
    interrupt.wait().await;
    server.shutdown().await;
    Ok(0)
}

fn announce(url: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "listening on {url}")?;
    out.flush()
}
