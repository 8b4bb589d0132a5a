//! What the terminal can show.

use std::io::{self, IsTerminal};

use supports_hyperlinks::Stream;

use crate::args::{Color, Output};
use crate::markdown;

/// The number of columns if it is not known.
const DEFAULT_WIDTH: usize = 80;

/// Which escape sequences may be printed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Colors, bold and other attributes.
    pub(crate) color: bool,
    /// Links by OSC 8.
    pub(crate) hyperlinks: bool,
    /// A spinner, which is erased again.
    pub(crate) spinner: bool,
}

impl Style {
    /// The style of standard output. `None` if answers are printed as they arrive: in a pipe and with `--raw`.
    pub(crate) fn of(output: Output) -> Option<Self> {
        let is_terminal = io::stdout().is_terminal();
        if output.raw || !(is_terminal || output.color == Color::Always) {
            return None;
        }
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match output.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !is_dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let hyperlinks = output.color != Color::Never && !is_dumb && supports_hyperlinks::on(Stream::Stdout);
        let spinner = is_terminal && !is_dumb;
        Some(Self { color, hyperlinks, spinner })
    }

    pub(crate) fn markdown(self) -> markdown::Style {
        markdown::Style { color: self.color, hyperlinks: self.hyperlinks }
    }

    /// The text in a faint color.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with(anstyle::Style::new().dimmed(), text)
    }

    /// The text in bold.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with(anstyle::Style::new().bold(), text)
    }

    fn with(self, style: anstyle::Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The text as a link, if links are supported and the address is one of the web.
    pub(crate) fn link(self, url: &str, text: &str) -> Option<String> {
        let is_web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
        let is_safe = is_web && url.chars().all(|c| c.is_ascii_graphic());
        (self.hyperlinks && is_safe).then(|| format!("\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"))
    }
}

/// The number of columns of the terminal now.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| width.0.into()).max(1)
}
