//! Quoting of text that the user can paste into a shell.

use chat_client::OneLine;

/// The shell to quote for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shell {
    /// sh and compatible shells.
    Unix,
    /// cmd or PowerShell. The quoting has to work in both, because the command cannot tell which one runs it.
    Windows,
}

impl Shell {
    /// The shell of this platform.
    pub(crate) const NATIVE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };
}

/// Returns the flag that continues a session, quoted for the shell.
///
/// The server chooses the id, so it may hold anything. Returns `None` if the id cannot be part of a request, has control
/// characters, or cannot be quoted safely.
pub(crate) fn session_flag(id: &str, shell: Shell) -> Option<String> {
    if matches!(id, "" | "." | "..") || OneLine(id).to_string() != id {
        return None;
    }
    // A value with a leading dash would be read as another flag.
    let separator = if id.starts_with('-') { '=' } else { ' ' };
    Some(format!("--session{separator}{}", quoted(id, shell)?))
}

fn quoted(word: &str, shell: Shell) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if word.chars().all(is_plain) {
        return Some(word.to_owned());
    }
    match shell {
        Shell::Unix => shlex::try_quote(word).ok().map(Into::into),
        // One of the two shells expands these within double quotes: variables and the escapes of PowerShell. Quotes, which
        // for PowerShell include typographic ones, would end the string.
        Shell::Windows if word.contains(['"', '%', '!', '$', '`', '\u{201c}', '\u{201d}', '\u{201e}']) => None,
        // A backslash at the end would escape the closing quote.
        Shell::Windows if word.ends_with('\\') => None,
        Shell::Windows => Some(format!("\"{word}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_word_to_the_shell() {
        for (id, windows) in [
            ("s-1_a.b:c/d", Some("--session s-1_a.b:c/d")),
            ("-x", Some("--session=-x")),
            ("~root", Some("--session \"~root\"")),
            ("a b;&|<>()^", Some("--session \"a b;&|<>()^\"")),
            ("it's", Some("--session \"it's\"")),
            (r"a\b", Some("--session \"a\\b\"")),
            ("$(id)", None),
            ("%PATH%", None),
            ("a\"b", None),
            ("a`b!", None),
            ("a\u{201d}b", None),
            (r"a b\", None),
        ] {
            let unix = session_flag(id, Shell::Unix).expect("sh can quote anything");
            let words = shlex::split(&unix.replacen('=', " ", usize::from(id.starts_with('-'))));
            assert_eq!(words, Some(vec!["--session".to_owned(), id.to_owned()]), "{unix}");
            assert_eq!(session_flag(id, Shell::Windows).as_deref(), windows, "{id:?}");
        }
    }

    #[test]
    fn an_id_with_control_characters_or_no_valid_path_is_rejected() {
        for id in ["", ".", "..", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{2028}b"] {
            for shell in [Shell::Unix, Shell::Windows] {
                assert_eq!(session_flag(id, shell), None, "{id:?}");
            }
        }
    }
}
