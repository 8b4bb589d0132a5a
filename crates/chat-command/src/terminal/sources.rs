//! The sources of an answer: one numbered line each.

use std::fmt::Write;

use chat_client::{Citation, OneLine};

use super::{Style, wrap};

/// The start of the further lines of a source.
const INDENT: &str = "    ";

/// One line per source, each a link if the terminal has links. Otherwise the address is printed too.
pub(super) fn render(citations: &[Citation], style: Style) -> String {
    let mut lines = String::new();
    for citation in citations {
        let number = number(citation);
        let url = citation.url().map(|url| OneLine(url).to_string());
        let title = citation.title().map(|title| OneLine(title).to_string());
        let link = url.as_deref().and_then(|url| {
            let text = title.as_deref().unwrap_or(url);
            style.link(url, &format!("{number} {text}"))
        });
        let text = match (link, title, url) {
            (Some(link), ..) => link,
            (None, Some(title), Some(url)) => wrap(&format!("{} {title}: {url}", style.bold(&number)), INDENT),
            (None, text, other) => {
                wrap(&format!("{} {}", style.bold(&number), text.or(other).unwrap_or_default()), INDENT)
            }
        };
        let _ = writeln!(lines, "{}", text.trim_end());
    }
    lines
}

/// The number in brackets. A source without a number has a dash.
pub(crate) fn number(citation: &Citation) -> String {
    citation.number.map_or_else(|| "-".to_owned(), |number| format!("[{number}]"))
}

#[cfg(test)]
mod tests {
    use chat_client::{Record, RecordType};

    use super::*;

    fn citation(number: i64, title: Option<&str>, url: Option<&str>) -> Citation {
        let mut record = Record::new(RecordType::Documentation);
        (record.title, record.url) = (title.map(str::to_owned), url.map(str::to_owned));
        Citation::new(number, record)
    }

    #[test]
    fn a_source_is_a_link_or_has_its_address() {
        let citations = [
            citation(1, Some("The docs"), Some("https://example.com/a")),
            citation(2, None, Some("https://example.com/b")),
            citation(3, Some("A file"), Some("README.md#start")),
            citation(4, Some("Bad\u{1b}[2J"), Some("https://example.com/\u{1b}]8;;x")),
        ];
        let plain = render(&citations, Style::default());
        let expected = "[1] The docs: https://example.com/a\n[2] https://example.com/b\n[3] A file: README.md#start\n\
                        [4] Bad [2J: https://example.com/ ]8;;x\n";
        assert_eq!(plain, expected);
        let links = render(&citations, Style { hyperlinks: true, ..Style::default() });
        let expected = "\x1b]8;;https://example.com/a\x1b\\[1] The docs\x1b]8;;\x1b\\\n\
                        \x1b]8;;https://example.com/b\x1b\\[2] https://example.com/b\x1b]8;;\x1b\\\n\
                        [3] A file: README.md#start\n[4] Bad [2J: https://example.com/ ]8;;x\n";
        assert_eq!(links, expected);
    }
}
