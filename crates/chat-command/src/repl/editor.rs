//! The prompt: line editing, history and completion.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler, Helper, KeyCode,
    KeyEvent, Modifiers, Movement, RepeatCount,
};

use super::command::COMMANDS;

/// The number of questions that are kept in the history.
const HISTORY: usize = 1000;

const PROMPT: &str = "> ";

/// What the user did at the prompt.
pub(crate) enum Entered {
    Line(String),
    /// Ctrl-C in an empty line.
    Interrupt,
    /// Ctrl-D in an empty line, or the end of the input.
    End,
}

/// The editor of questions.
pub(crate) struct Prompt {
    editor: Editor<Rules, FileHistory>,
    /// The file with the history. `None` if it is not kept.
    file: Option<PathBuf>,
    continued: Continued,
}

impl Prompt {
    /// Reads the history from its file. A history that can't be read is empty.
    pub(crate) fn new(file: Option<PathBuf>) -> io::Result<Self> {
        let config = Config::builder().max_history_size(HISTORY).map_err(io::Error::other)?.build();
        let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
        editor.set_helper(Some(Rules));
        let continued = Continued::default();
        editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrInterrupt)));
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline));
        // A key that was typed ahead arrives as Ctrl-J.
        for enter in [KeyEvent(KeyCode::Enter, Modifiers::NONE), KeyEvent::ctrl('J')] {
            editor.bind_sequence(
                enter,
                EventHandler::Conditional(Box::new(NewlineAfterBackslash(Arc::clone(&continued)))),
            );
        }
        if let Some(file) = &file {
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, file, continued })
    }

    /// Reads one question, which may have several lines.
    pub(crate) fn read(&mut self) -> io::Result<Entered> {
        lock(&self.continued).clear();
        match self.editor.readline(PROMPT) {
            Ok(line) => {
                let line = join(&line, &lock(&self.continued));
                if !line.trim().is_empty() {
                    self.keep(&line);
                }
                Ok(Entered::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Entered::Interrupt),
            Err(ReadlineError::Eof) => Ok(Entered::End),
            Err(ReadlineError::Io(error)) => Err(error),
            Err(other) => Err(io::Error::other(other)),
        }
    }

    /// Adds a line to the history. The file is written at once, because the program may be killed.
    fn keep(&mut self, line: &str) {
        let _ = self.editor.add_history_entry(line);
        if let Some(file) = &self.file {
            // The history is a convenience. The conversation itself is in the store.
            let _ = self.editor.append_history(file);
        }
    }
}

/// Clears a line with text, and interrupts in an empty one.
struct ClearOrInterrupt;

impl ConditionalEventHandler for ClearOrInterrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// The texts that Enter has continued: each ends with a backslash. A pasted text is not among them, so it keeps its
/// backslashes.
type Continued = Arc<Mutex<Vec<String>>>;

/// Begins a new line after a backslash at the end.
struct NewlineAfterBackslash(Continued);

impl ConditionalEventHandler for NewlineAfterBackslash {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, position) = (context.line(), context.pos());
        let continues = position == line.len() && line.ends_with('\\');
        continues.then(|| {
            lock(&self.0).push(line.to_owned());
            Cmd::Newline
        })
    }
}

/// Removes the backslashes that continue a line.
fn join(line: &str, continued: &[String]) -> String {
    let mut line = line.to_owned();
    for start in continued.iter().rev() {
        let is_there = line.strip_prefix(start.as_str()).is_some_and(|rest| rest.starts_with('\n'));
        if is_there {
            line.remove(start.len() - 1);
        }
    }
    line
}

fn lock(continued: &Continued) -> MutexGuard<'_, Vec<String>> {
    continued.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The rules of a line: how it is completed.
struct Rules;

impl Completer for Rules {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let start = &line[..position];
        let names =
            COMMANDS.iter().map(|entry| entry.name).filter(|name| start.starts_with('/') && name.starts_with(start));
        Ok((0, names.map(str::to_owned).collect()))
    }
}

impl Validator for Rules {}

impl Hinter for Rules {
    type Hint = String;
}

impl Highlighter for Rules {}

impl Helper for Rules {}
