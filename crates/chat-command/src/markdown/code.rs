//! Blocks of code. Their lines are printed as they are, so that they can be copied.

use super::piece::{Body, Span};
use super::style::Look;
use crate::print::sanitize;

const TAB: &str = "    ";

/// A line of code.
pub(super) fn line(text: &str) -> Body {
    Body::Line(Span { text: sanitize(text).replace('\t', TAB), look: Look::default() })
}

/// The marks before and after a block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    marks: String,
    indent: usize,
}

impl Fence {
    /// Reads the first line of a block.
    pub(super) fn open(line: &str) -> Self {
        let text = line.trim_start_matches(' ');
        let mark = text.chars().next().unwrap_or('`');
        Self { marks: text.chars().take_while(|c| *c == mark).collect(), indent: line.len() - text.len() }
    }

    /// The line before the block, with the name of the language.
    pub(super) fn first_line(&self, info: &str) -> Body {
        let language = info.split([' ', '\t', ',']).next().unwrap_or_default();
        Body::Line(Span { text: sanitize(&format!("{}{language}", self.marks)).into_owned(), look: Look::dim() })
    }

    /// The line after the block.
    pub(super) fn last_line(&self) -> Body {
        self.first_line("")
    }

    /// Whether the line ends the block.
    pub(super) fn ends_at(&self, line: &str) -> bool {
        let text = line.trim_start_matches(' ');
        let mark = self.marks.chars().next().unwrap_or('`');
        let rest = text.trim_start_matches(mark);
        line.len() - text.len() < 4 && text.len() - rest.len() >= self.marks.len() && rest.trim().is_empty()
    }

    /// Removes the indent of the block from a line.
    pub(super) fn strip<'a>(&self, line: &'a str) -> &'a str {
        let indent = line.bytes().take(self.indent).take_while(|byte| *byte == b' ').count();
        &line[indent..]
    }
}
