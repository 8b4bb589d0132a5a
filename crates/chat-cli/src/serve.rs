//! `chat serve`: the bundled server.

use std::io::{self, Write};

use chat_mock::{Library, Server};

use crate::args::Serve;
use crate::interrupt::Interrupt;
use crate::print::{USAGE, report};

pub(crate) async fn run(args: Serve, mut interrupt: Interrupt) -> io::Result<u8> {
    let mut builder = Server::builder().addr(args.addr);
    if let Some(docs) = &args.docs {
        match Library::from_dir(docs) {
            Ok(library) => builder = builder.library(library),
            Err(error) => {
                let sentence = format!("--docs {}: {error}", docs.display());
                report(&sentence, "Name a folder that holds Markdown files.");
                return Ok(USAGE);
            }
        }
    }
    if let Some(key) = args.api_key {
        builder = builder.api_key(key);
    }
    let server = match builder.bind().await {
        Ok(server) => server,
        Err(error) => {
            report(
                &format!("can't listen on {}: {error}", args.addr),
                "Name another address, or port 0 for a free port.",
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
