//! Markdown for a terminal, while it streams.
//!
//! The output is only appended to: the cursor never moves up, so the output is right after a resize and after Ctrl-C.
//! Source is kept until its block is complete. It is parsed again when more of it arrives, and the words that are final and
//! not yet printed are printed. What may still become markup waits, but not forever: a backslash in the source makes it text.
//!
//! The source is parsed at the same positions however it is divided into pushes, so the output is the same too.

mod blocks;
mod code;
mod leaf;
mod lines;
mod piece;
mod source;
mod style;
mod table;
#[cfg(test)]
mod tests;

use self::blocks::{Blocks, Context};
use self::code::Fence;
use self::lines::Lines;
use self::piece::{Body, Gap, Piece, Span};
use self::style::Look;
pub(crate) use self::style::Style;
use crate::print::is_harmless;

/// A part of a block is parsed again when it has grown by this fraction, so that the work is linear.
const GROWTH: usize = 32;
/// A paragraph whose source is longer is cut where it is printed, in bytes.
const MAX_PARAGRAPH: usize = 1024;
/// What takes its place: two lines, so that the rest is not the head of a table.
const CUT: &str = "x\nx";
/// How many characters are made literal to keep what is printed.
const MAX_REPAIRS: usize = 8;

/// Renders the Markdown of one answer.
#[derive(Debug)]
pub(crate) struct Markdown {
    style: Style,
    lines: Lines,
    /// The source of the current block.
    source: String,
    /// The current block of code. `source` is its current line.
    fence: Option<Fence>,
    /// The pieces of `source` that are printed.
    printed: Vec<Piece>,
    /// What is before the first piece of `source`.
    gap: Gap,
    /// The number of the item that `source` begins with.
    number: Option<u64>,
    /// The length of `source` when it was parsed last.
    parsed: usize,
    /// The length of `source` when it was looked at last.
    checked: usize,
    max_paragraph: usize,
    #[cfg(test)]
    work: Work,
}

/// What the tests count.
#[cfg(test)]
#[derive(Debug, Default)]
struct Work {
    parsed: usize,
    repairs: usize,
    failures: usize,
}

