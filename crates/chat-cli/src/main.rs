//! The `chat` command. See its README for what it does; `args.rs` for what it takes.

mod args;
mod ask;
mod decode;
mod demo;
mod docs;
mod input;
mod interrupt;
mod message;
mod print;
mod serve;
mod shell;
mod sse;
mod verbose;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::args::{Cli, Command};
use crate::interrupt::Interrupt;

fn main() -> ExitCode {
    match run(Cli::read()) {
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

/// How long a program that was interrupted may take to say how far it came.
const GRACE: Duration = Duration::from_secs(2);
/// How long the server may take to let go of its clients.
const SERVER_GRACE: Duration = Duration::from_secs(10);

fn run(cli: Cli) -> io::Result<u8> {
    use tokio::runtime::Builder;

    match cli.command {
        // It keeps nothing that an interrupt could lose.
        Command::Sse { chunk, file } => block_on(Builder::new_current_thread(), sse::run(&file, chunk)),
        Command::Decode(args) => {
            let interrupt = Interrupt::listen(GRACE)?;
            block_on(Builder::new_current_thread(), decode::run(&args, interrupt))
        }
        Command::Serve(args) => {
            let interrupt = Interrupt::listen(SERVER_GRACE)?;
            block_on(Builder::new_multi_thread(), serve::run(args, interrupt))
        }
        // One answer at a time: a second thread would only add hand-offs.
        Command::Ask(args) => {
            if args.verbose {
                verbose::listen();
            }
            let interrupt = Interrupt::listen(GRACE)?;
            block_on(Builder::new_current_thread(), ask::run(*args, interrupt))
        }
        Command::Demo { question } => {
            let interrupt = Interrupt::listen(GRACE)?;
            block_on(Builder::new_current_thread(), demo::run(&question, interrupt))
        }
    }
}

fn block_on(mut runtime: tokio::runtime::Builder, future: impl Future<Output = io::Result<u8>>) -> io::Result<u8> {
    let runtime = runtime.enable_all().build()?;
    let status = runtime.block_on(future);
    // A read of standard input that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    status
}
