//! How a piece of text looks, and the escape sequences for it.

use std::sync::Arc;

use anstyle::{AnsiColor, Effects};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// Which escape sequences the terminal understands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Whether escape sequences for colors, bold and italic text are allowed (SGR).
    pub(crate) color: bool,
    /// Whether escape sequences for links are allowed (OSC 8).
    pub(crate) hyperlinks: bool,
}

/// How a piece of text looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) strike: bool,
    pub(super) dim: bool,
    pub(super) code: bool,
    /// The target of a link, ready for an escape sequence.
    pub(super) link: Option<Arc<str>>,
}

impl Look {
    pub(super) fn bold() -> Self {
        Self { bold: true, ..Self::default() }
    }

    pub(super) fn dim() -> Self {
        Self { dim: true, ..Self::default() }
    }

    /// Writes the text with its escape sequences. After it, the terminal has no style.
    pub(super) fn write(&self, text: &str, style: Style, out: &mut String) {
        let link = self.link.as_deref().filter(|_| style.hyperlinks);
        if let Some(url) = link {
            out.extend(["\x1b]8;;", url, "\x1b\\"]);
        }
        let sgr = if style.color { self.sgr() } else { anstyle::Style::new() };
        out.push_str(&format!("{sgr}{text}{sgr:#}"));
        if link.is_some() {
            out.push_str("\x1b]8;;\x1b\\");
        }
    }

    fn sgr(&self) -> anstyle::Style {
        let mut effects = Effects::new();
        for (set, effect) in [
            (self.bold, Effects::BOLD),
            (self.italic, Effects::ITALIC),
            (self.strike, Effects::STRIKETHROUGH),
            (self.dim, Effects::DIMMED),
            (self.link.is_some(), Effects::UNDERLINE),
        ] {
            effects = effects.set(effect, set);
        }
        anstyle::Style::new().effects(effects).fg_color(self.code.then(|| AnsiColor::Cyan.into()))
    }
}

/// The longest URL that becomes a link. Some terminals ignore longer ones.
const MAX_URL: usize = 2000;
/// What may not be in the escape sequence of a link. Characters outside ASCII are encoded too.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// The target of a link for its escape sequence. `None` if it has another scheme than http, https and mailto.
pub(super) fn target(url: &str) -> Option<Arc<str>> {
    let (scheme, _) = url.split_once(':')?;
    let known = ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let encoded = utf8_percent_encode(url, UNSAFE).to_string();
    (known && encoded.len() <= MAX_URL).then(|| encoded.into())
}

/// The columns that the text takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}
