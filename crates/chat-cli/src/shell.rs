//! What is printed to be pasted into a shell.

use chat_client::OneLine;

/// Whose quotes are meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shell {
    /// sh and its kin.
    Unix,
    /// cmd and PowerShell, of which nobody knows which it is.
    Windows,
}

impl Shell {
    /// The platform's.
    pub(crate) const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };
}

/// The flag that continues a session. The id is the server's word: none for one that no request can carry, that would steer
/// the terminal, or that the shell can't be kept from reading as something else.
pub(crate) fn session_flag(id: &str, shell: Shell) -> Option<String> {
    if matches!(id, "" | "." | "..") || OneLine(id).to_string() != id {
        return None;
    }
    // A dash would make it a flag of its own.
    let join = if id.starts_with('-') { '=' } else { ' ' };
    Some(format!("--session{join}{}", quoted(id, shell)?))
}

fn quoted(word: &str, shell: Shell) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if word.chars().all(is_plain) {
        return Some(word.to_owned());
    }
    match shell {
        Shell::Unix => shlex::try_quote(word).ok().map(Into::into),
        // These stand for something else within the double quotes of one of them: variables of both, the escapes of
        // PowerShell, the end of the quotes, which PowerShell sees in typographic ones too.
        Shell::Windows if word.contains(['"', '%', '!', '$', '`', '\u{201c}', '\u{201d}', '\u{201e}']) => None,
        // It would escape the closing quote.
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
    fn an_id_that_steers_or_leads_nowhere_is_not_offered() {
        for id in ["", ".", "..", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{2028}b"] {
            for shell in [Shell::Unix, Shell::Windows] {
                assert_eq!(session_flag(id, shell), None, "{id:?}");
            }
        }
    }
}
