//! An answer for people: the sources behind `[n]` in the text, and the text with its sources below.

use std::fmt::{self, Write};
use std::ops::Range;

use crate::one_line::{OneLine, harmless};
use crate::{Answer, Citation};

/// A reference to a source in the text: `[number]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference<'a> {
    /// Its position in [`Answer::text`], brackets included.
    pub range: Range<usize>,
    /// The number in the brackets.
    pub number: i64,
    /// The source.
    pub citation: &'a Citation,
}

impl Answer {
    /// The references to the citations of this answer, in the order of the text. A number in brackets without a citation is
    /// not a reference.
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

    /// The citations as a list: one line `[1] title: URL` each. Empty if there are none.
    pub fn footnotes(&self) -> Footnotes<'_> {
        Footnotes(self.citations())
    }

    /// The text and its footnotes, as plain text.
    pub fn to_plain_text(&self) -> String {
        let footnotes = self.footnotes().to_string();
        if footnotes.is_empty() { self.text.clone() } else { format!("{}\n\n{footnotes}", self.text.trim_end()) }
    }

    /// The text and its sources, as Markdown. Each `[n]` in the text becomes a link, and each source a line with a link.
    ///
    /// The text is the server's Markdown and stays unchanged. Titles are escaped. A URL that is not `http` or `https` is not
    /// linked.
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
            written.expect("writing to a string does not fail");
        }
        let text = self.text.trim_end();
        if links.is_empty() { format!("{text}\n\n{list}") } else { format!("{text}\n\n{list}\n{links}") }
    }
}

/// Displays citations, one per line. Returned by [`Answer::footnotes`].
#[derive(Clone, Copy, Debug)]
pub struct Footnotes<'a>(&'a [Citation]);

impl<'a> Footnotes<'a> {
    /// The citations of an answer that was stored.
    pub fn new(citations: &'a [Citation]) -> Self {
        Self(citations)
    }
}

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

/// Text with Markdown's special characters escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.trim().chars().filter_map(harmless).try_for_each(|c| match c {
            // CommonMark allows a backslash before any ASCII punctuation.
            c if c.is_ascii_punctuation() && !",:;'/()".contains(c) => write!(f, "\\{c}"),
            c => f.write_char(c),
        })
    }
}

/// A URL between `<` and `>`.
struct Destination<'a>(&'a str);

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Characters that would be replaced are not part of a URL.
        self.0.trim().chars().filter(|&c| harmless(c) == Some(c)).try_for_each(|c| match c {
            '<' | '>' | '\\' | ' ' => write!(f, "%{:02X}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}
