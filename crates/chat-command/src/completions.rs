//! `chat completions`: the script that completes the command's arguments in a shell.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Cli;

pub(crate) fn print(shell: Shell) -> io::Result<u8> {
    // `generate` panics if its output is closed, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "chat", &mut script);
    let mut out = io::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(0)
}
