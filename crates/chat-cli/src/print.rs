//! What is printed while an answer comes, for people or for programs, and the exit status that it ends with.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use chat_client::proto::lines::{EventLine, OutcomeLine, write_line};
use chat_client::{Answer, Error, ErrorKind, Event, OneLine};
use serde::Serialize;

use crate::message::{Names, message};

/// Exit status of a command that was used wrongly, or whose request was refused.
pub(crate) const USAGE: u8 = 2;
/// Exit status of a stream that passed a limit, and of the other ways in which an answer is no good.
pub(crate) const BAD_ANSWER: u8 = 5;

/// Whether the text printed last left the cursor within a line.
static IN_LINE: AtomicBool = AtomicBool::new(false);

/// Whether a line of its own has to begin before anything else is told, where both outputs are the same terminal.
pub(crate) fn leave_line() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal() && IN_LINE.swap(false, Ordering::Relaxed)
}

/// Prints an answer, event by event.
pub(crate) struct Printer {
    json: bool,
    names: Names,
    out: Stdout,
    /// Whether standard output is a terminal, which control characters from a server must not steer.
    terminal: bool,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        let out = io::stdout();
        Self { json, names: Names::default(), terminal: out.is_terminal(), out }
    }

    /// The same, with these names for settings.
    pub(crate) fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Prints one event, at once.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.json {
            return EventLine::new(event).map_or(Ok(()), |line| json_line(&mut self.out, &line));
        }
        let Some(text) = event.text().filter(|text| !text.is_empty()) else { return Ok(()) };
        let text = self.shown(text);
        IN_LINE.store(!text.ends_with('\n'), Ordering::Relaxed);
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Prints how it ended, and tells the exit status.
    pub(crate) fn outcome(&mut self, outcome: &Result<Answer, Error>) -> io::Result<u8> {
        if self.json {
            let line = OutcomeLine::new(outcome);
            let line = match outcome {
                Ok(_) => line,
                Err(error) => line.with_message(message(error, &self.names)),
            };
            json_line(&mut self.out, &line)?;
        } else {
            if IN_LINE.swap(false, Ordering::Relaxed) {
                writeln!(self.out)?;
            }
            if let Some(answer) = outcome.as_ref().map_or_else(Error::partial, Some) {
                let footnotes = answer.footnotes().to_string();
                if !footnotes.is_empty() {
                    write!(self.out, "\n{footnotes}")?;
                }
            }
        }
        self.out.flush()?;
        let error = match outcome {
            Ok(_) => return Ok(0),
            Err(error) => error,
        };
        let request = error.request_id().map(|id| format!(" The server calls this request {id}.")).unwrap_or_default();
        report(&message(error, &self.names), &(error.advice().to_owned() + &request));
        Ok(status(error))
    }

    /// Text as it came, or without what would steer a terminal.
    fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.terminal {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            let mut bytes = [0; 4];
            let c: &str = c.encode_utf8(&mut bytes);
            // A character that has no place on a line has none in a terminal, but for what makes lines and columns.
            if matches!(c, "\n" | "\t") || OneLine(c).to_string() == c {
                shown.push_str(c);
            }
        }
        Cow::Owned(shown)
    }
}

/// Prints one JSON object on a line of its own, at once.
pub(crate) fn json_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    // Standard output flushes at every line break of its own accord; a buffer makes a line one write.
    let mut text = Vec::new();
    write_line(&mut text, line)?;
    out.write_all(&text)?;
    out.flush()
}

/// Tells on standard error what is wrong and what to do.
pub(crate) fn report(sentence: &str, advice: &str) {
    // Both may quote the server, which must not steer the terminal.
    say(&format!("chat: {}", OneLine(sentence)));
    say(advice);
}

/// Tells a line on standard error, whoever wrote it. Nobody can be told that standard error is gone.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", OneLine(line));
}

fn status(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::InvalidRequest { .. } => USAGE,
        ErrorKind::Api { .. } | ErrorKind::Validation { .. } => 3,
        ErrorKind::Connect | ErrorKind::Transport | ErrorKind::Timeout { .. } => 4,
        ErrorKind::Cancelled => 130,
        _ => BAD_ANSWER,
    }
}
