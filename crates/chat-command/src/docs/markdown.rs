//! Splits Markdown into passages: a heading and the prose under it.

use std::collections::HashMap;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use unicode_segmentation::UnicodeSegmentation as _;

/// The text between one heading and the next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The headings from the document's title to this one.
    pub(crate) breadcrumbs: Vec<String>,
    /// The anchor of the heading. `None` before the first heading.
    pub(crate) anchor: Option<String>,
    /// The sentences of the prose.
    pub(crate) sentences: Vec<String>,
}

/// Abbreviations after which a capital does not begin a sentence.
const ABBREVIATIONS: &[&str] = &["e.g.", "i.e.", "cf.", "vs."];

/// The minimum number of words of a sentence. Shorter text is a label.
const MIN_WORDS: usize = 3;

/// Which text of a document is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extract {
    /// Sentences.
    #[default]
    Prose,
    /// Also labels, rows of tables and blocks of code, each as a sentence. For documents without prose.
    All,
}

/// Splits a document at its headings. Passages without text are left out. `name` replaces a missing title.
pub(crate) fn split(name: &str, markdown: &str, extract: Extract) -> Vec<Passage> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut splitter = Splitter { extract, ..Splitter::default() };
    for event in Parser::new_ext(markdown, options) {
        splitter.take(event);
    }
    splitter.finish(name)
}

#[derive(Default)]
struct Splitter {
    extract: Extract,
    /// The depth in blocks without prose.
    skipping: usize,
    /// The text of the current block or heading.
    text: String,
    is_heading: bool,
    /// The headings of the current position, outermost first.
    headings: Vec<(HeadingLevel, String)>,
    anchors: HashMap<String, usize>,
    /// The first heading of the first level.
    title: Option<String>,
    passages: Vec<Passage>,
}

impl Splitter {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) if self.is_skipped(&tag.to_end()) => {
                // An image is part of a line of prose, which continues after it.
                if !matches!(tag, Tag::Image { .. }) {
                    self.end_block();
                }
                self.skipping += 1;
            }
            Event::End(tag) if self.is_skipped(&tag) => self.skipping -= 1,
            _ if self.skipping > 0 => {}
            Event::Text(text) => self.text.push_str(&text),
            // A heading is a title, which is plain text. An answer is Markdown.
            Event::Code(text) if self.is_heading => self.text.push_str(&text),
            Event::Code(text) => self.text += &format!("`{text}`"),
            Event::Start(Tag::Heading { .. }) => {
                self.end_block();
                self.is_heading = true;
            }
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::End(TagEnd::TableCell) => self.text.push(' '),
            Event::End(TagEnd::Heading(level)) => self.end_heading(level),
            Event::Start(tag) if is_block(&tag.to_end()) => self.end_block(),
            Event::End(tag) if is_block(&tag) => self.end_block(),
            _ => {}
        }
    }

    /// Returns whether a block has no sentence to cite: code, tables, images, raw HTML, footnotes, front matter.
    fn is_skipped(&self, tag: &TagEnd) -> bool {
        match tag {
            TagEnd::CodeBlock | TagEnd::Table => self.extract == Extract::Prose,
            TagEnd::Image | TagEnd::HtmlBlock | TagEnd::FootnoteDefinition | TagEnd::MetadataBlock(_) => true,
            _ => false,
        }
    }

    fn end_heading(&mut self, level: HeadingLevel) {
        self.is_heading = false;
        let heading = squeeze(&std::mem::take(&mut self.text));
        if level == HeadingLevel::H1 && self.title.is_none() {
            self.title = Some(heading.clone());
        }
        let anchor = self.anchor(&heading);
        while self.headings.last().is_some_and(|(above, _)| *above >= level) {
            self.headings.pop();
        }
        self.headings.push((level, heading));
        let breadcrumbs = self.headings.iter().map(|(_, heading)| heading.clone()).collect();
        self.passages.push(Passage { breadcrumbs, anchor: Some(anchor), sentences: Vec::new() });
    }

    fn end_block(&mut self) {
        let block = squeeze(&std::mem::take(&mut self.text));
        if block.is_empty() {
            return;
        }
        if self.passages.is_empty() {
            self.passages.push(Passage { breadcrumbs: Vec::new(), anchor: None, sentences: Vec::new() });
        }
        if let Some(passage) = self.passages.last_mut() {
            match self.extract {
                Extract::Prose => passage.sentences.extend(sentences(&block)),
                Extract::All => passage.sentences.push(block),
            }
        }
    }

    /// Returns the anchor that GitHub gives a heading: lower case, without punctuation, hyphens for blanks, and a number if an
    /// earlier heading has the same anchor.
    fn anchor(&mut self, heading: &str) -> String {
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        let seen = self.anchors.entry(slug.clone()).or_default();
        let anchor = if *seen == 0 { slug } else { format!("{slug}-{seen}") };
        *seen += 1;
        anchor
    }

    fn finish(mut self, name: &str) -> Vec<Passage> {
        self.end_block();
        let title = self.title.as_deref().unwrap_or(name);
        for passage in &mut self.passages {
            if passage.breadcrumbs.first().is_none_or(|first| first != title) {
                passage.breadcrumbs.insert(0, title.to_owned());
            }
        }
        self.passages.retain(|passage| !passage.sentences.is_empty());
        self.passages
    }
}

