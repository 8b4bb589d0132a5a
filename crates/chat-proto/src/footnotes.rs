//! An answer for a reader: what `[n]` in the text stands for, and the text with its sources below.

use std::fmt::{self, Write};
use std::ops::Range;

use crate::one_line::{OneLine, harmless};
use crate::{Answer, Citation};

/// A place where a text cites a record: `[number]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference<'a> {
    /// Where it stands in the text, brackets included: an index of [`Answer::text`].
    pub range: Range<usize>,
    /// The number in the brackets.
    pub number: i64,
    /// What it stands for.
    pub citation: &'a Citation,
}

impl Answer {
    /// The places where the text cites a record that came, in order. Brackets around a number that no citation has are text,
    /// an index of an array say.
    ///
    /// ```
    /// # fn show(answer: &chat_proto::Answer) {
    /// for reference in answer.references() {
    ///     println!("{} is {:?}", &answer.text[reference.range], reference.citation.url());
    /// }
    /// # }
    /// ```
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                let start = at + self.text[at..].find('[')?;
                at = start + 1;
                let digits = self.text[at..].bytes().take_while(u8::is_ascii_digit).count();
                let end = at + digits;
                if !self.text[end..].starts_with(']') {
                    continue;
                }
                let Ok(number) = self.text[at..end].parse() else { continue };
                if let Some(citation) = self.citation(number) {
                    at = end + 1;
                    return Some(Reference { range: start..at, number, citation });
                }
            }
        })
    }

    /// The citations below one another, `[1] title: address` each; nothing if there are none.
    pub fn footnotes(&self) -> Footnotes<'_> {
        Footnotes(self.citations())
    }

    /// The text with its footnotes below, as plain text.
    pub fn to_plain_text(&self) -> String {
        let footnotes = self.footnotes().to_string();
        if footnotes.is_empty() { self.text.clone() } else { format!("{}\n\n{footnotes}", self.text.trim_end()) }
    }

    /// The text with its sources below, as Markdown: each `[n]` of it becomes a link, and so does its line in the list.
    ///
    /// The text is Markdown of the server's own and stays as it came. Titles are escaped; an address that is not one of the
    /// web is named and not linked.
    pub fn to_markdown(&self) -> String {
        if self.citations().is_empty() {
            return self.text.clone();
        }
        let (mut list, mut links) = (String::new(), String::new());
        for citation in self.citations() {
            let title = Escaped(citation.title().or(citation.url()).unwrap_or("untitled"));
            let link = citation.url().filter(|url| is_web(url)).map(Destination);
            let written = match (citation.number, link) {
                (Some(number), Some(link)) => {
                    writeln!(list, "- [{number}] {title}").and_then(|()| writeln!(links, "[{number}]: <{link}>"))
                }
                (Some(number), None) => writeln!(list, "- \\[{number}\\] {title}"),
                (None, Some(link)) => writeln!(list, "- [{title}](<{link}>)"),
                (None, None) => writeln!(list, "- {title}"),
            };
            written.expect("a string takes all that is written");
        }
        let text = self.text.trim_end();
        if links.is_empty() { format!("{text}\n\n{list}") } else { format!("{text}\n\n{list}\n{links}") }
    }
}

/// Citations for a reader, a line each, whatever a title or an address holds. Made by [`Answer::footnotes`].
#[derive(Clone, Copy, Debug)]
pub struct Footnotes<'a>(&'a [Citation]);

impl fmt::Display for Footnotes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|citation| {
            match citation.number {
                Some(number) => write!(f, "[{number}] ")?,
                None => f.write_str("[-] ")?,
            }
            let (title, url) = (citation.title().unwrap_or("untitled"), citation.url().unwrap_or("no address"));
            writeln!(f, "{}: {}", OneLine(title.trim()), OneLine(url.trim()))
        })
    }
}

fn is_web(url: &str) -> bool {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("https://") || begins("http://")
}

/// A text that Markdown takes for itself.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.trim().chars().filter_map(harmless).try_for_each(|c| match c {
            // CommonMark lets any of its punctuation stand behind a backslash.
            c if c.is_ascii_punctuation() && !",:;'/()".contains(c) => write!(f, "\\{c}"),
            c => f.write_char(c),
        })
    }
}

/// An address within `<` and `>`.
struct Destination<'a>(&'a str);

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What would be a space instead of itself has no place in an address.
        self.0.trim().chars().filter(|&c| harmless(c) == Some(c)).try_for_each(|c| match c {
            '<' | '>' | '\\' | ' ' => write!(f, "%{:02X}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}
