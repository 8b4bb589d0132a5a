//! `/save`: the conversation as Markdown.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use chat_store::StoredTurn;

use crate::terminal::number;

/// Writes the turns to a new file, which only its owner can read.
///
/// # Errors
///
/// The file exists, or it could not be written.
pub(crate) fn save(file: &Path, turns: &[StoredTurn]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(markdown(turns).as_bytes())
}

fn markdown(turns: &[StoredTurn]) -> String {
    let mut text = String::new();
    for turn in turns {
        if !turn.is_continuation() {
            let _ = writeln!(text, "> {}\n", turn.question().trim().replace('\n', "\n> "));
        }
        let _ = writeln!(text, "{}\n", turn.answer().trim_end());
        if turn.is_partial() {
            text += "(The answer is incomplete.)\n\n";
        }
        for citation in turn.citations() {
            let (title, url) = (citation.title().unwrap_or_default(), citation.url().unwrap_or_default());
            let _ = writeln!(text, "- {} {title}: <{url}>", number(citation));
        }
        text += if turn.citations().is_empty() { "" } else { "\n" };
    }
    text
}