impl Markdown {
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            lines: Lines::new(style),
            source: String::new(),
            fence: None,
            printed: Vec::new(),
            gap: Gap::Blank,
            number: None,
            parsed: 0,
            checked: 0,
            max_paragraph: MAX_PARAGRAPH,
            #[cfg(test)]
            work: Work::default(),
        }
    }

    /// Takes the next piece of source, and returns the text that can be printed now. `width` is the number of columns of the
    /// terminal. It may change between calls.
    pub(crate) fn push(&mut self, text: &str, width: usize) -> String {
        for c in text.chars().filter(|c| is_harmless(*c)) {
            self.take(c, width);
        }
        self.lines.take()
    }

    /// Ends the source. Returns the rest, which ends with a line break if anything was printed.
    pub(crate) fn finish(&mut self, width: usize) -> String {
        if self.fence.is_some() && !self.source.trim().is_empty() {
            self.code_line(width);
        }
        match self.fence.take() {
            Some(fence) => self.code(fence.last_line(), width),
            None => self.step(true, width),
        }
        self.lines.end();
        let text = self.lines.take();
        self.restart();
        text
    }

    /// Whether the cursor is in the middle of a line.
    pub(crate) fn line_is_open(&self) -> bool {
        self.lines.is_open()
    }

    fn take(&mut self, c: char, width: usize) {
        self.source.push(c);
        if self.fence.is_some() {
            if c == '\n' {
                self.code_line(width);
            }
        } else if ends_word(c) && self.source.len() > self.checked + self.checked / GROWTH {
            self.step(false, width);
        }
    }

    /// Prints what is final.
    fn step(&mut self, is_complete: bool, width: usize) {
        self.checked = self.source.len();
        if !is_complete && source::is_unclear(&self.source) {
            return;
        }
        let mut blocks = self.parse(is_complete);
        let fence = blocks
            .segments
            .last()
            .filter(|last| !is_complete && last.is_fence && self.source[last.source..].contains('\n'));
        let fence = fence.map(|fence| fence.piece);
        let safe = fence.unwrap_or(blocks.safe).max(self.printed.len());
        let next = blocks.segments.last().and_then(|segment| blocks.pieces.get(segment.piece)).cloned();
        blocks.pieces.truncate(safe);
        for piece in &blocks.pieces[self.printed.len().min(blocks.pieces.len())..] {
            self.lines.put(piece, width);
        }
        self.printed = std::mem::take(&mut blocks.pieces);
        if is_complete {
            return;
        }
        if let (Some(_), Some(next)) = (fence, &next) {
            return self.enter_code(&blocks, next, width);
        }
        self.cut(&blocks);
        match next {
            Some(next) => self.drop_finished(&blocks, next.gap),
            None if blocks.segments.is_empty() && self.source.ends_with('\n') => self.source.clear(),
            None => {}
        }
        (self.checked, self.parsed) = (self.source.len(), self.source.len());
    }

    /// Parses the source. If that changes what is printed, the new markup is made literal.
    fn parse(&mut self, is_complete: bool) -> Blocks {
        let mut repairs = 0;
        loop {
            let context = Context { style: self.style, gap: self.gap, number: self.number, is_complete };
            let blocks = Blocks::new(&self.source, context);
            #[cfg(test)]
            (self.work.parsed += self.source.len());
            if !blocks.escapes.is_empty() {
                for at in blocks.escapes.iter().rev() {
                    self.escape(*at);
                }
                continue;
            }
            if blocks.pieces.starts_with(&self.printed) {
                return blocks;
            }
            let rest = self.source.get(self.parsed..).unwrap_or_default();
            let markup = rest.find(|c: char| c.is_ascii_punctuation()).filter(|_| repairs < MAX_REPAIRS);
            let Some(markup) = markup else {
                #[cfg(test)]
                (self.work.failures += 1);
                // Text is printed twice rather than lost.
                let same = blocks.pieces.iter().zip(&self.printed).take_while(|(new, old)| new == old).count();
                self.printed.truncate(same);
                return blocks;
            };
            #[cfg(test)]
            (self.work.repairs += 1);
            repairs += 1;
            let at = self.parsed + markup;
            self.escape(at);
            self.parsed = at + 2;
        }
    }

    fn escape(&mut self, at: usize) {
        self.source.insert(at, '\\');
        if at < self.parsed {
            self.parsed += 1;
        }
    }

    /// Drops the source of the blocks and list items that another one follows.
    fn drop_finished(&mut self, blocks: &Blocks, gap: Gap) {
        let Some(last) = blocks.segments.last().filter(|_| blocks.segments.len() > 1) else { return };
        if last.piece > self.printed.len() {
            return;
        }
        self.source.drain(..last.source);
        self.printed.drain(..last.piece);
        self.gap = if last.is_item { gap } else { Gap::Blank };
        self.number = last.number;
    }

    /// Continues with the lines of the block of code at the end of the source.
    fn enter_code(&mut self, blocks: &Blocks, fence: &Piece, width: usize) {
        let Some(start) = blocks.segments.last().map(|segment| segment.source) else { return };
        let code = self.source.split_off(start);
        self.restart();
        let (first, lines) = code.split_once('\n').unwrap_or((&code, ""));
        self.lines.put(fence, width);
        self.fence = Some(Fence::open(first));
        for c in lines.chars() {
            self.take(c, width);
        }
    }

    fn code_line(&mut self, width: usize) {
        let Some(fence) = self.fence.take() else { return };
        let line = std::mem::take(&mut self.source);
        let line = line.strip_suffix('\n').unwrap_or(&line);
        if fence.ends_at(line) {
            self.restart();
            return self.code(fence.last_line(), width);
        }
        self.code(code::line(fence.strip(line)), width);
        self.fence = Some(fence);
    }

    fn code(&mut self, body: Body, width: usize) {
        self.lines.put(&Piece { gap: Gap::Line, prefix: None, body }, width);
    }

    /// Cuts what is printed out of a long paragraph. Two letters take its place, so that the rest stays a paragraph.
    fn cut(&mut self, blocks: &Blocks) {
        let Some(tail) = blocks.tail.as_ref().filter(|_| self.source.len() > self.max_paragraph) else { return };
        let printed = self.printed.len().saturating_sub(tail.piece);
        let Some(end) = printed.checked_sub(1).and_then(|last| tail.ends.get(last)) else { return };
        let cuts = tail.cuts.iter().rev().skip_while(|(text, _)| text > end);
        let Some((text, source)) = cuts.copied().find(|(text, _)| tail.ends.binary_search(text).is_ok()) else {
            return;
        };
        if blocks.segments.last().is_none_or(|last| last.source > tail.source) {
            return;
        }
        // The backslash of an escaped character is before the text.
        let start = self.source[..tail.source].strip_suffix('\\').map_or(tail.source, str::len);
        self.source.replace_range(start..source, CUT);
        let words = tail.piece..tail.piece + tail.ends.partition_point(|end| *end <= text);
        let body = Body::Word(vec![Span { text: "x".to_owned(), look: Look::default() }]);
        let first = Piece { body: body.clone(), ..self.printed[words.start].clone() };
        self.printed.splice(words, [first, Piece { gap: Gap::Space, prefix: None, body }]);
    }

    fn restart(&mut self) {
        self.source.clear();
        self.printed.clear();
        (self.gap, self.number) = (Gap::Blank, None);
        (self.parsed, self.checked) = (0, 0);
    }
}

fn ends_word(c: char) -> bool {
    // Languages that are written without spaces.
    matches!(c, ' ' | '\t' | '\n') || c >= '\u{2e80}'
}
