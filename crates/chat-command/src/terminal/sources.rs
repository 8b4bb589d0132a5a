//! The sources of an answer: one numbered line each.

use std::fmt::Write;

use chat_client::{Citation, OneLine};

use super::Style;

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
        let line = match (link, title, url) {
            (Some(link), ..) => link,
            (None, Some(title), Some(url)) => format!("{} {title}: {url}", style.bold(&number)),
            (None, text, other) => format!("{} {}", style.bold(&number), text.or(other).unwrap_or_default()),
        };
        let _ = writeln!(lines, "{}", line.trim_end());
    }
    lines
}

/// The number in brackets. A source without a number has a dash.
pub(crate) fn number(citation: &Citation) -> String {
    citation.number.map_or_else(|| "-".to_owned(), |number| format!("[{number}]"))
}
