//! The `chat` command. See its README for what it does; `args.rs` for what it takes.

mod args;
mod ask;
mod decode;
mod demo;
mod input;
mod line;
mod print;
mod serve;
mod sse;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        // Whoever read our output has left; there is nobody to tell. The status is what a shell shows for SIGPIPE.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            print::report(
                &error.to_string(),
                "Check that the file is there and can be read, and that the output has room.",
            );
            ExitCode::from(print::USAGE)
        }
    }
}

fn run(cli: Cli) -> io::Result<u8> {
    match cli.command {
        Command::Sse { chunk, file } => block_on(tokio::runtime::Builder::new_current_thread(), sse::run(&file, chunk)),
        Command::Decode(args) => block_on(tokio::runtime::Builder::new_current_thread(), decode::run(&args)),
        Command::Serve(args) => block_on(tokio::runtime::Builder::new_multi_thread(), serve::run(args)),
        // One answer at a time: a second thread would only add hand-offs.
        Command::Ask(args) => block_on(tokio::runtime::Builder::new_current_thread(), ask::run(*args)),
        Command::Demo { question } => block_on(tokio::runtime::Builder::new_current_thread(), demo::run(&question)),
    }
}

fn block_on(mut runtime: tokio::runtime::Builder, future: impl Future<Output = io::Result<u8>>) -> io::Result<u8> {
    let runtime = runtime.enable_all().build()?;
    let status = runtime.block_on(future);
    // A read of standard input that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    status
}
