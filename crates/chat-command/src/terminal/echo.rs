//! The keys that are pressed while an answer is printed: they are not echoed, and the next prompt reads them.

#[cfg(unix)]
pub(crate) use unix::{Silence, restore};

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
        /// Does nothing if standard input is not a terminal.
        pub(crate) fn start() -> Self {
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

    /// Restores the settings. Called before the process exits too.
    pub(crate) fn restore() {
        if let Some(saved) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &saved);
        }
    }
}

#[cfg(not(unix))]
pub(crate) use other::{Silence, restore};

#[cfg(not(unix))]
mod other {
    /// Other systems echo what is typed.
    pub(crate) struct Silence(());

    impl Silence {
        pub(crate) fn start() -> Self {
            Self(())
        }
    }

    pub(crate) fn restore() {}
}
