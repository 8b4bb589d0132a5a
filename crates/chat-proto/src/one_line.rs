//! Untrusted text on one line.

use std::fmt::{self, Write};

/// Displays untrusted text on one line, for a terminal or a log. Control characters and line breaks become spaces.
/// Characters that change the direction of text are left out.
///
/// ```
/// use chat_proto::OneLine;
///
/// assert_eq!(OneLine("one\ntwo \u{1b}[2J\u{202e}three").to_string(), "one two  [2Jthree");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().filter_map(harmless).try_for_each(|c| f.write_char(c))
    }
}

/// The character to display instead of `c`, or `None` to leave it out.
pub(crate) fn harmless(c: char) -> Option<char> {
    match c {
        // Line and paragraph separators.
        '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() => Some(' '),
        // Marks, embeddings, overrides and isolates (Unicode Standard Annex 9, 2).
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        c => Some(c),
    }
}