/// Returns whether a tag starts or ends a block, so that no sentence continues across it.
fn is_block(tag: &TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::Item
            | TagEnd::List(_)
            | TagEnd::BlockQuote(_)
            | TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::CodeBlock
    )
}

/// Replaces each run of white space with one blank.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sentences(block: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for piece in block.split_sentence_bounds() {
        match sentences.last_mut() {
            Some(last) if ABBREVIATIONS.iter().any(|short| last.trim_end().ends_with(short)) => last.push_str(piece),
            _ => sentences.push(piece.to_owned()),
        }
    }
    sentences
        .iter()
        .map(|sentence| sentence.trim())
        // A sentence that ends in a colon announces something that is not part of it.
        .filter(|sentence| !sentence.ends_with(':') && sentence.unicode_words().count() >= MIN_WORDS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(breadcrumbs: &[&str], anchor: Option<&str>, sentences: &[&str]) -> Passage {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Passage { breadcrumbs: owned(breadcrumbs), anchor: anchor.map(str::to_owned), sentences: owned(sentences) }
    }

    #[test]
    fn headings_make_passages() {
        let markdown = "\
[![badge](https://example.com/x.svg)](https://example.com)

# The `Title`

Prose goes\nhere. And *more* [prose](https://example.com) there!

## Empty of prose

```
let code = \"is not prose at all\";
```

### Deep & down

Below a level.

## C++, what's that?

No more levels here.
";
        assert_eq!(
            split("README", markdown, Extract::Prose),
            [
                passage(&["The Title"], Some("the-title"), &["Prose goes here.", "And more prose there!"]),
                passage(&["The Title", "Empty of prose", "Deep & down"], Some("deep--down"), &["Below a level."]),
                passage(&["The Title", "C++, what's that?"], Some("c-whats-that"), &["No more levels here."]),
            ]
        );
    }

    #[test]
    fn the_name_replaces_a_missing_title() {
        let markdown = "Before any heading.\n\n## A part\n\nIn the part.\n\n## A part\n\nIn the other.\n";
        assert_eq!(
            split("notes", markdown, Extract::Prose),
            [
                passage(&["notes"], None, &["Before any heading."]),
                passage(&["notes", "A part"], Some("a-part"), &["In the part."]),
                passage(&["notes", "A part"], Some("a-part-1"), &["In the other."]),
            ]
        );
    }

    #[test]
    fn lists_are_prose_and_tables_are_not() {
        let markdown = "\
---
title: front matter is not prose
---

# T

- one whole item
  - an inner item here
- label

| a b c | d e f |
| --- | --- |
| g h i | j k l |

<p>raw html is left out</p>

Run this command:
";
        let prose = ["one whole item", "an inner item here"];
        assert_eq!(split("x", markdown, Extract::Prose), [passage(&["T"], Some("t"), &prose)]);
        let all = [prose[0], prose[1], "label", "a b c d e f", "g h i j k l", "Run this command:"];
        assert_eq!(split("x", markdown, Extract::All), [passage(&["T"], Some("t"), &all)]);
    }

    #[test]
    fn abbreviations_do_not_end_a_sentence() {
        assert_eq!(
            sentences("Use a tool, e.g. Cargo. Or hyper 1.12 instead."),
            ["Use a tool, e.g. Cargo.", "Or hyper 1.12 instead."]
        );
    }
}
