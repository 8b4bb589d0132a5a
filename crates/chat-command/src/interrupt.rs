//! Ctrl-C and SIGTERM. The first signal asks the program to finish, the second one ends it at once.
//!
//! In `chat repl`, the first signal stops the answer, and the program goes on.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

/// Exit status of a program that Ctrl-C ended, as shells report it.
pub(crate) const STATUS: u8 = 130;

/// Exit status of a program that SIGTERM ended, as shells report it.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Listens for signals from the moment it is made.
#[derive(Clone)]
pub(crate) struct Interrupt {
    signalled: watch::Sender<bool>,
    grace: Option<Duration>,
}

impl Interrupt {
    /// Listens for Ctrl-C. After the first one, the program exits when `grace` is over: it may be blocked on an output
    /// that is not read. If it is `None`, only a second signal ends the program.
    pub(crate) fn listen(grace: Option<Duration>) -> io::Result<Self> {
        let interrupt = Self { signalled: watch::Sender::new(false), grace };
        let handler = interrupt.clone();
        ctrlc::set_handler(move || handler.on_signal(STATUS)).map_err(io::Error::other)?;
        Ok(interrupt)
    }

    /// Treats SIGTERM like Ctrl-C, because service managers stop services with it. Must be called within the runtime.
    #[cfg(unix)]
    pub(crate) fn listen_to_terminate(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut signals = signal(SignalKind::terminate())?;
        let handler = self.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                handler.on_signal(TERMINATED);
            }
        });
        Ok(())
    }

    /// The first call starts the grace period, the second one exits.
    fn on_signal(&self, status: u8) {
        if self.signalled.send_replace(true) {
            exit(status);
        }
        let Some(grace) = self.grace else { return };
        thread::spawn(move || {
            thread::sleep(grace);
            exit(status);
        });
    }

    /// Forgets the signal. The next one is a first one again.
    #[cfg(feature = "terminal")]
    pub(crate) fn reset(&self) {
        self.signalled.send_replace(false);
    }

    /// Does what a signal does, without the grace period.
    pub(crate) fn trigger(&self) {
        self.signalled.send_replace(true);
    }

    /// Completes when a signal has arrived.
    pub(crate) async fn wait(&mut self) {
        // This never fails, because `self` holds the sender.
        let _ = self.signalled.subscribe().wait_for(|&signalled| signalled).await;
    }
}

fn exit(status: u8) -> ! {
    #[cfg(feature = "terminal")]
    crate::terminal::echo::restore();
    std::process::exit(status.into());
}
