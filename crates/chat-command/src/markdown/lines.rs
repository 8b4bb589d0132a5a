//! Writes pieces as lines that fit the terminal.

use unicode_segmentation::UnicodeSegmentation as _;

use super::piece::{Body, Gap, Piece, Prefix, Span};
use super::style::{Look, Style, columns};
use super::table::Table;

/// The lines written so far. Only the position in the last one is kept.
#[derive(Debug, Default)]
pub(super) struct Lines {
    style: Style,
    out: String,
    /// The prefix of the current block.
    prefix: Prefix,
    /// The columns taken in the current line.
    column: usize,
    /// The column after the prefix of the current line.
    start: usize,
    /// The look of the text before the cursor.
    look: Look,
    is_open: bool,
    /// Whether nothing is written in the open line.
    is_empty: bool,
    has_text: bool,
}

impl Lines {
    pub(super) fn new(style: Style) -> Self {
        Self { style, ..Self::default() }
    }

    /// Whether the cursor is in the middle of a line.
    pub(super) fn is_open(&self) -> bool {
        self.is_open && !self.is_empty
    }

    /// The text since the last call.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// Ends the open line.
    pub(super) fn end(&mut self) {
        if self.is_open {
            self.out.push('\n');
            self.is_open = false;
        }
    }

    /// Writes a piece.
    pub(super) fn put(&mut self, piece: &Piece, width: usize) {
        let width = width.max(1);
        if let Some(prefix) = &piece.prefix {
            self.prefix = prefix.clone();
        }
        match piece.gap {
            Gap::None | Gap::Space => {}
            Gap::Line => self.next_line(width),
            Gap::Block | Gap::Blank => self.begin(piece.gap, width),
        }
        match &piece.body {
            Body::Word(spans) => self.word(piece.gap, spans, width),
            Body::Line(span) => self.spans(std::slice::from_ref(span)),
            Body::Rule => self.rule(width),
            Body::Table(table) => self.table(table, width),
        }
    }

    /// Begins a block.
    fn begin(&mut self, gap: Gap, width: usize) {
        self.end();
        if gap == Gap::Blank && self.has_text {
            let blank = fitting(&self.prefix.blank, width).trim_end().to_owned();
            self.out.push_str(&blank);
            self.out.push('\n');
        }
        let first = fitting(&self.prefix.first, width).to_owned();
        self.line(&first);
    }

    /// Begins the next line of a block.
    fn next_line(&mut self, width: usize) {
        self.end();
        let rest = fitting(&self.prefix.rest, width).to_owned();
        self.line(&rest);
    }

    fn line(&mut self, prefix: &str) {
        self.out.push_str(prefix);
        self.start = columns(prefix);
        self.column = self.start;
        self.look = Look::default();
        self.is_empty = prefix.is_empty();
        (self.is_open, self.has_text) = (true, true);
    }

    fn word(&mut self, gap: Gap, spans: &[Span], width: usize) {
        let Some(first) = spans.first() else { return };
        let word: usize = spans.iter().map(|span| columns(&span.text)).sum();
        let space = usize::from(gap == Gap::Space && self.column > self.start);
        if self.column + space + word > width && self.column > self.start {
            self.next_line(width);
        } else if space > 0 && first.look == self.look {
            // The space of underlined text is underlined too.
            self.write(&format!(" {}", first.text), &first.look);
            return self.spans(&spans[1..]);
        } else if space > 0 {
            self.write(" ", &Look::default());
        }
        if self.column + word > width {
            return self.long_word(spans, width);
        }
        self.spans(spans);
    }

    /// A word that is wider than the terminal.
    fn long_word(&mut self, spans: &[Span], width: usize) {
        for span in spans {
            let mut start = 0;
            let mut end = self.column;
            for (at, grapheme) in span.text.grapheme_indices(true) {
                let grapheme = columns(grapheme);
                if end + grapheme > width && end > self.start {
                    self.write(&span.text[start..at], &span.look);
                    self.next_line(width);
                    (start, end) = (at, self.column);
                }
                end += grapheme;
            }
            self.write(&span.text[start..], &span.look);
        }
    }

    fn rule(&mut self, width: usize) {
        let rule = "─".repeat(width.saturating_sub(self.start).max(1));
        self.write(&rule, &Look::dim());
    }

    fn table(&mut self, table: &Table, width: usize) {
        if let Some(lines) = table.lines(width.saturating_sub(self.start)) {
            for (n, line) in lines.iter().enumerate() {
                if n > 0 {
                    self.next_line(width);
                }
                self.spans(line);
            }
            return;
        }
        for (n, record) in table.records().iter().enumerate() {
            if n > 0 {
                self.next_line(width);
                self.next_line(width);
            }
            for (n, cell) in record.iter().enumerate() {
                if n > 0 {
                    self.next_line(width);
                }
                for word in cell {
                    self.word(word.gap.min(Gap::Space), &word.spans, width);
                }
            }
        }
    }

    fn spans(&mut self, spans: &[Span]) {
        for span in spans {
            self.write(&span.text, &span.look);
        }
    }

    fn write(&mut self, text: &str, look: &Look) {
        if text.is_empty() {
            return;
        }
        look.write(text, self.style, &mut self.out);
        self.column += columns(text);
        self.is_empty = false;
        self.look = look.clone();
    }
}

/// The prefix, or as much of it as leaves space for text.
fn fitting(prefix: &str, width: usize) -> &str {
    let fits = |prefix: &str| columns(prefix) * 2 <= width;
    [prefix, prefix.trim_start_matches([' ', '│'])].into_iter().find(|prefix| fits(prefix)).unwrap_or("")
}
