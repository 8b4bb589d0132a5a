//! The `chat` command. The README describes it, and `args/` defines its arguments.

mod args;
mod ask;
mod completions;
mod connect;
mod decode;
mod demo;
mod docs;
mod doctor;
mod help;
mod input;
mod interrupt;
#[cfg(feature = "terminal")]
mod markdown;
mod message;
mod models;
mod print;
#[cfg(any(not(feature = "store"), feature = "blocking"))]
mod question;
mod record;
#[cfg(feature = "terminal")]
mod repl;
mod replay;
mod request;
mod serve;
#[cfg(feature = "store")]
mod sessions;
mod shell;
mod sse;
#[cfg(feature = "store")]
mod stored;
#[cfg(feature = "terminal")]
mod terminal;
mod verbose;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::args::{Cli, Command};
use crate::interrupt::Interrupt;

fn main() -> ExitCode {
    match run(Cli::parse_with_env()) {
        Ok(status) => ExitCode::from(status),
        // The reader of standard output has exited. The status is the one that shells report for SIGPIPE.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            print::report(
                &error.to_string(),
                "Check that the file exists and can be read, and that there is space for the output.",
            );
            ExitCode::from(print::USAGE)
        }
    }
}

/// How long an interrupted call may take to print what it has received.
const GRACE: Duration = Duration::from_secs(2);
/// How long an interrupted server may take to finish its responses.
const SERVER_GRACE: Duration = Duration::from_secs(10);

fn run(cli: Cli) -> io::Result<u8> {
    use tokio::runtime::Builder;

    match cli.command {
        // Ctrl-C may end it at once: every decoded event has been printed.
        Command::Sse { chunk, file } => block_on(Builder::new_current_thread(), sse::run(&file, chunk)),
        Command::Decode(args) => {
            let interrupt = Interrupt::listen(Some(GRACE))?;
            block_on(Builder::new_current_thread(), decode::run(&args, interrupt))
        }
        Command::Serve(args) => {
            let interrupt = Interrupt::listen(Some(SERVER_GRACE))?;
            block_on(Builder::new_multi_thread(), serve::run(args, interrupt))
        }
        // There is one answer at a time, so more threads would only add overhead.
        Command::Ask(args) => {
            if args.options.connection.verbose {
                verbose::enable();
            }
            let interrupt = Interrupt::listen(Some(GRACE))?;
            block_on(Builder::new_current_thread(), ask::run(*args, interrupt))
        }
        Command::Models(args) => {
            if args.connection.verbose {
                verbose::enable();
            }
            let interrupt = Interrupt::listen(Some(GRACE))?;
            block_on(Builder::new_current_thread(), models::run(&args, interrupt))
        }
        Command::Replay(args) => {
            let interrupt = Interrupt::listen(Some(GRACE))?;
            block_on(Builder::new_current_thread(), replay::run(&args, interrupt))
        }
        Command::Doctor(args) => {
            if args.connection.verbose {
                verbose::enable();
            }
            let interrupt = Interrupt::listen(Some(GRACE))?;
            block_on(Builder::new_current_thread(), doctor::run(&args, interrupt))
        }
        Command::Completions { shell } => completions::print(shell),
        #[cfg(feature = "terminal")]
        Command::Repl(options) => repl(*options),
        #[cfg(not(feature = "terminal"))]
        Command::Repl(_) => Ok(not_included("repl", "terminal")),
        #[cfg(not(feature = "store"))]
        Command::Sessions(_) => Ok(not_included("sessions", "store")),
        #[cfg(feature = "store")]
        Command::Sessions(args) => match args.command {
            #[cfg(feature = "terminal")]
            Some(args::SessionsCommand::Resume { id, options }) => {
                repl(args::Options { stored: options.stored.resume(id), ..*options })
            }
            _ => block_on(Builder::new_current_thread(), sessions::run(*args)),
        },
        #[cfg(feature = "terminal")]
        Command::Demo { interactive: true, .. } => {
            let interrupt = Interrupt::listen(None)?;
            block_on(Builder::new_multi_thread(), demo::interactive(interrupt))
        }
        Command::Demo { question, .. } => {
            let interrupt = Interrupt::listen(Some(GRACE))?;
            block_on(Builder::new_current_thread(), demo::run(&question, interrupt))
        }
    }
}

/// Reports a command that this build does not have.
#[cfg(not(feature = "terminal"))]
fn not_included(command: &str, feature: &str) -> u8 {
    let sentence = format!("chat {command} is not included in this build of chat");
    print::report(&sentence, &format!("Build it with `--features {feature}`."));
    print::USAGE
}

#[cfg(feature = "terminal")]
fn repl(options: args::Options) -> io::Result<u8> {
    if options.connection.verbose {
        verbose::enable();
    }
    let interrupt = Interrupt::listen(None)?;
    // The prompt blocks the main thread. The other one attends to idle connections meanwhile.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1);
    block_on(runtime, repl::run(options, interrupt))
}

fn block_on(mut runtime: tokio::runtime::Builder, future: impl Future<Output = io::Result<u8>>) -> io::Result<u8> {
    let runtime = runtime.enable_all().build()?;
    let status = runtime.block_on(future);
    // Do not wait for a read of standard input that is no longer needed.
    runtime.shutdown_background();
    status
}
