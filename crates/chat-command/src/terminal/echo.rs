//! The keys that are pressed while an answer is printed: they are not echoed, and the next prompt reads them.

#[cfg(unix)]
pub(crate) use unix::{Silence, restore};

/// Asks the terminal to mark pasted text, so that a text that is pasted while an answer is printed stays one text. The prompt
/// does so itself.
#[cfg(unix)]
pub(crate) fn mark_paste(is_on: bool) {
    use std::io::{IsTerminal, Write};

    let mut out = std::io::stdout();
    if out.is_terminal() && !unix::is_simple() {
        let _ = out.write_all(if is_on { b"\x1b[?2004h" } else { b"\x1b[?2004l" });
        let _ = out.flush();
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// The settings to restore.
    static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

    /// No echo until this is dropped.
    pub(crate) struct Silence(());

    impl Silence {
        /// Does nothing if standard input is not a terminal, and on terminals that cannot move the cursor: there, the system
        /// edits the line.
        pub(crate) fn start() -> Self {
            if is_simple() {
                return Self(());
            }
            if let Ok(saved) = tcgetattr(io::stdin()) {
                let mut silent = saved.clone();
                // Not line by line either: the prompt reads key by key, and a change of that mode may delay what was typed.
                silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
                *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &silent);
            }
            Self(())
        }
    }

    impl Drop for Silence {
        fn drop(&mut self) {
            restore();
        }
    }

    /// Whether the terminal cannot move the cursor.
    pub(super) fn is_simple() -> bool {
        let term = std::env::var("TERM").unwrap_or_default();
        ["", "dumb", "cons25", "emacs"].contains(&term.as_str())
    }

    /// Restores the settings. Called before the process exits too.
    pub(crate) fn restore() {
        if let Some(saved) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &saved);
            super::mark_paste(false);
        }
    }
}

#[cfg(not(unix))]
pub(crate) use other::{Silence, mark_paste, restore};

#[cfg(not(unix))]
mod other {
    /// Other systems echo what is typed.
    pub(crate) struct Silence(());

    impl Silence {
        pub(crate) fn start() -> Self {
            Self(())
        }
    }

    pub(crate) fn mark_paste(_: bool) {}

    pub(crate) fn restore() {}
}
