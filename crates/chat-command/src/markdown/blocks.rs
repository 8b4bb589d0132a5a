//! Turns the source of a block into pieces.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, OffsetIter, Options, Parser, Tag, TagEnd};

use super::code::{self, Fence};
use super::leaf::Leaf;
use super::piece::{Body, Gap, Piece, Prefix};
use super::source::{self, Marker};
use super::style::{Look, Style, target};
use super::table::Table;

/// A part of the source that is final once another one follows: a block, or an item of a list.
#[derive(Debug)]
pub(super) struct Segment {
    /// Where it begins in the source.
    pub(super) source: usize,
    /// The index of its first piece.
    pub(super) piece: usize,
    pub(super) is_fence: bool,
    pub(super) is_item: bool,
    /// The number of the item.
    pub(super) number: Option<u64>,
}

/// The last text of the source, which may continue.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Where it begins in the source.
    pub(super) source: usize,
    /// The index of its first piece.
    pub(super) piece: usize,
    /// The end of each piece in the text.
    pub(super) ends: Vec<usize>,
    /// Where the source can be cut: the position in the text, and in the source.
    pub(super) cuts: Vec<(usize, usize)>,
}

/// What is known from the source before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) style: Style,
    /// What is before the first piece.
    pub(super) gap: Gap,
    /// The number of the item that the source begins with.
    pub(super) number: Option<u64>,
    /// Whether the source is complete.
    pub(super) is_complete: bool,
}

/// The pieces of a source.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) pieces: Vec<Piece>,
    /// How many pieces are final.
    pub(super) safe: usize,
    pub(super) segments: Vec<Segment>,
    pub(super) tail: Option<Tail>,
    /// Characters of the source that need a backslash, in order.
    pub(super) escapes: Vec<usize>,
}

impl Blocks {
    pub(super) fn new(source: &str, context: Context) -> Self {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        let events = Parser::new_ext(source, options).into_offset_iter();
        // A link may be used before it is defined. So definitions are text, and there are no links that need them.
        let definitions = events.reference_definitions();
        let mut escapes: Vec<_> = definitions.iter().map(|(_, link)| link.span.start).collect();
        if let Some(first) = escapes.iter().min() {
            // The parser knows the first definition of each label.
            let again = source::definitions(source, *first);
            escapes.extend(again.filter(|(_, label)| definitions.get(label).is_some()).map(|(at, _)| at));
            escapes.sort_unstable();
            escapes.dedup();
            return Self { escapes, ..Self::default() };
        }
        Builder::new(source, context).build(events)
    }
}

/// A list item or a quote.
struct Container {
    marker: String,
    rest: String,
    is_used: bool,
}

/// Inline markup: the text before it, and the look and the URL of what is in it.
struct Inline {
    start: usize,
    look: Look,
    url: Option<String>,
}

/// What cannot be printed if nothing follows.
enum Held {
    Nothing,
    /// The pieces from here on.
    From(usize),
    /// The same, until an empty line.
    Open(usize),
}

struct Builder<'a> {
    source: &'a str,
    context: Context,
    blocks: Blocks,
    containers: Vec<Container>,
    /// The next number of each open list.
    lists: Vec<Option<u64>>,
    depth: usize,
    /// Whether no piece of the current block at the top exists.
    is_new: bool,
    /// The end of the last text in the source.
    end: Option<usize>,
    /// The current text, and where it is in the source.
    leaf: Option<(Leaf, Range<usize>)>,
    /// The position in the current text from which on it has to wait.
    wait: usize,
    base: Look,
    inlines: Vec<Inline>,
    /// The current block of code.
    code: Option<(Option<Fence>, String)>,
    table: Option<Table>,
    held: Held,
}

impl<'a> Builder<'a> {
    fn new(source: &'a str, context: Context) -> Self {
        Self {
            source,
            context,
            blocks: Blocks::default(),
            containers: Vec::new(),
            lists: Vec::new(),
            depth: 0,
            is_new: false,
            end: None,
            leaf: None,
            wait: usize::MAX,
            base: Look::default(),
            inlines: Vec::new(),
            code: None,
            table: None,
            held: Held::Nothing,
        }
    }

