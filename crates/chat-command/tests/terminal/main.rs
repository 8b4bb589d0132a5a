//! The command on a real terminal: what a person sees.

#![cfg(unix)]

mod ask;
mod repl;
mod screen;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod tap;

use std::path::Path;

use screen::Screen;
use tap::Tap;

/// The arguments of a command for a server of chat completions.
fn arguments(command: &str, tap: &Tap) -> Vec<String> {
    let args = [command, "--api", "completions", "--server", tap.url(), "--model", "m", "--no-api-key"];
    args.map(str::to_owned).to_vec()
}

/// Starts `chat repl` with further arguments, and waits for its prompt.
#[track_caller]
fn repl(tap: &Tap, home: &Path, size: (u16, u16), more: &[&str]) -> Screen {
    repl_with(tap, home, size, more, &[])
}

/// The same, with these environment variables.
#[track_caller]
fn repl_with(tap: &Tap, home: &Path, size: (u16, u16), more: &[&str], variables: &[(&str, &str)]) -> Screen {
    let args = arguments("repl", tap);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let screen = Screen::start_with(&args, home, size, variables);
    screen.wait_for_prompt("");
    screen
}

/// The bundled server.
fn serve() -> support::Serve {
    support::Serve::start(&[])
}

/// A folder of its own for a user.
fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Compares the screen with a snapshot. The lines up to the greeting are left out, because they have the address of the
/// server, and the time of an answer becomes `TIME`.
#[track_caller]
fn check(screen: &str, expected: &str) {
    let lines: Vec<String> = screen
        .lines()
        .map(|line| match line.split_once(" s") {
            Some((time, rest)) if time.parse::<f64>().is_ok() => format!("TIME{rest}"),
            _ => line.to_owned(),
        })
        .collect();
    let start = lines.iter().position(|line| line.starts_with("/help lists")).map_or(0, |at| at + 1);
    let rest = lines.get(start..).unwrap_or_default();
    // The greeting may take two lines.
    let rest = rest.strip_prefix(&["commands.".to_owned()]).unwrap_or(rest);
    let screen = rest.join("\n");
    assert_eq!(screen, expected, "the screen is:\n{screen}\n---");
}
