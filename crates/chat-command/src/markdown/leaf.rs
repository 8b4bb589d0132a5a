//! The text of a paragraph, a heading or a cell, and its words.

use unicode_linebreak::linebreaks;

use super::piece::{Gap, Span, Word};
use super::style::Look;
use crate::print::is_harmless;

/// How far from its start a URL is recognized, in bytes.
const MAX_URL: usize = 300;

/// The text of one block.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    text: String,
    /// Where each look begins, in `text`.
    looks: Vec<(usize, Look)>,
    /// Where the source can be cut: the position in `text`, and in the source.
    pub(super) cuts: Vec<(usize, usize)>,
}

impl Leaf {
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text from a position on.
    pub(super) fn since(&self, start: usize) -> &str {
        &self.text[start..]
    }

    /// Adds text. A run of white space becomes one space. `source` is where the text is in the source, if the
    /// source can be cut there.
    pub(super) fn push(&mut self, text: &str, look: &Look, source: Option<usize>) {
        if self.looks.last().is_none_or(|(_, last)| last != look) {
            self.looks.push((self.text.len(), look.clone()));
        }
        for (at, c) in text.char_indices() {
            match c {
                ' ' | '\t' | '\n' => self.space(source.map(|source| source + at)),
                c if is_harmless(c) => {
                    if let (true, Some(source)) = (is_ideograph(c), source) {
                        self.cuts.push((self.text.len(), source + at));
                    }
                    self.text.push(c);
                }
                _ => {}
            }
        }
    }

    fn space(&mut self, source: Option<usize>) {
        if self.text.is_empty() || self.text.ends_with([' ', '\n']) {
            return;
        }
        if let Some(source) = source {
            self.cuts.push((self.text.len(), source));
        }
        self.text.push(' ');
    }

    /// Ends the line.
    pub(super) fn hard_break(&mut self) {
        self.text.push('\n');
    }

    /// The words, each with the position in the text at which it ends.
    pub(super) fn words(&self) -> Vec<(Word, usize)> {
        let mut words = Vec::new();
        let (mut start, mut gap) = (0, Gap::None);
        let ends = linebreaks(&self.text).map(|(end, _)| end);
        for end in ends.filter(|&end| !self.is_whole(end)) {
            for part in self.text[start..end].split_inclusive([' ', '\n']) {
                let word = part.trim_end_matches([' ', '\n']);
                if !word.is_empty() {
                    words.push((Word { gap, spans: self.spans(start, start + word.len()) }, start + word.len()));
                    gap = Gap::None;
                }
                gap = gap.max(match &part[word.len()..] {
                    "" => Gap::None,
                    " " => Gap::Space,
                    _ => Gap::Line,
                });
                start += part.len();
            }
        }
        words
    }

    /// Whether the line should not break at `at`, because it is inside of code or of a URL.
    fn is_whole(&self, at: usize) -> bool {
        if at >= self.len() || self.text[..at].ends_with([' ', '\n']) {
            return false;
        }
        let is_ascii = self.text.as_bytes()[at - 1].is_ascii() && self.text.as_bytes()[at].is_ascii();
        is_ascii && self.is_url(at) || self.look(at - 1).code && self.look(at).code
    }

    /// Whether the word before `at` has a scheme.
    fn is_url(&self, at: usize) -> bool {
        let mut start = at.saturating_sub(MAX_URL);
        while !self.text.is_char_boundary(start) {
            start += 1;
        }
        let word = self.text[start..at].rsplit([' ', '\n']).next();
        word.is_some_and(|word| word.contains("://"))
    }

    fn look(&self, at: usize) -> &Look {
        &self.looks[self.looks.partition_point(|(start, _)| *start <= at) - 1].1
    }

    fn spans(&self, start: usize, end: usize) -> Vec<Span> {
        let first = self.looks.partition_point(|(at, _)| *at <= start) - 1;
        let looks = self.looks[first..].iter().take_while(|(at, _)| *at < end).enumerate();
        looks
            .map(|(n, (at, look))| {
                let until = self.looks.get(first + n + 1).map_or(end, |(next, _)| end.min(*next));
                Span { text: self.text[start.max(*at)..until].to_owned(), look: look.clone() }
            })
            .filter(|span| !span.text.is_empty())
            .collect()
    }
}

/// Whether a line may break before the character, also after a letter.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}')
}
