//! The echo of what the user types, off while an answer is printed.
//!
//! What is typed meanwhile is not lost: the next prompt reads it.

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
                silent.local_modes.remove(LocalModes::ECHO);
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
