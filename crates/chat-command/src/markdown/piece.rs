//! What a block consists of when it is printed.

use super::style::{Look, columns};
use super::table::Table;

/// What is between a piece and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing. A line may break here.
    #[default]
    None,
    /// A space, or a line break if the line is full.
    Space,
    /// A line break inside a block.
    Line,
    /// The line break between two blocks.
    Block,
    /// An empty line between two blocks.
    Blank,
}

/// What the lines of a block begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    /// The empty line before the block.
    pub(super) blank: String,
    /// The first line.
    pub(super) first: String,
    /// The other lines.
    pub(super) rest: String,
}

/// Text of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) look: Look,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) gap: Gap,
    pub(super) spans: Vec<Span>,
}

impl Word {
    pub(super) fn columns(&self) -> usize {
        self.spans.iter().map(|span| columns(&span.text)).sum()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// A word of prose. No spans: the marker of an empty list item.
    Word(Vec<Span>),
    /// A line that is never broken, such as a line of code.
    Line(Span),
    /// A rule across the terminal.
    Rule,
    Table(Table),
}

/// The smallest part that is printed at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) gap: Gap,
    /// The prefix of the block. It is set for the first piece of the block.
    pub(super) prefix: Option<Prefix>,
    pub(super) body: Body,
}
