//! Tables: columns of equal width, or one line for each cell if the terminal is too narrow.

use pulldown_cmark::Alignment;

use super::piece::{Gap, Span, Word};
use super::style::{Look, columns};

/// The words of a cell.
pub(super) type Cell = Vec<Word>;

/// A table. The first row is the head.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    pub(super) rows: Vec<Vec<Cell>>,
}

const SEPARATOR: &str = " │ ";

impl Table {
    /// The lines of the table in columns. `None` if they are wider than `width`.
    pub(super) fn lines(&self, width: usize) -> Option<Vec<Vec<Span>>> {
        let mut widths = vec![0; self.alignments.len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell_columns(cell));
            }
        }
        if widths.iter().sum::<usize>() + columns(SEPARATOR) * widths.len().saturating_sub(1) > width {
            return None;
        }
        let mut lines: Vec<_> = self.rows.iter().map(|row| self.line(row, &widths)).collect();
        let rules: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
        lines.insert(1, vec![Span { text: rules.join("─┼─"), look: Look::dim() }]);
        Some(lines)
    }

    fn line(&self, row: &[Cell], widths: &[usize]) -> Vec<Span> {
        let mut line = Vec::new();
        let mut padding = 0;
        for (n, ((cell, width), alignment)) in row.iter().zip(widths).zip(&self.alignments).enumerate() {
            let space = width - cell_columns(cell);
            let left = match alignment {
                Alignment::Right => space,
                Alignment::Center => space / 2,
                Alignment::Left | Alignment::None => 0,
            };
            if n > 0 {
                line.push(plain(" ".repeat(padding)));
                line.push(Span { text: SEPARATOR.to_owned(), look: Look::dim() });
            }
            line.push(plain(" ".repeat(left)));
            line.extend(spans(cell));
            padding = space - left;
        }
        // No white space at the end of the line.
        line.retain(|span| !span.text.is_empty());
        line
    }

    /// For each row its cells, each with the name of its column. A table without rows is its head.
    pub(super) fn records(&self) -> Vec<Vec<Cell>> {
        let Some((head, rows)) = self.rows.split_first() else { return Vec::new() };
        if rows.is_empty() {
            return vec![head.clone()];
        }
        let record = |row: &Vec<Cell>| head.iter().zip(row).filter_map(|(name, cell)| labelled(name, cell)).collect();
        rows.iter().map(record).collect()
    }
}

/// `name: value`. `None` if there is no value.
fn labelled(name: &Cell, cell: &Cell) -> Option<Cell> {
    let first = cell.first()?;
    let mut label = name.clone();
    let Some(last) = label.last_mut() else { return Some(cell.clone()) };
    last.spans.push(Span { text: ":".to_owned(), look: Look::bold() });
    label.push(Word { gap: Gap::Space, ..first.clone() });
    label.extend_from_slice(&cell[1..]);
    Some(label)
}

fn plain(text: String) -> Span {
    Span { text, look: Look::default() }
}

fn cell_columns(cell: &Cell) -> usize {
    cell.iter().enumerate().map(|(n, word)| usize::from(n > 0 && word.gap > Gap::None) + word.columns()).sum()
}

fn spans(cell: &Cell) -> impl Iterator<Item = Span> {
    cell.iter().enumerate().flat_map(|(n, word)| {
        let space = (n > 0 && word.gap > Gap::None).then(|| plain(" ".to_owned()));
        space.into_iter().chain(word.spans.iter().cloned())
    })
}
