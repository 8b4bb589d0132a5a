//! Prints an answer while it arrives, as text or as JSON lines, and determines the exit status.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use chat_client::proto::lines::{EventLine, OutcomeLine, write_line};
use chat_client::{Answer, Error, ErrorKind, Event, OneLine};
use serde::Serialize;

use crate::args::{Api, Output};
use crate::message::{Names, message};

/// Exit status of wrong usage or an invalid request.
pub(crate) const USAGE: u8 = 2;
/// Exit status of an answer that is unexpected, malformed, truncated or too large.
pub(crate) const BAD_ANSWER: u8 = 5;

/// Exit status of a complete answer that could not be stored.
#[cfg(feature = "store")]
pub(crate) const NOT_STORED: u8 = 6;

/// Whether the text printed last did not end with a line break.
static LINE_IS_OPEN: AtomicBool = AtomicBool::new(false);

/// Marks the open line as closed. Returns whether the caller has to write a line break first, which is the case if standard
/// output and standard error are both terminals.
pub(crate) fn close_terminal_line() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal() && LINE_IS_OPEN.swap(false, Ordering::Relaxed)
}

/// Prints an answer, event by event.
pub(crate) struct Printer {
    json: bool,
    api: Api,
    names: Names,
    out: Stdout,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// Renders the answer on a terminal.
    #[cfg(feature = "terminal")]
    view: Option<crate::terminal::View>,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        let out = io::stdout();
        Self {
            json,
            api: Api::default(),
            names: Names::default(),
            is_terminal: out.is_terminal(),
            out,
            #[cfg(feature = "terminal")]
            view: None,
        }
    }

    /// Sets how the answer is rendered. There is no spinner if the call is logged.
    #[cfg(feature = "terminal")]
    pub(crate) fn with_output(self, output: Output, is_verbose: bool) -> Self {
        Self { view: crate::terminal::View::new(output, is_verbose).filter(|_| !self.json), ..self }
    }

    #[cfg(not(feature = "terminal"))]
    pub(crate) fn with_output(self, _: Output, _: bool) -> Self {
        self
    }

    /// A call begins: the answer is awaited.
    pub(crate) fn wait(&mut self) {
        #[cfg(feature = "terminal")]
        if let Some(view) = &mut self.view {
            view.wait();
        }
    }

    /// Sets the API of the answers.
    pub(crate) fn with_api(self, api: Api) -> Self {
        Self { api, ..self }
    }

    /// Sets the names of the settings in error messages.
    pub(crate) fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Prints one event and flushes the output.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.json {
            return EventLine::new(event).map_or(Ok(()), |line| json_line(&mut self.out, &line));
        }
        #[cfg(feature = "terminal")]
        if let Some(view) = &mut self.view {
            LINE_IS_OPEN.store(view.event(event, &mut self.out)?, Ordering::Relaxed);
            return Ok(());
        }
        let Some(text) = event.text().filter(|text| !text.is_empty()) else { return Ok(()) };
        // Control characters from the server must not reach the terminal.
        let text = if self.is_terminal { sanitize(text) } else { Cow::Borrowed(text) };
        LINE_IS_OPEN.store(!text.ends_with('\n'), Ordering::Relaxed);
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Ends an answer that the user has stopped.
    #[cfg(feature = "terminal")]
    pub(crate) fn stopped(&mut self, outcome: &Result<Answer, Error>) -> io::Result<()> {
        let has_text = outcome.as_ref().map_or_else(Error::partial, Some).is_some_and(|answer| !answer.text.is_empty());
        if !self.end_view(outcome)? && LINE_IS_OPEN.swap(false, Ordering::Relaxed) {
            writeln!(self.out)?;
        }
        note(if has_text { "Stopped. What has arrived is kept." } else { "Stopped before the answer had begun." });
        Ok(())
    }

    /// Prints the outcome and returns the exit status.
    pub(crate) fn outcome(&mut self, outcome: &Result<Answer, Error>) -> io::Result<u8> {
        if self.json {
            let line = match self.api {
                Api::Sessions => OutcomeLine::new(outcome),
                Api::Completions => OutcomeLine::completion(outcome),
            };
            let line = match outcome {
                Ok(_) => line,
                Err(error) => line.with_message(message(error, &self.names)),
            };
            json_line(&mut self.out, &line)?;
        } else if !self.end_view(outcome)? {
            if LINE_IS_OPEN.swap(false, Ordering::Relaxed) {
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
        let request = error.request_id().map(|id| format!(" The id of the request is {id}.")).unwrap_or_default();
        report(&message(error, &self.names), &(error.advice().to_owned() + &request));
        Ok(status(error))
    }

    /// Ends the rendered answer. Returns whether there is one.
    fn end_view(&mut self, outcome: &Result<Answer, Error>) -> io::Result<bool> {
        #[cfg(feature = "terminal")]
        if let Some(view) = self.view.take() {
            view.end(outcome.as_ref().map_or_else(Error::partial, Some), &mut self.out)?;
            LINE_IS_OPEN.store(false, Ordering::Relaxed);
            return Ok(true);
        }
        let _ = outcome;
        Ok(false)
    }
}

/// Removes control characters and marks that change the direction of text. Line breaks and tabs stay.
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) { Cow::Borrowed(text) } else { text.chars().filter(|&c| is_harmless(c)).collect() }
}

/// Whether a terminal may get this character from the server.
pub(crate) fn is_harmless(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => true,
        // `OneLine` replaces what may do harm.
        _ => OneLine(c.encode_utf8(&mut [0; 4])).to_string().starts_with(c),
    }
}

/// Prints one JSON object on its own line and flushes the output.
pub(crate) fn json_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    // One write per line. Standard output flushes at every line break anyway.
    let mut text = Vec::new();
    write_line(&mut text, line)?;
    out.write_all(&text)?;
    out.flush()
}

/// Prints an error to standard error: what happened, then what to do.
pub(crate) fn report(sentence: &str, advice: &str) {
    // The sentence may quote the server. `OneLine` removes control characters.
    note(&format!("chat: {}", OneLine(sentence)));
    note(advice);
}

/// Prints one line to standard error, without control characters. A closed standard error is ignored.
pub(crate) fn note(line: &str) {
    let line = OneLine(line).to_string();
    #[cfg(feature = "terminal")]
    let line = if io::stderr().is_terminal() { crate::terminal::wrap(&line, "") } else { line };
    let _ = writeln!(io::stderr(), "{line}");
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