    fn build(mut self, events: OffsetIter<'_>) -> Blocks {
        for (event, range) in events {
            self.event(event, range);
        }
        self.close();
        let is_blank = source::ends_with_blank_line(self.source);
        self.blocks.safe = match self.held {
            _ if self.context.is_complete => self.blocks.pieces.len(),
            Held::From(piece) => piece,
            Held::Open(piece) if !is_blank => piece,
            Held::Nothing | Held::Open(_) => self.blocks.pieces.len(),
        };
        if self.context.is_complete || is_blank {
            self.blocks.escapes.clear();
        }
        self.blocks
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => self.text(&text, &range),
            },
            Event::Code(text) => {
                let text = if self.context.style.color { text.to_string() } else { format!("`{text}`") };
                let look = Look { code: true, ..self.look() };
                self.leaf(&range).push(&text, &look, None);
            }
            Event::SoftBreak if source::is_definition(&self.source[range.end..]) => self.leaf(&range).hard_break(),
            Event::SoftBreak => {
                let (look, at) = (self.look(), self.inlines.is_empty().then_some(range.start));
                self.leaf(&range).push(" ", &look, at);
            }
            Event::HardBreak => self.leaf(&range).hard_break(),
            Event::TaskListMarker(is_done) => {
                self.leaf(&range).push(if is_done { "☑ " } else { "☐ " }, &Look::default(), None);
            }
            Event::Rule => {
                self.block(&range, false);
                self.push(range.start, Body::Rule);
                self.end = Some(range.end);
            }
            Event::Html(text) => {
                self.leaf(&range).push(text.trim_end_matches('\n'), &Look::default(), None);
                self.leaf(&range).hard_break();
            }
            Event::InlineHtml(text) => {
                let look = self.look();
                self.leaf(&range).push(&text, &look, None);
            }
            // Footnotes and formulas are off.
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Emphasis => self.inline(&range, |look| look.italic = true, None),
            Tag::Strong => self.inline(&range, |look| look.bold = true, None),
            Tag::Strikethrough => self.inline(&range, |look| look.strike = true, None),
            Tag::Link { dest_url, link_type, .. } => {
                let prefix = if link_type == LinkType::Email { "mailto:" } else { "" };
                self.link(&range, prefix.to_owned() + &dest_url);
            }
            Tag::Image { dest_url, .. } => self.link(&range, dest_url.to_string()),
            Tag::TableHead | Tag::TableRow => {
                self.base = if tag == Tag::TableHead { Look::bold() } else { Look::default() };
                self.table.get_or_insert_default().rows.push(Vec::new());
            }
            Tag::TableCell => self.leaf = Some((Leaf::default(), range)),
            block => {
                self.block(&range, matches!(block, Tag::CodeBlock(CodeBlockKind::Fenced(_))));
                self.depth += 1;
                self.start_block(block, range);
            }
        }
    }

    fn start_block(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { .. } if self.is_atx(&range) => self.base = Look::bold(),
            Tag::BlockQuote(_) => self.container("│ ".to_owned(), "│ ".to_owned()),
            Tag::List(number) => {
                let is_first = self.depth == 1 && self.blocks.segments.len() == 1;
                self.lists.push(number.map(|number| self.context.number.filter(|_| is_first).unwrap_or(number)));
            }
            Tag::Item => self.item(range.start),
            Tag::CodeBlock(CodeBlockKind::Indented) => self.code = Some((None, String::new())),
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
                let fence = Fence::open(&self.source[range.start..]);
                self.push(range.start, fence.first_line(&info));
                self.code = Some((Some(fence), String::new()));
            }
            Tag::Table(alignments) => self.table = Some(Table { alignments, rows: Vec::new() }),
            _ => {}
        }
    }

    /// Begins a block. At the top it is a segment.
    fn block(&mut self, range: &Range<usize>, is_fence: bool) {
        self.close();
        if self.depth == 0 {
            self.is_new = true;
            // The items of a list are its segments.
            let source = source::line_start(self.source, range.start);
            let piece = self.blocks.pieces.len();
            self.blocks.segments.push(Segment { source, piece, is_fence, is_item: false, number: None });
        }
    }

    fn item(&mut self, start: usize) {
        let number = self.lists.last().copied().flatten();
        if self.lists.len() == 1 && self.depth == 2 {
            // The first item replaces the list.
            self.blocks.segments.pop_if(|list| !list.is_item);
            let source = source::line_start(self.source, start);
            let piece = self.blocks.pieces.len();
            self.blocks.segments.push(Segment { source, piece, is_fence: false, is_item: true, number });
        }
        if let Some(number) = self.lists.last_mut().and_then(Option::as_mut) {
            *number = number.saturating_add(1);
        }
        let marker = number.map_or_else(|| "• ".to_owned(), |number| format!("{number}. "));
        let rest = " ".repeat(marker.chars().count());
        self.container(marker, rest);
    }

    fn container(&mut self, marker: String, rest: String) {
        self.containers.push(Container { marker, rest, is_used: false });
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => drop(self.inlines.pop()),
            TagEnd::Link | TagEnd::Image => self.end_link(&range),
            TagEnd::TableHead | TagEnd::TableRow => self.base = Look::default(),
            TagEnd::TableCell => {
                let words = self.leaf.take().map(|(leaf, _)| leaf.words()).unwrap_or_default();
                if let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(words.into_iter().map(|(word, _)| word).collect());
                }
            }
            block => {
                self.close();
                self.depth -= 1;
                self.end_block(block, &range);
                if !matches!(block, TagEnd::Item | TagEnd::List(_) | TagEnd::BlockQuote(_)) {
                    self.end = Some(range.end);
                }
            }
        }
    }

    fn end_block(&mut self, tag: TagEnd, range: &Range<usize>) {
        match tag {
            TagEnd::Heading(_) => {
                if !self.is_atx(range) {
                    self.piece(Gap::Line, None, Body::Rule);
                } else if !self.source.ends_with('\n') {
                    let tail = self.blocks.tail.as_ref();
                    self.held = tail.map_or(Held::Nothing, |tail| Held::From(tail.piece));
                }
                self.blocks.tail = None;
                self.base = Look::default();
            }
            TagEnd::BlockQuote(_) => drop(self.containers.pop()),
            TagEnd::Item => {
                if self.containers.last().is_some_and(|item| !item.is_used) {
                    self.push(range.start, Body::Word(Vec::new()));
                    self.held = Held::From(self.blocks.pieces.len() - 1);
                    self.end = Some(range.end);
                }
                self.containers.pop();
            }
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::CodeBlock => self.end_code(range),
            TagEnd::HtmlBlock => self.blocks.tail = None,
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.push(range.start, Body::Table(table));
                    self.held = Held::Open(self.blocks.pieces.len() - 1);
                }
            }
            _ => {}
        }
    }

    fn end_code(&mut self, range: &Range<usize>) {
        let Some((fence, code)) = self.code.take() else { return };
        // The line of the fence is the first piece.
        let first = self.blocks.pieces.len() - usize::from(fence.is_some());
        for line in code.lines() {
            match fence {
                None if self.blocks.pieces.len() == first => self.push(range.start, code::line(&format!("    {line}"))),
                None => self.piece(Gap::Line, None, code::line(&format!("    {line}"))),
                Some(_) => self.piece(Gap::Line, None, code::line(line)),
            }
        }
        let last = self.blocks.pieces.len();
        // The last line may be the start of the fence that ends the block.
        self.held = Held::From(if self.source.ends_with('\n') { last } else { first.max(last - 1) });
        if let Some(fence) = fence {
            let held = std::mem::replace(&mut self.held, Held::Nothing);
            self.piece(Gap::Line, None, fence.last_line());
            self.held = held;
        }
    }

    /// The current text. It begins with the first inline event.
    fn leaf(&mut self, range: &Range<usize>) -> &mut Leaf {
        if self.leaf.is_none() {
            self.wait = usize::MAX;
            self.blocks.escapes.clear();
        }
        let (leaf, whole) = self.leaf.get_or_insert_with(|| (Leaf::default(), range.clone()));
        whole.end = whole.end.max(range.end);
        leaf
    }

    fn look(&self) -> Look {
        self.inlines.last().map_or_else(|| self.base.clone(), |inline| inline.look.clone())
    }

    fn text(&mut self, text: &str, range: &Range<usize>) {
        let look = self.look();
        self.leaf(range);
        let is_verbatim = self.source[range.clone()] == *text;
        let at = |offset: usize| (is_verbatim && self.inlines.is_empty()).then_some(range.start + offset);
        let (start, outer) = (at(0), self.inlines.first().map(|inline| inline.start));
        // Where the text has to wait, if anywhere.
        let mut wait = text.len();
        let mut literal = Vec::new();
        if is_verbatim && self.table.is_none() {
            for (offset, _) in text.match_indices(['*', '_', '`', '[', '<', '&', '~', '\\']) {
                match source::marker(self.source, range.start + offset) {
                    Some(Marker::Wait) => wait = wait.min(offset),
                    // Markup that waits may be code or a URL, where a backslash is text.
                    Some(Marker::Literal) if self.wait == usize::MAX && wait == text.len() => {
                        literal.push(range.start + offset);
                    }
                    Some(Marker::Literal) | None => {}
                }
            }
        }
        let leaf = self.leaf(range);
        leaf.push(&text[..wait], &look, start);
        let position = outer.unwrap_or(leaf.len());
        leaf.push(&text[wait..], &look, start.map(|start| start + wait));
        if wait < text.len() {
            self.wait = self.wait.min(position);
        }
        self.blocks.escapes.extend(literal);
    }

    fn inline(&mut self, range: &Range<usize>, change: impl FnOnce(&mut Look), url: Option<String>) {
        let mut look = self.look();
        change(&mut look);
        let start = self.leaf(&(range.start..range.start)).len();
        self.inlines.push(Inline { start, look, url });
    }

    fn link(&mut self, range: &Range<usize>, url: String) {
        let target = target(&url);
        self.inline(range, |look| look.link = target, Some(url));
    }

    /// Ends a link. Its URL follows as text if the terminal has no links.
    fn end_link(&mut self, range: &Range<usize>) {
        let Some(Inline { start, look, url: Some(url) }) = self.inlines.pop() else { return };
        let is_shown = look.link.is_some() && self.context.style.hyperlinks;
        let outer = self.look();
        let leaf = self.leaf(range);
        let text = leaf.since(start).trim();
        if text.is_empty() {
            leaf.push(&url, &look, None);
        } else if !is_shown && !url.is_empty() && text != url.strip_prefix("mailto:").unwrap_or(&url) {
            leaf.push(&format!(" ({url})"), &outer, None);
        }
    }

    /// Ends the current text.
    fn close(&mut self) {
        let Some((leaf, range)) = self.leaf.take() else { return };
        self.inlines.clear();
        let escapes = std::mem::take(&mut self.blocks.escapes);
        let first = self.blocks.pieces.len();
        let mut ends = Vec::new();
        for (word, end) in leaf.words() {
            let body = Body::Word(word.spans);
            if ends.is_empty() {
                self.push(range.start, body);
            } else {
                self.piece(word.gap, None, body);
            }
            ends.push(end);
        }
        if let (Some(end), false) = (ends.last(), self.source.ends_with([' ', '\t', '\n'])) {
            self.wait = self.wait.min(*end);
        }
        let safe = first + ends.partition_point(|end| *end < self.wait);
        self.held = if safe < self.blocks.pieces.len() { Held::Open(safe) } else { Held::Nothing };
        self.blocks.escapes = escapes;
        self.blocks.tail = Some(Tail { source: range.start, piece: first, ends, cuts: leaf.cuts });
        self.end = Some(range.end);
    }

    /// Adds the first piece of a block that begins at `start`.
    fn push(&mut self, start: usize, body: Body) {
        let is_new = std::mem::take(&mut self.is_new);
        let gap = match self.end {
            _ if self.blocks.pieces.is_empty() => self.context.gap,
            Some(end) if !is_new => {
                let end = self.source[..end].trim_end().len();
                let between = self.source.get(end..start).unwrap_or_default();
                if between.matches('\n').count() > 1 { Gap::Blank } else { Gap::Block }
            }
            _ if is_new => Gap::Blank,
            _ => Gap::Block,
        };
        let mut prefix = Prefix::default();
        for container in &mut self.containers {
            if container.is_used {
                prefix.blank.push_str(&container.rest);
            }
            prefix.first.push_str(if container.is_used { &container.rest } else { &container.marker });
            prefix.rest.push_str(&container.rest);
            container.is_used = true;
        }
        self.piece(gap, Some(prefix), body);
    }

    fn piece(&mut self, gap: Gap, prefix: Option<Prefix>, body: Body) {
        self.held = Held::Nothing;
        self.blocks.tail = None;
        self.blocks.escapes.clear();
        self.blocks.pieces.push(Piece { gap, prefix, body });
    }

    /// Whether the heading begins with `#`. Its text may already be printed if its line below makes it a heading.
    fn is_atx(&self, range: &Range<usize>) -> bool {
        let text = self.source[range.start..].trim_start_matches(' ');
        let rest = text.trim_start_matches('#');
        (1..=6).contains(&(text.len() - rest.len())) && (rest.is_empty() || rest.starts_with([' ', '\t', '\n']))
    }
}
