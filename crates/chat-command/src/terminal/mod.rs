//! Answers on a terminal: rendered while they arrive, with a spinner before and the sources after.

pub(crate) mod echo;
mod sources;
mod spinner;
mod style;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use chat_client::{Answer, Event, OneLine, Usage};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

pub(crate) use self::sources::number;
use self::spinner::Spinner;
pub(crate) use self::style::{Style, width};
use crate::args::Output;
use crate::markdown::Markdown;
use crate::print::sanitize;

/// One answer on a terminal.
pub(crate) struct View {
    style: Style,
    markdown: Markdown,
    spinner: Option<Spinner>,
    started: Instant,
    has_text: bool,
}

impl View {
    /// The view of the next answer. `None` if the text is printed as it arrives.
    pub(crate) fn new(output: Output, is_verbose: bool) -> Option<Self> {
        let style = Style::of(output)?;
        let style = Style { spinner: style.spinner && !is_verbose, ..style };
        let markdown = Markdown::new(style.markdown());
        Some(Self { style, markdown, spinner: None, started: Instant::now(), has_text: false })
    }

    /// The answer is awaited.
    pub(crate) fn wait(&mut self) {
        self.started = Instant::now();
        self.spinner = self.style.spinner.then(Spinner::start);
    }

    /// Prints what can be printed after this event. Returns whether the cursor is in the middle of a line.
    pub(crate) fn event(&mut self, event: &Event, out: &mut impl Write) -> io::Result<bool> {
        if let (Event::Reasoning(_), Some(spinner)) = (event, &self.spinner) {
            spinner.say("thinking");
        }
        let Some(text) = event.text().filter(|text| !text.is_empty()) else { return Ok(self.markdown.line_is_open()) };
        let rendered = self.markdown.push(text, width());
        if !rendered.is_empty() {
            self.has_text = true;
            self.spinner = None;
            out.write_all(rendered.as_bytes())?;
            out.flush()?;
        }
        Ok(self.markdown.line_is_open())
    }

    /// Prints the rest of the text, the sources, and how long the answer took.
    pub(crate) fn end(mut self, answer: Option<&Answer>, out: &mut impl Write) -> io::Result<()> {
        self.spinner = None;
        let rest = self.markdown.finish(width());
        self.has_text |= !rest.is_empty();
        out.write_all(rest.as_bytes())?;
        let Some(answer) = answer else { return Ok(()) };
        let sources = sources::render(answer.citations(), self.style);
        if !sources.is_empty() {
            write!(out, "\n{sources}")?;
        }
        if self.has_text || !sources.is_empty() {
            writeln!(out)?;
            for line in status(self.started.elapsed(), answer, width()) {
                writeln!(out, "{}", self.style.dim(&line))?;
            }
        }
        Ok(())
    }
}

/// The sources of an answer, one per line.
pub(crate) fn sources(citations: &[chat_client::Citation], output: Output) -> String {
    sources::render(citations, Style::of(output).unwrap_or_default())
}

/// The time, the tokens and the model of an answer, as far as they are known. One line, or several if it is too long.
fn status(time: Duration, answer: &Answer, width: usize) -> Vec<String> {
    let mut lines = vec![format!("{:.1} s", time.as_secs_f64())];
    let model = answer.model().map(|model| OneLine(model).to_string());
    for part in answer.usage.as_deref().and_then(tokens).into_iter().chain(model) {
        let last = lines.last_mut().expect("the time is there");
        let longer = format!("{last} · {part}");
        if longer.chars().count() > width { lines.push(part) } else { *last = longer }
    }
    lines
}

fn tokens(usage: &Usage) -> Option<String> {
    match (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) {
        (Some(prompt), Some(completion), _) => Some(format!("{prompt} + {completion} tokens")),
        (.., Some(total)) => Some(format!("{total} tokens")),
        _ => None,
    }
}

/// A text that is wrapped at words for the terminal. Further lines begin with `indent`.
pub(crate) fn wrap(text: &str, indent: &str) -> String {
    let options = textwrap::Options::new(width()).subsequent_indent(indent).break_words(false);
    textwrap::fill(text, options.word_separator(textwrap::WordSeparator::AsciiSpace))
}

/// The start of a line that fits the terminal, if standard output is one.
pub(crate) fn cut(line: &str) -> String {
    let width = width();
    if !io::stdout().is_terminal() || line.width() <= width {
        return line.to_owned();
    }
    let mut start = String::new();
    for grapheme in line.graphemes(true) {
        if start.width() + grapheme.width() + 1 > width {
            break;
        }
        start.push_str(grapheme);
    }
    start + "…"
}

/// A whole answer: rendered on a terminal, and as it is in a pipe.
pub(crate) fn render(text: &str, output: Output) -> String {
    let Some(style) = Style::of(output) else {
        let text = if io::stdout().is_terminal() { sanitize(text) } else { text.into() };
        return if text.ends_with('\n') || text.is_empty() { text.into_owned() } else { text.into_owned() + "\n" };
    };
    let mut markdown = Markdown::new(style.markdown());
    let width = width();
    markdown.push(text, width) + &markdown.finish(width)
}
